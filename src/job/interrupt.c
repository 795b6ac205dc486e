/*
 * interrupt.c
 *	  Interrupting the worker of a job whose state changes.
 *
 * A worker looks at its job between batches; one that is inside of a long
 * statement does not.  So whoever pauses or cancels a job cancels what its
 * worker is doing, at commit, as pg_cancel_backend() would; the worker then
 * finds that the job is not running any more, and records nothing.
 *
 * The worker is looked up while the caller holds the lock on the job's row,
 * without which no other worker can begin with it.  Nothing in the callback
 * can fail.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "job/interrupt.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/procarray.h"

/* workers that one transaction can interrupt; the others notice by themselves */
#define MAX_INTERRUPTS 64

typedef struct Interrupt
{
	int			pid;
	int			level;			/* nest level of the (sub)transaction */
} Interrupt;

static Interrupt interrupts[MAX_INTERRUPTS];
static int	count = 0;

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
	{
		for (int i = 0; i < count; i++)
		{
			PGPROC	   *proc = BackendPidGetProc(interrupts[i].pid);

			if (proc && proc->databaseId == MyDatabaseId)
				(void) kill(interrupts[i].pid, SIGINT);
		}
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		count = 0;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId my_id, SubTransactionId parent_id,
					  void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	int			kept = 0;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (int i = 0; i < count; i++)
	{
		if (interrupts[i].level >= level)
		{
			if (event == SUBXACT_EVENT_ABORT_SUB)
				continue;
			interrupts[i].level = level - 1;
		}
		interrupts[kept++] = interrupts[i];
	}
	count = kept;
}

/*
 * Cancel what the worker of a job is doing once the current transaction has
 * committed; nothing happens when it, or the subtransaction, is rolled back.
 * The caller has the job's row locked.
 */
void
zdm_job_interrupt_at_commit(int64 job_id)
{
	static bool registered = false;
	int			pid = zdm_job_worker_pid(job_id);

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	if (pid == 0 || count >= MAX_INTERRUPTS)
		return;
	interrupts[count].pid = pid;
	interrupts[count].level = GetCurrentTransactionNestLevel();
	count++;
}
