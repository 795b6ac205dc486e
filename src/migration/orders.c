/*
 * orders.c
 *	  What people order of a migration: start, contract, revert, abort, retry,
 *	  pause, resume.
 *
 * An order changes rows and waits for nothing; the work begins when the
 * caller's transaction commits.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/identity.h"
#include "fmgr.h"
#include "job/interrupt.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "job/submit.h"
#include "job/undo.h"
#include "lib/stringinfo.h"
#include "migration/adopt.h"
#include "migration/gates.h"
#include "migration/orders.h"
#include "migration/reverify.h"
#include "migration/stage.h"
#include "migration/steps.h"
#include "migration/tracking.h"
#include "miscadmin.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(zdm_start);
PG_FUNCTION_INFO_V1(zdm_contract);
PG_FUNCTION_INFO_V1(zdm_revert);
PG_FUNCTION_INFO_V1(zdm_abort);
PG_FUNCTION_INFO_V1(zdm_retry);
PG_FUNCTION_INFO_V1(zdm_pause_migration);
PG_FUNCTION_INFO_V1(zdm_resume_migration);

/* ---------- what several orders use ---------- */

static const char *
quoted(const ZdmMigration *migration)
{
	return quote_literal_cstr(migration->name);
}

static void
require_local(const ZdmMigration *migration)
{
	if (!migration->is_local)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" came from another cluster or database (restore, copy or upgrade)",
						migration->name),
				 errhint("Use zdm.resume_migration(%s) to let it go on here.", quoted(migration))));
}

static void
refuse(const ZdmMigration *migration, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("migration \"%s\" cannot be %s: it is in phase %s", migration->name, what,
					zdm_migration_describe(migration)),
			 errhint("%s", hint)));
}

static void
notice_already(const ZdmMigration *migration)
{
	ereport(NOTICE,
			(errmsg("migration \"%s\" is already in phase %s", migration->name, zdm_migration_describe(migration))));
}

static const char *
by_caller(const char *what)
{
	return psprintf("%s by %s", what, GetUserNameFromId(GetUserId(), false));
}

static ZdmJob *
current_job(const ZdmMigration *migration)
{
	return migration->current_job != 0 ? zdm_job_lock(migration->current_job, true) : NULL;
}

/*
 * The table may belong to somebody else than when the migration began: whoever
 * may speak for that one, and orders something, has it go on as such.
 */
static void
accept_owner(ZdmMigration *migration)
{
	Oid			owner = OidIsValid(migration->target) ? zdm_relation_owner(migration->target) : InvalidOid;

	if (!OidIsValid(owner) || owner == migration->runs_as_id)
		return;
	zdm_require_owner_rights(owner, psprintf("table \"%s.%s\"", migration->target_schema, migration->target_name));
	zdm_migration_adopt(migration);
}

/* The migration of a call that has work done, its rows locked; errors as what it is made of. */
static ZdmMigration *
migration_to_work_on(FunctionCallInfo fcinfo, const char *funcname)
{
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, funcname);

	require_local(migration);
	accept_owner(migration);
	return migration;
}

/* ---------- start ---------- */

/* zdm.start(name text) */
Datum
zdm_start(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_to_work_on(fcinfo, "zdm.start()");

	if (migration->state == ZDM_MIGRATION_ABORTED)
		refuse(migration, "started", psprintf("Use zdm.retry(%s) to do it all again.", quoted(migration)));
	if (migration->state != ZDM_MIGRATION_PLANNED)
	{
		notice_already(migration);
		PG_RETURN_VOID();
	}
	if (!zdm_steps_exist(migration->id, ZDM_STAGE_MAIN) && !zdm_steps_exist(migration->id, ZDM_STAGE_RETIRE) &&
		!zdm_steps_exist(migration->id, ZDM_STAGE_PURGE) && strcmp(migration->kind, ZDM_RECIPE_CUSTOM) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" has no steps", migration->name),
				 errhint("Add some with zdm.add_step().")));
	if (migration->removes && migration->has_contract_by)
		zdm_tracking_check_contract_by(migration->contract_by);
	zdm_stage_start_main(migration, by_caller("started"));
	zdm_submit_notice_no_preload(migration->main_job);
	PG_RETURN_VOID();
}

/* ---------- contract ---------- */

