/*
 * stage.c
 *	  The jobs of a migration: starting a stage, what comes of it.
 *
 * What a stage's job tells of itself comes in the transaction in which its
 * state changes, with its row locked, so phase and job cannot disagree after a
 * crash.  Orders given to such a job by itself (zdm.cancel_job and its likes)
 * arrive here as well: those that would take the migration past a gate are
 * refused.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "job/undo.h"
#include "migration/freeze.h"
#include "migration/open.h"
#include "migration/plan_columns.h"
#include "migration/orders.h"
#include "migration/own_trigger.h"
#include "migration/side.h"
#include "migration/stage.h"
#include "migration/steps.h"
#include "migration/tracking.h"
#include "recipe/stage.h"
#include "recipe/store.h"
#include "utils/builtins.h"

/* ---------- starting ---------- */

static char *
job_name(const ZdmMigration *migration, ZdmStage stage)
{
	if (stage == ZDM_STAGE_MAIN)
		return pstrdup(migration->name);
	return psprintf("%s (%s)", migration->name, zdm_stage_name(stage));
}

static int64
job_of(const ZdmMigration *migration, ZdmStage stage)
{
	switch (stage)
	{
		case ZDM_STAGE_MAIN:
			return migration->main_job;
		case ZDM_STAGE_RETIRE:
			return migration->retire_job;
		default:
			return migration->purge_job;
	}
}

static int64
create_job(ZdmMigration *migration, ZdmStage stage, TimestampTz not_before)
{
	ZdmRecipe	recipe = {.recipe = migration->kind,.definition = migration->definition};
	ZdmRecipeJob job = {.target = migration->target,.what = "migration",.not_before = not_before};
	int64		job_id;

	recipe.target_schema = migration->target_schema;
	recipe.target_name = migration->target_name;
	recipe.steps = zdm_steps_load(migration->id, stage);
	zdm_session_from_array(&recipe.settings, migration->settings);
	job.name = job_name(migration, stage);
	job.role = migration->runs_as_id;
	job.as_caller = !OidIsValid(migration->target);
	job_id = zdm_recipe_create(&job, &recipe);
	if (job_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" exists", job.name),
				 errdetail("The migration's job is to have this name."),
				 errhint("Give the migration another name.")));
	zdm_migration_set_job(migration, stage, job_id);
	return job_id;
}

/* A stage that was undone before: its job does it again. */
static void
repeat_job(ZdmMigration *migration, ZdmStage stage, ZdmJob *job, TimestampTz not_before)
{
	if (job->cleanup)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what job \"%s\" has done is still being undone", job->name),
				 errhint("Wait until migration \"%s\" has left its phase, which zdm.migrations shows.", migration->name)));
	zdm_recipe_replace_steps(job->id, zdm_steps_load(migration->id, stage));
	zdm_job_set_not_before(job->id, not_before);
	zdm_job_requeue(job, "begun anew");
}

