/*
 * undo.c
 *	  Having a job undone, also one that is done.
 */
#include "postgres.h"

#include "job/interrupt.h"
#include "job/queue.h"
#include "job/undo.h"

/*
 * Cancel a job, whatever its state, so that its kind's clean_up() undoes it.
 * It is undone as role, unless it runs as its caller: the target's owner may be
 * another than when it was done.  reason (may be NULL) goes into the event.  The
 * hook is told when that is over.
 * Of a job that is cancelled already the clean-up is tried anew, also when it
 * has been given up.  Locks the job's row; rights are the caller's to check.
 * Errors with OBJECT_NOT_IN_PREREQUISITE_STATE when it is done and leaves
 * nothing to undo.  Does not commit.
 */
void
zdm_job_undo(int64 job_id, Oid role, const char *reason)
{
	ZdmJob	   *job = zdm_job_lock(job_id, false);

	if (!job->as_caller && role != job->owner_id)
		zdm_job_adopt(job, role);
	if (job->state == ZDM_JOB_CANCELLED)
	{
		zdm_job_set_cleanup(job_id, true);
		zdm_job_set_fruitless_starts(job_id, 0);
	}
	else
	{
		zdm_job_transition(job, ZDM_JOB_CANCELLED, reason, NULL);
		zdm_job_interrupt_at_commit(job_id);
	}
	zdm_queue_request();
}