static void
require_open_gates(const ZdmMigration *migration)
{
	StringInfoData closed;
	ListCell   *lc;
	int			count = 0;

	initStringInfo(&closed);
	foreach(lc, zdm_gates_of(migration))
	{
		const ZdmGate *gate = lfirst(lc);

		if (gate->closed)
			appendStringInfo(&closed, "%s%s: %s.", count++ > 0 ? "\n" : "", gate->name, gate->closed);
	}
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("migration \"%s\" cannot be contracted: %d gate is closed",
							   "migration \"%s\" cannot be contracted: %d gates are closed",
							   count, migration->name, count),
				 errdetail("%s", closed.data),
				 errhint("zdm.gates(%s) shows all gates; call zdm.contract() again when they are open.",
						 quoted(migration))));
}

static void
contract(ZdmMigration *migration)
{
	bool		retires = zdm_steps_exist(migration->id, ZDM_STAGE_RETIRE);

	if (!retires && !zdm_steps_exist(migration->id, ZDM_STAGE_PURGE))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" has nothing to contract", migration->name),
				 errdetail("Its plan has no step of phase contract: it ends by itself."),
				 errhint("CALL zdm.wait_for_migration(%s) waits for it.", quoted(migration))));
	require_open_gates(migration);
	if (retires)
		zdm_stage_enter(migration, ZDM_MIGRATION_RETIRING, ZDM_STAGE_RETIRE, 0, by_caller("contracted"));
	else
		zdm_stage_enter(migration, ZDM_MIGRATION_PURGING, ZDM_STAGE_PURGE, 0, by_caller("contracted"));
}

/* zdm.contract(name text, hold interval) */
Datum
zdm_contract(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_to_work_on(fcinfo, "zdm.contract()");

	switch (migration->state)
	{
		case ZDM_MIGRATION_PLANNED:
		case ZDM_MIGRATION_EXPAND:
		case ZDM_MIGRATION_MIGRATE:
		case ZDM_MIGRATION_READY:
			if (!PG_ARGISNULL(1))
				zdm_tracking_set_hold(migration, PG_GETARG_INTERVAL_P(1));
			contract(migration);
			break;
		case ZDM_MIGRATION_RETIRING:
		case ZDM_MIGRATION_RETIRED:
			if (!PG_ARGISNULL(1))
				zdm_tracking_set_hold(migration, PG_GETARG_INTERVAL_P(1));
			notice_already(migration);
			break;
		case ZDM_MIGRATION_PURGING:
		case ZDM_MIGRATION_DONE:
			notice_already(migration);
			break;
		case ZDM_MIGRATION_REVERTING:
			refuse(migration, "contracted", "Wait until it is back in phase contract (ready).");
			break;
		case ZDM_MIGRATION_ABORTING:
		case ZDM_MIGRATION_ABORTED:
			refuse(migration, "contracted", psprintf("Use zdm.retry(%s) to do it all again.", quoted(migration)));
			break;
	}
	PG_RETURN_VOID();
}

/* ---------- revert and abort ---------- */

/*
 * Errors when the old shape has been retired and there is no way back.  A step
 * that checks or builds something has nothing to undo; one that changes
 * something and has no undo does so for good.
 */
void
zdm_orders_require_way_back(const ZdmMigration *migration, const char *what)
{
	const ZdmRecipe *recipe = migration->retire_job != 0 ? zdm_recipe_load(migration->retire_job) : NULL;
	const ZdmStep *lost = NULL;
	ListCell   *lc;

	if (recipe == NULL)
		return;
	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);

		if (step->done && step->undo)
			return;
		if (step->done && (step->kind == ZDM_STEP_DDL || step->kind == ZDM_STEP_SQL))
			lost = step;
	}
	if (lost)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" cannot be %s: the old shape is retired and has not been kept right since",
						migration->name, what),
				 errdetail("Step %d has nothing that undoes it, as zdm.plan() has said.", lost->number),
				 errhint("Go on: it is purged after the hold, or with zdm.contract(%s, '0') at once.", quoted(migration))));
}

/* The purge must not begin any more. */
static void
cancel_purge(const ZdmMigration *migration, const char *why)
{
	ZdmJob	   *job = migration->purge_job != 0 ? zdm_job_lock(migration->purge_job, true) : NULL;

	if (job && job->state != ZDM_JOB_CANCELLED && job->state != ZDM_JOB_DONE)
		zdm_job_transition(job, ZDM_JOB_CANCELLED, why, NULL);
}