static void
set_current_job(ZdmMigration *migration, int64 job_id)
{
	static const Oid argtypes[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(migration->id), Int64GetDatum(job_id)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET current_job = $2, last_error = NULL WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	migration->current_job = job_id;
}

/*
 * Enter the state in which the job of a stage is at work, and have it do its
 * steps, not before that time (0: at once).  The migration's row is locked.
 * why (may be NULL) goes into the event.
 */
void
zdm_stage_enter(ZdmMigration *migration, ZdmMigrationState to, ZdmStage stage, TimestampTz not_before,
				const char *why)
{
	int64		job_id = job_of(migration, stage);
	ZdmJob	   *job = job_id != 0 ? zdm_job_lock(job_id, true) : NULL;

	zdm_migration_transition(migration, to, job_id, why);
	if (job == NULL)
		set_current_job(migration, create_job(migration, stage, not_before));
	else if (job->state == ZDM_JOB_CANCELLED)
		repeat_job(migration, stage, job, not_before);
}

/*
 * Start a migration that is planned, or was aborted.  Errors as
 * zdm_tracking_require_start(), zdm_open_require_columns() and
 * zdm_record_require_same().
 */
void
zdm_stage_start_main(ZdmMigration *migration, const char *why)
{
	zdm_tracking_require_start(migration);
	zdm_open_require_columns(migration);
	zdm_record_require_same(migration);
	zdm_stage_enter(migration, ZDM_MIGRATION_EXPAND, ZDM_STAGE_MAIN, 0, why);
	zdm_side_start(migration);
}

/* Of a migration that is being aborted: have undone what its main job did. */
void
zdm_stage_undo_main(ZdmMigration *migration, const char *why)
{
	ZdmJob	   *job = migration->main_job != 0 ? zdm_job_lock(migration->main_job, true) : NULL;

	if (job == NULL || (!job->cleanup && job->state != ZDM_JOB_RUNNING))
	{
		if (job && job->state != ZDM_JOB_DONE && job->state != ZDM_JOB_CANCELLED)
			zdm_job_transition(job, ZDM_JOB_CANCELLED, why, NULL);
		/* that may have ended it */
		migration = zdm_migration_lock(migration->id);
		if (!zdm_migration_is_over(migration))
			zdm_migration_transition(migration, ZDM_MIGRATION_ABORTED, 0, why);
		return;
	}
	set_current_job(migration, job->id);
	zdm_job_undo(job->id, migration->runs_as_id, why);
}

/* ---------- what comes of the jobs ---------- */

static void
main_done(ZdmMigration *migration)
{
	bool		has_more = zdm_steps_exist(migration->id, ZDM_STAGE_RETIRE) ||
	zdm_steps_exist(migration->id, ZDM_STAGE_PURGE);

	if (!has_more)
		zdm_migration_transition(migration, ZDM_MIGRATION_DONE, 0, NULL);
	else
	{
		zdm_migration_transition(migration, ZDM_MIGRATION_READY, 0, NULL);
		zdm_side_start(migration);
	}
}

/* Undone, or the first of that; error: it has failed. */
static void
main_cancelled(ZdmMigration *migration, bool left, const ZdmError *error)
{
	if (error)
		zdm_migration_set_error(migration, error->message);
	else if (!left)
	{
		if (!zdm_migration_is_over(migration))
			zdm_migration_transition(migration, ZDM_MIGRATION_ABORTED, 0, NULL);
	}
	else if (migration->state == ZDM_MIGRATION_EXPAND || migration->state == ZDM_MIGRATION_MIGRATE)
		zdm_migration_transition(migration, ZDM_MIGRATION_ABORTING, migration->main_job, "its job was cancelled");
}

static void
main_changed(ZdmMigration *migration, ZdmJobState state, bool left, const ZdmError *error)
{
	switch (state)
	{
		case ZDM_JOB_QUEUED:
			if (migration->state == ZDM_MIGRATION_ABORTED || migration->state == ZDM_MIGRATION_ABORTING)
			{
				zdm_tracking_require_start(migration);
				zdm_open_require_columns(migration);
				zdm_migration_transition(migration, ZDM_MIGRATION_EXPAND, migration->main_job, "retried");
				zdm_side_start(migration);
			}
			break;
		case ZDM_JOB_DONE:
			main_done(migration);
			break;
		case ZDM_JOB_CANCELLED:
			main_cancelled(migration, left, error);
			break;
		default:
			break;
	}
}

static void
retire_done(ZdmMigration *migration)
{
	if (!zdm_steps_exist(migration->id, ZDM_STAGE_PURGE))
	{
		zdm_migration_transition(migration, ZDM_MIGRATION_DONE, 0, NULL);
		return;
	}
	zdm_stage_enter(migration, ZDM_MIGRATION_RETIRED, ZDM_STAGE_PURGE, DT_NOEND, NULL);
	zdm_tracking_move_purge(migration);
}

static void
retire_cancelled(ZdmMigration *migration, bool left, const ZdmError *error)
{
	if (error)
		zdm_migration_set_error(migration, error->message);
	else if (migration->state == ZDM_MIGRATION_RETIRING)
	{
		zdm_orders_require_way_back(migration, "reverted");
		zdm_migration_transition(migration, ZDM_MIGRATION_REVERTING, migration->retire_job, "its job was cancelled");
	}
	if (left || error)
		return;
	if (migration->state == ZDM_MIGRATION_REVERTING)
		zdm_migration_transition(migration, ZDM_MIGRATION_READY, 0, NULL);
	else if (migration->state == ZDM_MIGRATION_ABORTING)
		zdm_stage_undo_main(migration, NULL);
}

static void
retire_changed(ZdmMigration *migration, ZdmJobState state, bool left, const ZdmError *error)
{
	if (state == ZDM_JOB_QUEUED && migration->state != ZDM_MIGRATION_RETIRING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the job that retires the old shape of migration \"%s\" is begun by zdm.contract() only",
						migration->name),
				 errdetail("The migration is in phase %s.", zdm_migration_describe(migration)),
				 errhint("Call zdm.contract(%s) when its gates are open.", quote_literal_cstr(migration->name))));
	if (state == ZDM_JOB_DONE)
		retire_done(migration);
	else if (state == ZDM_JOB_CANCELLED)
		retire_cancelled(migration, left, error);
}

