/*
 * kind.h
 *	  What a kind of job gives to the worker that runs it.
 */
#ifndef ZDM_JOB_KIND_H
#define ZDM_JOB_KIND_H

#include "core/errors.h"
#include "job/job.h"

typedef enum ZdmRunResult
{
	ZDM_RUN_DONE,				/* the worker makes the job done */
	ZDM_RUN_FAILED,				/* the worker makes the job failed, with error */
	ZDM_RUN_PAUSED,				/* the worker makes the job paused, with
								 * error's message as the reason */
	ZDM_RUN_CANCELLED,			/* by pg_cancel_backend(): the worker makes
								 * the job paused and says how to go on */
	ZDM_RUN_AGAIN,				/* the worker makes the job queued until
								 * again_at */
	ZDM_RUN_STOPPED				/* nothing to record: somebody else changed
								 * the state, or this process has to leave */
} ZdmRunResult;

typedef struct ZdmRunOutcome
{
	ZdmRunResult result;
	ZdmError   *error;			/* in TopMemoryContext; NULL when done */
	TimestampTz again_at;		/* of ZDM_RUN_AGAIN */
	char	   *why;			/* of ZDM_RUN_AGAIN, as waiting_for shows it;
								 * NULL: it says until when */
} ZdmRunOutcome;

typedef struct ZdmJobKind
{
	const char *name;

	/*
	 * Called outside of any transaction, with the job's lock held and the job
	 * in state running.  Returns outside of any transaction.
	 */
	ZdmRunOutcome (*run) (const ZdmJob *job);

	/*
	 * Remove what a cancelled job leaves behind; called likewise, in state
	 * cancelled, when zdm.job.cleanup is set (zdm_job_set_cleanup()).  Done:
	 * the worker takes the mark away.  Any other outcome: it will be tried
	 * again, as a run is.  NULL: there never is such a thing.
	 */
	ZdmRunOutcome (*clean_up) (const ZdmJob *job);
} ZdmJobKind;

#endif							/* ZDM_JOB_KIND_H */
