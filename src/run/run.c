/*
 * run.c
 *	  A job while it runs: its end, and its bookkeeping between transactions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "run/run.h"
#include "catalog/pg_type.h"
#include "core/bookkeeping.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define RETRY_MS 50

static char *
copy_text(const char *text)
{
	return text ? MemoryContextStrdup(TopMemoryContext, text) : NULL;
}

static ZdmError *
copy_error(const ZdmError *error)
{
	ZdmError   *copy = MemoryContextAllocZero(TopMemoryContext, sizeof(ZdmError));

	copy->sqlerrcode = error->sqlerrcode;
	copy->message = copy_text(error->message);
	copy->detail = copy_text(error->detail);
	copy->hint = copy_text(error->hint);
	copy->context = copy_text(error->context);
	return copy;
}

/* mcxt lasts as long as the run. */
void
zdm_run_init(ZdmRun *run, const ZdmJob *job, MemoryContext mcxt)
{
	run->job = job;
	run->owner = job->owner_id;
	zdm_controller_init(&run->controller);
	INSTR_TIME_SET_CURRENT(run->load_seen);
	INSTR_TIME_SET_CURRENT(run->held_noted);
	run->run_mcxt = mcxt;
	run->batch_mcxt = AllocSetContextCreate(mcxt, "zdm batch", ALLOCSET_DEFAULT_SIZES);
}

/* End the run; error may be NULL. */
void
zdm_run_end(ZdmRun *run, ZdmRunResult result, const ZdmError *error)
{
	run->ended = true;
	run->outcome.result = result;
	run->outcome.error = error ? copy_error(error) : NULL;
}

/*
 * End the run so that the job is queued until that time; zdm.jobs shows why.
 * It needs a launcher to be taken up again.
 */
void
zdm_run_end_until(ZdmRun *run, TimestampTz until, const char *why)
{
	zdm_run_end(run, ZDM_RUN_AGAIN, NULL);
	run->outcome.again_at = until;
	run->outcome.why = copy_text(why);
}

/*
 * Signals, a reload, and somebody who wants the database; the run may have
 * ended then.
 */
void
zdm_run_look_around(ZdmRun *run)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	if (zdm_database_is_wanted())
		zdm_run_end(run, ZDM_RUN_STOPPED, NULL);
}

static void
end_with_error(ZdmRun *run, const ZdmError *error)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		zdm_run_end(run, ZDM_RUN_CANCELLED, NULL);
	else
		zdm_run_end(run, ZDM_RUN_FAILED, error);
}

/*
 * Bookkeeping that the run cannot do without: tried again while somebody has
 * zdm's tables locked.  False when the run has ended instead.
 */
bool
zdm_run_bookkeep(ZdmRun *run, ZdmBookkeepingStep step, void *arg)
{
	ZdmError   *error;

	while (!run->ended && (error = zdm_bookkeeping_try(step, arg)) != NULL)
	{
		if (!zdm_bookkeeping_is_passing(error))
			end_with_error(run, error);
		else
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 RETRY_MS, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			zdm_run_look_around(run);
		}
		pfree(error);
	}
	return !run->ended;
}

/*
 * Bookkeeping that only tells something: left out when it would have to wait.
 * It may be lost in a crash.
 */
bool
zdm_run_try_bookkeep(ZdmRun *run, ZdmBookkeepingStep step, void *arg)
{
	ZdmError   *error = zdm_bookkeeping_try(step, arg);

	if (error == NULL)
		return true;
	if (!zdm_bookkeeping_is_passing(error))
		end_with_error(run, error);
	pfree(error);
	return false;
}

typedef struct Question
{
	const char *sql;
	Oid			relation;
	MemoryContext mcxt;
	char	   *answer;
} Question;

static void
ask(void *arg)
{
	Question   *question = arg;
	ZdmCatalogScope scope;
	Oid			argtype = OIDOID;
	Datum		relation = ObjectIdGetDatum(question->relation);

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute(question->sql, 1, &argtype, &relation, NULL, SPI_OK_SELECT) > 0)
		question->answer = zdm_catalog_text(0, 1, question->mcxt);
	zdm_catalog_end(&scope);
}

/*
 * What sql, a query of ours with a relation as $1, says of it in one text; or
 * what to say otherwise.  In run->batch_mcxt.
 */
const char *
zdm_run_ask(ZdmRun *run, const char *sql, Oid relation, const char *otherwise)
{
	Question	question = {.sql = sql,.relation = relation,.mcxt = run->batch_mcxt};

	(void) zdm_run_try_bookkeep(run, ask, &question);
	return question.answer ? question.answer : otherwise;
}