static void
undo_retire(ZdmMigration *migration, ZdmMigrationState to, const char *why)
{
	zdm_migration_transition(migration, to, migration->retire_job, why);
	cancel_purge(migration, why);
	zdm_job_undo(migration->retire_job, migration->runs_as_id, why);
}

/* What there is instead of bringing the old shape back. */
static const char *
instead_of_revert(const ZdmMigration *migration)
{
	if (migration->state == ZDM_MIGRATION_PURGING || zdm_steps_exist(migration->id, ZDM_STAGE_PURGE))
		return "The old shape has been dropped, or is being: restore it from a backup.";
	if (strcmp(migration->kind, "add_column") == 0)
		return "Nothing of it is hidden or dropped later, so that it was over at once: drop the column with zdm.drop_column().";
	return "Nothing of it is hidden or dropped later, so that it was over at once: undo it with a migration of its own.";
}

/* The old shape is right only as long as the trigger has kept it so; "what" is what is asked for. */
static void
require_trigger(const ZdmMigration *migration, const char *what)
{
	const char *doubt = migration->state == ZDM_MIGRATION_RETIRED ? zdm_gates_trigger_doubt(migration) : NULL;

	if (doubt)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" cannot be %s: %s", migration->name, what, doubt),
				 errdetail("What was written meanwhile may be in the new column only."),
				 errhint("Make the trigger ENABLE ALWAYS, mend the old column of rows that were written meanwhile, and try again when the rows have been verified;"
						 " or go on with zdm.contract(%s, '0').", quoted(migration))));
}

/* zdm.revert(name text) */
Datum
zdm_revert(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_to_work_on(fcinfo, "zdm.revert()");

	switch (migration->state)
	{
		case ZDM_MIGRATION_RETIRING:
		case ZDM_MIGRATION_RETIRED:
			zdm_orders_require_way_back(migration, "reverted");
			require_trigger(migration, "reverted");
			undo_retire(migration, ZDM_MIGRATION_REVERTING, by_caller("reverted"));
			break;
		case ZDM_MIGRATION_READY:
		case ZDM_MIGRATION_REVERTING:
			notice_already(migration);
			break;
		case ZDM_MIGRATION_PURGING:
		case ZDM_MIGRATION_DONE:
			refuse(migration, "reverted", instead_of_revert(migration));
			break;
		default:
			refuse(migration, "reverted", psprintf("It has not been contracted; zdm.abort(%s) undoes all of it.", quoted(migration)));
			break;
	}
	PG_RETURN_VOID();
}

/* What goes with the new column stays nowhere else. */
static void
warn_of_trigger(const ZdmMigration *migration)
{
	const char *doubt = zdm_gates_trigger_doubt(migration);

	if (doubt)
		ereport(WARNING,
				(errmsg("what was written in the new column only is lost: %s", doubt),
				 errhint("Before the commit, ROLLBACK keeps it; zdm.inconsistent_rows lists what a verification has found.")));
}

static bool
target_is_gone(const ZdmMigration *migration)
{
	return OidIsValid(migration->target) && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(migration->target));
}

/* Without its table, there is nothing left that could be dropped or kept. */
static void
abort_purge(ZdmMigration *migration)
{
	if (!target_is_gone(migration))
		refuse(migration, "aborted", "The old shape is being dropped: there is no way back. zdm.retry() continues it when it has failed.");
	zdm_migration_transition(migration, ZDM_MIGRATION_ABORTED, 0, "its table was dropped");
	cancel_purge(migration, "the table was dropped");
}

/* zdm.abort(name text) */
Datum
zdm_abort(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_to_work_on(fcinfo, "zdm.abort()");
	const char *why = by_caller("aborted");

	switch (migration->state)
	{
		case ZDM_MIGRATION_PLANNED:
			zdm_migration_transition(migration, ZDM_MIGRATION_ABORTED, 0, why);
			break;
		case ZDM_MIGRATION_READY:
			warn_of_trigger(migration);
			/* FALLTHROUGH */
		case ZDM_MIGRATION_EXPAND:
		case ZDM_MIGRATION_MIGRATE:
			zdm_migration_transition(migration, ZDM_MIGRATION_ABORTING, migration->main_job, why);
			zdm_stage_undo_main(migration, why);
			break;
		case ZDM_MIGRATION_RETIRING:
		case ZDM_MIGRATION_RETIRED:
			zdm_orders_require_way_back(migration, "aborted");
			require_trigger(migration, "aborted");
			undo_retire(migration, ZDM_MIGRATION_ABORTING, why);
			break;
		case ZDM_MIGRATION_REVERTING:
			zdm_migration_transition(migration, ZDM_MIGRATION_ABORTING, migration->retire_job, why);
			break;
		case ZDM_MIGRATION_PURGING:
			abort_purge(migration);
			break;
		case ZDM_MIGRATION_DONE:
			refuse(migration, "aborted", "Undo it with a migration of its own.");
			break;
		case ZDM_MIGRATION_ABORTING:
		case ZDM_MIGRATION_ABORTED:
			notice_already(migration);
			break;
	}
	PG_RETURN_VOID();
}

