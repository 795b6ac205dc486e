/*
 * ddl.c
 *	  The kind of job "ddl": one statement, executed once.
 *
 * The statement runs as the caller, with the settings of the caller's session.
 * That it was executed is recorded in its own transaction, so a crash finds it
 * either undone or done, and no worker executes it twice.  Statements that
 * commit in their middle are in toplevel.c.
 */
#include "postgres.h"

#include "core/identity.h"
#include "ddl/ddl.h"
#include "ddl/run.h"
#include "ddl/targets.h"
#include "ddl/toplevel.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/sinval.h"
#include "utils/memutils.h"

/* before trying again with other locks than those that were thought of */
#define CHANGED_PAUSE_MS 100

static void
apply_settings(ZdmRun *base)
{
	zdm_session_apply(&((ZdmDdlRun *) base)->spec->settings);
}

static ZdmDdlRun *
create_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm ddl", ALLOCSET_DEFAULT_SIZES);
	ZdmDdlRun  *run = MemoryContextAllocZero(mcxt, sizeof(ZdmDdlRun));

	zdm_run_init(&run->base, job, mcxt);
	MemoryContextSwitchTo(mcxt);
	return run;
}

/* Step: the definition. */
static void
load_step(void *arg)
{
	ZdmDdlRun  *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);

	run->spec = zdm_ddl_spec_load(run->base.job->id);
	if (run->spec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.ddl", run->base.job->id),
				 errhint("Cancel the job and start it under another name.")));
	MemoryContextSwitchTo(old);
}

/* False when the run has ended. */
static bool
load(ZdmDdlRun *run)
{
	if (!zdm_run_bookkeep(&run->base, load_step, run))
		return false;
	MemoryContextSwitchTo(run->base.run_mcxt);
	run->base.activity = run->spec->statement;
	run->base.apply_settings = apply_settings;
	apply_settings(&run->base);
	run->statement = zdm_statement_parse(run->spec->statement);
	return true;
}

/*
 * With all targets locked: may the statement lock something else than them by
 * now?  Whoever changes what names mean, or what depends on a relation, sends
 * an invalidation before its locks are free; without any, nothing has changed,
 * and the locks need not be held while it is found out.
 */
static bool
targets_have_changed(const ZdmDdlRun *run)
{
	if (SharedInvalidMessageCounter == run->targets_as_of)
		return false;
	return !zdm_lock_covers(run->targets, zdm_ddl_targets(run->statement));
}

/* Body, with all targets locked. */
static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	ZdmDdlRun  *run = (ZdmDdlRun *) base;

	if (targets_have_changed(run))
		return ZDM_GONE;
	zdm_ddl_execute(run->spec->statement);
	zdm_ddl_spec_set_phase(base->job->id, ZDM_DDL_EXECUTED);
	return ZDM_DONE;
}

static void
run_locked(ZdmDdlRun *run)
{
	int			stall_ms = run->statement->harmless ? 0 : -1;
	ZdmVerdict	verdict;

	do
	{
		if (!zdm_ddl_find_targets(run))
			return;
		verdict = zdm_ddl_do_locked(run, stall_ms, run->targets, execute_body, NULL);
	} while (verdict == ZDM_GONE && zdm_pause(&run->base, CHANGED_PAUSE_MS));
	if (verdict == ZDM_DONE)
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
}

/* A role that is gone has nobody's rights. */
static void
fail_without_caller(ZdmDdlRun *run)
{
	zdm_ddl_fail(run, zdm_error_make(run->base.batch_mcxt, ERRCODE_UNDEFINED_OBJECT,
									 "Cancel the job, and start it again as another role.",
									 "role \"%s\", as which the job runs, no longer exists",
									 run->base.job->owner));
}

/*
 * Execute the statement of a job, unless it was executed, or until somebody
 * stops it.  Outside of any transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_ddl_run(const ZdmJob *job)
{
	ZdmDdlRun  *run = create_run(job);

	zdm_txn_init();
	if (!OidIsValid(job->owner_id))
		fail_without_caller(run);
	else if (load(run))
	{
		if (run->spec->phase == ZDM_DDL_EXECUTED)
			zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
		else if (run->statement->toplevel)
			zdm_ddl_run_toplevel(run);
		else
			run_locked(run);
	}
	return run->base.outcome;
}

/*
 * After a cancel: take away what a statement that commits in its middle has
 * left, or finish it where there is no way back.  As zdm_ddl_run().
 */
ZdmRunOutcome
zdm_ddl_clean_up(const ZdmJob *job)
{
	ZdmDdlRun  *run = create_run(job);

	zdm_txn_init();
	if (!OidIsValid(job->owner_id))
		fail_without_caller(run);
	else if (load(run) && run->spec->phase == ZDM_DDL_STARTED)
		zdm_ddl_clean_up_toplevel(run);
	if (!run->base.ended)
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	return run->base.outcome;
}