static void
purge_changed(ZdmMigration *migration, ZdmJobState state)
{
	bool		is_due = migration->state == ZDM_MIGRATION_RETIRED || migration->state == ZDM_MIGRATION_PURGING;

	switch (state)
	{
		case ZDM_JOB_QUEUED:
		case ZDM_JOB_CANCELLED:
			if (is_due == (state == ZDM_JOB_QUEUED))
			{
				zdm_tracking_keep_hold(migration);
				return;
			}
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the job that purges the old shape of migration \"%s\" cannot be %s", migration->name,
							state == ZDM_JOB_QUEUED ? "begun" : "cancelled"),
					 errdetail("The migration is in phase %s.", zdm_migration_describe(migration)),
					 errhint("Use zdm.contract(), zdm.revert(), zdm.pause_migration() or zdm.resume_migration().")));
			break;
		case ZDM_JOB_DONE:
			zdm_migration_transition(migration, ZDM_MIGRATION_DONE, 0, NULL);
			break;
		default:
			break;
	}
}

/*
 * A job of kind "recipe" has changed; its row is locked.  For one that is not a
 * stage's, the migration's row is not: whoever has that may want the job's.
 */
static void
job_changed(int64 job_id, ZdmJobState state, const ZdmError *error)
{
	ZdmMigration *migration = zdm_migration_of_job(job_id);
	bool		left;

	if (migration == NULL)
		return;
	if (job_id != migration->main_job && job_id != migration->retire_job && job_id != migration->purge_job)
	{
		if (state == ZDM_JOB_QUEUED)
			zdm_side_require_trigger(job_id);
		return;
	}
	migration = zdm_migration_lock(migration->id);
	left = zdm_job_load(job_id, false)->cleanup;
	if (job_id == migration->main_job)
		main_changed(migration, state, left, error);
	else if (job_id == migration->retire_job)
		retire_changed(migration, state, left, error);
	else if (job_id == migration->purge_job)
		purge_changed(migration, state);
}

/* ---------- between steps ---------- */

/* Is no step of the same phase done yet? */
static bool
is_first_of_phase(int64 job_id, const ZdmStep *step)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(zdm_recipe_phase_name(step->phase))};
	ZdmCatalogScope scope;
	bool		is_first;

	zdm_catalog_begin(&scope);
	is_first = zdm_catalog_execute("SELECT FROM zdm.recipe_step WHERE job_id = $1 AND phase = $2 AND state = 'done' LIMIT 1",
								   lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT) == 0;
	zdm_catalog_end(&scope);
	return is_first;
}

static void
enter_migrate(ZdmMigration *migration)
{
	migration = zdm_migration_lock(migration->id);
	if (migration->state == ZDM_MIGRATION_EXPAND)
		zdm_migration_transition(migration, ZDM_MIGRATION_MIGRATE, migration->main_job, NULL);
}

/*
 * From here on there is no way back.  NULL, or why it has to wait: the hold may
 * have been made longer since the job began.
 */
static char *
enter_purging(ZdmMigration *migration)
{
	char	   *obstacle = NULL;

	migration = zdm_migration_lock(migration->id);
	if (migration->state == ZDM_MIGRATION_RETIRED && (obstacle = zdm_tracking_hold_reason(migration)) == NULL)
		zdm_migration_transition(migration, ZDM_MIGRATION_PURGING, migration->purge_job, NULL);
	return obstacle;
}

/* NULL, or why the step has to wait. */
static char *
may_begin(int64 job_id, const ZdmStep *step)
{
	ZdmMigration *migration;
	char	   *obstacle = zdm_stop_reason();

	if (obstacle || step->phase == ZDM_PHASE_NONE)
		return obstacle;
	migration = zdm_migration_of_job(job_id);
	if (migration == NULL)
		return NULL;
	if (is_first_of_phase(job_id, step) && (obstacle = zdm_freeze_reason()) != NULL)
		return obstacle;
	if (step->phase == ZDM_PHASE_MIGRATE && migration->state == ZDM_MIGRATION_EXPAND)
		enter_migrate(migration);
	if (job_id == migration->purge_job && migration->state == ZDM_MIGRATION_RETIRED)
		return enter_purging(migration);
	return NULL;
}

/* From _PG_init only. */
void
zdm_stage_init(void)
{
	zdm_recipe_end_hook = job_changed;
	zdm_recipe_may_begin = may_begin;
	zdm_recipe_step_hook = zdm_own_trigger_step;
}
