/*
 * run.c
 *	  What the ways to run a statement share: its locks, how far it is, its end.
 */
#include "postgres.h"

#include "ddl/run.h"
#include "ddl/targets.h"
#include "run/verdict.h"
#include "storage/sinval.h"
#include "utils/memutils.h"

/* End the run with an error of the statement or of the lock policy. */
void
zdm_ddl_fail(ZdmDdlRun *run, ZdmError *error)
{
	if (error->hint == NULL)
		error->hint = "Mend the cause, then use zdm.retry_job(); or cancel the job and start another one.";
	zdm_run_end(&run->base, ZDM_RUN_FAILED, error);
}

typedef struct PhaseArg
{
	int64		job_id;
	ZdmDdlPhase phase;
	List	   *objects;
} PhaseArg;

static void
set_phase_step(void *arg)
{
	PhaseArg   *phase = arg;

	zdm_ddl_spec_set_phase(phase->job_id, phase->phase);
	zdm_ddl_spec_set_objects(phase->job_id, phase->objects);
	zdm_job_set_cleanup(phase->job_id, phase->phase == ZDM_DDL_STARTED);
}

static bool
set_phase(ZdmDdlRun *run, ZdmDdlPhase phase, List *objects)
{
	PhaseArg	arg = {run->base.job->id, phase, objects};

	if (!zdm_run_bookkeep(&run->base, set_phase_step, &arg))
		return false;
	run->spec->phase = phase;
	return true;
}

/* Record how far the job is, durably; false when the run has ended instead. */
bool
zdm_ddl_set_phase(ZdmDdlRun *run, ZdmDdlPhase phase)
{
	return set_phase(run, phase, NIL);
}

/* The same for a statement that will commit in its middle: objects is what it is about, OIDs. */
bool
zdm_ddl_set_started(ZdmDdlRun *run, List *objects)
{
	return set_phase(run, ZDM_DDL_STARTED, objects);
}

/*
 * Run body with targets locked, by the policy and within the job's deadline.
 * ZDM_DONE, ZDM_GONE: what body said.  Otherwise the run has ended.
 */
ZdmVerdict
zdm_ddl_do_locked(ZdmDdlRun *run, int stall_ms, List *targets, ZdmDdlBody body, void *arg)
{
	ZdmLockOptions options = {.stall_ms = stall_ms,.deadline_ms = run->spec->deadline_ms,.since = run->spec->since};
	ZdmError   *error = NULL;
	ZdmVerdict	verdict = zdm_ddl_locked_with(&run->base, &options, targets, body, arg, &error);

	if (verdict != ZDM_DONE && verdict != ZDM_GONE && !run->base.ended)
		zdm_ddl_fail(run, error);
	return verdict;
}

/* Body: as the caller, find out what is to be locked, and whether it may be. */
static ZdmVerdict
targets_body(ZdmRun *base, void *arg)
{
	ZdmDdlRun  *run = (ZdmDdlRun *) base;
	MemoryContext old = MemoryContextSwitchTo(base->run_mcxt);

	list_free_deep(run->targets);
	run->targets = NIL;
	run->targets_as_of = SharedInvalidMessageCounter;
	run->targets = zdm_ddl_targets(run->statement);
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

/*
 * Set run->targets to what the statement locks, after a check of names and
 * rights.  Somebody who has the job's table locked for himself is waited for
 * as for any lock of the statement's.  False when the run has ended.
 */
bool
zdm_ddl_find_targets(ZdmDdlRun *run)
{
	Oid			target = run->base.job->target;
	List	   *looked_at = NIL;

	if (OidIsValid(target))
		looked_at = list_make1(zdm_lock_target(target, AccessShareLock));
	return zdm_ddl_do_locked(run, 0, looked_at, targets_body, NULL) == ZDM_DONE;
}