/* ---------- retry, pause, resume ---------- */

static void
notice_at_work(const ZdmMigration *migration)
{
	ereport(NOTICE,
			(errmsg("migration \"%s\" has not failed: it is in phase %s", migration->name,
					zdm_migration_describe(migration))));
	zdm_queue_request();
}

/* There is nothing to do again but to compare both shapes, while both are there. */
static void
verify_again(const ZdmMigration *migration)
{
	bool		has_both = migration->state == ZDM_MIGRATION_READY || migration->state == ZDM_MIGRATION_RETIRED;

	if (has_both && zdm_reverify_hurry(migration))
		ereport(NOTICE,
				(errmsg("the rows of migration \"%s\" are verified again", migration->name),
				 errhint("zdm.gates(%s) shows what comes of it.", quoted(migration))));
	else
		notice_at_work(migration);
}

static void
retry_job(ZdmMigration *migration, ZdmJob *job)
{
	switch (job->state)
	{
		case ZDM_JOB_FAILED:
			zdm_job_requeue(job, by_caller("retried"));
			break;
		case ZDM_JOB_CANCELLED:
			zdm_migration_set_error(migration, NULL);
			zdm_job_undo(job->id, migration->runs_as_id, by_caller("retried"));
			break;
		case ZDM_JOB_PAUSED:
			refuse(migration, "retried", psprintf("It is paused: use zdm.resume_migration(%s).", quoted(migration)));
			break;
		default:
			verify_again(migration);
			break;
	}
}

/* zdm.retry(name text) */
Datum
zdm_retry(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_to_work_on(fcinfo, "zdm.retry()");
	ZdmJob	   *job = current_job(migration);

	if (migration->state == ZDM_MIGRATION_ABORTED)
		zdm_stage_start_main(migration, by_caller("retried"));
	else if (migration->state == ZDM_MIGRATION_DONE)
		notice_already(migration);
	else if (migration->state == ZDM_MIGRATION_PLANNED)
		refuse(migration, "retried", psprintf("Use zdm.start(%s).", quoted(migration)));
	else if (job)
		retry_job(migration, job);
	else
		verify_again(migration);
	PG_RETURN_VOID();
}

/* zdm.pause_migration(name text) */
Datum
zdm_pause_migration(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, "zdm.pause_migration()");
	ZdmJob	   *job = current_job(migration);

	require_local(migration);
	if (job && job->state == ZDM_JOB_PAUSED)
		ereport(NOTICE,
				(errmsg("migration \"%s\" is already paused", migration->name)));
	else if (job == NULL || (job->state != ZDM_JOB_QUEUED && job->state != ZDM_JOB_RUNNING))
		refuse(migration, "paused", "Nothing is at work for it that could be paused.");
	else
	{
		zdm_job_transition(job, ZDM_JOB_PAUSED, by_caller("paused"), NULL);
		zdm_job_interrupt_at_commit(job->id);
	}
	PG_RETURN_VOID();
}

/* zdm.resume_migration(name text) */
Datum
zdm_resume_migration(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, "zdm.resume_migration()");
	ZdmJob	   *job = current_job(migration);

	if (!migration->is_local)
		zdm_migration_bring_here(migration);
	else if (job && job->state == ZDM_JOB_PAUSED)
	{
		zdm_job_requeue(job, by_caller("resumed"));
		zdm_migration_adopt(migration);
	}
	else if (job && job->state == ZDM_JOB_FAILED)
		refuse(migration, "resumed", psprintf("It has failed: use zdm.retry(%s).", quoted(migration)));
	else
	{
		ereport(NOTICE,
				(errmsg("migration \"%s\" is not paused: it is in phase %s", migration->name,
						zdm_migration_describe(migration))));
		zdm_queue_request();
	}
	PG_RETURN_VOID();
}
