/*
 * verdict.c
 *	  What to do about a verdict that every kind of step may meet: wait and
 *	  try again, or end the run.
 *
 * Load and locks never end a job, they hold it; what holds it is shown in
 * zdm.jobs after a moment.
 */
#include "postgres.h"

#include "access/xact.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "core/catalog.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define FIRST_WAIT_MS 10.0
#define LONGEST_WAIT_MS 1000.0
#define LONGEST_RESOURCE_WAIT_MS 60000.0
#define TELL_AFTER_TRIES 5

typedef struct TargetState
{
	Oid			target;
	bool		gone;
} TargetState;

static void
look_for_target(void *arg)
{
	TargetState *state = arg;

	state->gone = !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(state->target));
}

/* True, and the run has ended, when the target was dropped. */
bool
zdm_run_target_is_gone(ZdmRun *run)
{
	TargetState state = {.target = run->job->target};

	if (!zdm_run_bookkeep(run, look_for_target, &state))
		return true;
	if (state.gone)
		zdm_run_end(run, ZDM_RUN_FAILED,
					zdm_error_make(run->batch_mcxt, ERRCODE_UNDEFINED_TABLE,
								   "There is nothing left to do; zdm.cancel_job() ends the job.",
								   "table \"%s.%s\" was dropped",
								   run->job->target_schema, run->job->target_name));
	return state.gone;
}

/* A step succeeded: what held the job is over. */
void
zdm_run_progressed(ZdmRun *run)
{
	run->tries = 0;
	zdm_say_working(run);
}

/* FIRST_WAIT_MS, doubled with every try. */
static double
backoff_ms(const ZdmRun *run, double longest)
{
	double		ms = FIRST_WAIT_MS;

	for (int i = 1; i < run->tries && ms < longest; i++)
		ms *= 2;
	return Min(ms, longest);
}

static bool
wait_for(ZdmRun *run, double longest_ms, const char *what, const char *detail)
{
	run->tries++;
	run->retries++;
	if (run->tries == TELL_AFTER_TRIES)
		zdm_say_waiting(run, psprintf("%s%s", what, detail));
	return zdm_pause(run, backoff_ms(run, longest_ms));
}

/* Who has or wants a lock on the relation that the job cannot share. */
static const char *
describe_lock_holder(ZdmRun *run, Oid leaf)
{
	return zdm_run_ask(run,
					   "SELECT format('a lock on table %s: process %s (%s) %s %s', $1::regclass,"
					   " l.pid, coalesce(nullif(a.application_name, ''), a.backend_type),"
					   " CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END, l.mode)"
					   " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
					   " WHERE l.locktype = 'relation' AND l.relation = $1"
					   " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
					   " AND l.pid <> pg_backend_pid()"
					   " AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
					   " ORDER BY l.granted DESC, l.waitstart LIMIT 1",
					   leaf, "a lock on the table");
}

static void
end_with_owner_change(ZdmRun *run)
{
	zdm_run_end(run, ZDM_RUN_PAUSED,
				zdm_error_make(run->batch_mcxt, ERRCODE_INSUFFICIENT_PRIVILEGE,
							   psprintf("A member of the new owner can go on with zdm.resume_job(" INT64_FORMAT ").",
										run->job->id),
							   "the table no longer belongs to role \"%s\", as which the job runs",
							   run->job->owner));
}

static void
end_failed(ZdmRun *run, ZdmError *error)
{
	if (error->hint == NULL)
		error->hint = "Mend the cause, then use zdm.retry_job().";
	zdm_run_end(run, ZDM_RUN_FAILED, error);
}

/*
 * Deal with a verdict other than those the step knows better.  True: the step
 * is to be tried again.  False: the run has ended.
 */
bool
zdm_verdict_try_again(ZdmRun *run, Oid leaf, ZdmVerdict verdict, ZdmError *error)
{
	switch (verdict)
	{
		case ZDM_BUSY:
			return wait_for(run, LONGEST_WAIT_MS / 5,
							run->tries + 1 == TELL_AFTER_TRIES ? describe_lock_holder(run, leaf) : "", "");
		case ZDM_ROWS_LOCKED:
			return wait_for(run, LONGEST_WAIT_MS, "a lock: ", error->message);
		case ZDM_NO_RESOURCE:
			run->tries = Max(run->tries, TELL_AFTER_TRIES - 1);
			return wait_for(run, LONGEST_RESOURCE_WAIT_MS, "the server: ", error->message);
		case ZDM_STOP:
			zdm_run_end(run, ZDM_RUN_STOPPED, NULL);
			return false;
		case ZDM_OTHER_OWNER:
			end_with_owner_change(run);
			return false;
		case ZDM_CANCELLED:
			zdm_run_end(run, ZDM_RUN_CANCELLED, NULL);
			return false;
		default:

			/*
			 * what a statement says that meets the drop of its table depends
			 * on the moment
			 */
			if (error->sqlerrcode != ERRCODE_UNDEFINED_TABLE || !OidIsValid(run->job->target) ||
				!zdm_run_target_is_gone(run))
				end_failed(run, error);
			return false;
	}
}
