/*
 * custom.c
 *	  A plan of one's own: zdm.create_migration(), zdm.add_step().
 *
 * Both may be called again with the same arguments, as a migration file is
 * that is run twice.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "constraint/target.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "migration/custom_step.h"
#include "migration/steps.h"
#include "migration/tracking.h"
#include "recipe/stage.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_create_migration);
PG_FUNCTION_INFO_V1(zdm_add_step);

/* ---------- create_migration ---------- */

enum
{
	NEW_NAME, NEW_OWNER, NEW_CONTRACT_BY, NEW_TARGET
};

/* Tables of any kind but those that no worker could see or that are not the user's. */
static Relation
open_target(Oid relid)
{
	Relation	rel = zdm_validation_target_open(relid);
	char	   *name = psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));

	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot migrate \"%s\"", name),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind),
				 errhint("Give the name of a table; or none, and say in each step what it is about.")));
	if (IsSystemRelation(rel) || rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot migrate \"%s\": it is a %s", name,
						IsSystemRelation(rel) ? "system catalog" : "temporary table"),
				 errhint("Give the name of a table of yours that every session can see.")));
	zdm_require_owner_rights(rel->rd_rel->relowner, psprintf("table \"%s\"", name));
	return rel;
}

/* zdm.create_migration(name text, owner text, contract_by date, target regclass) */
Datum
zdm_create_migration(PG_FUNCTION_ARGS)
{
	ZdmMigrationPlan plan = {.kind = ZDM_RECIPE_CUSTOM,.subject = ZDM_RECIPE_CUSTOM};
	ZdmMigrationArgs args = {.dry_run = true};
	Relation	rel = NULL;
	char	   *name;

	zdm_args_not_null(fcinfo, NEW_NAME, "name");
	zdm_args_not_null(fcinfo, NEW_OWNER, "owner");
	zdm_require_writable("zdm.create_migration()");
	args.name = zdm_args_text(fcinfo, NEW_NAME);
	args.owner = zdm_args_text(fcinfo, NEW_OWNER);
	args.has_contract_by = !PG_ARGISNULL(NEW_CONTRACT_BY);
	if (args.has_contract_by)
		args.contract_by = PG_GETARG_DATEADT(NEW_CONTRACT_BY);
	if (!PG_ARGISNULL(NEW_TARGET))
		rel = open_target(PG_GETARG_OID(NEW_TARGET));
	plan.definition = rel ? pstrdup(RelationGetRelationName(rel)) : pstrdup("");
	name = zdm_migration_submit(rel, &plan, &args);
	if (rel)
		relation_close(rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* ---------- add_step: where it goes ---------- */

static bool
text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
is_same_step(const ZdmStep *a, const ZdmStep *b)
{
	return a->phase == b->phase && a->kind == b->kind && strcmp(a->statement, b->statement) == 0 &&
		text_equal(a->undo, b->undo) && text_equal(a->set_clause, b->set_clause) &&
		text_equal(a->filter, b->filter) && a->wait_ms == b->wait_ms &&
		text_equal(a->target_name, b->target_name) && text_equal(a->target_schema, b->target_schema);
}

/* The number of such a step that is there already; 0 when there is none. */
static int
find_step(const ZdmMigration *migration, ZdmStage stage, const ZdmStep *wanted)
{
	ListCell   *lc;

	foreach(lc, zdm_steps_load(migration->id, stage))
	{
		const ZdmStep *step = lfirst(lc);

		if (is_same_step(step, wanted))
			return step->number;
	}
	return 0;
}

static void
refuse_phase(const ZdmMigration *migration, ZdmPhase phase, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot add a step of phase %s to migration \"%s\": it is in phase %s",
					zdm_recipe_phase_name(phase), migration->name, zdm_migration_describe(migration)),
			 errhint("%s", hint)));
}

/* Steps of the main stage are done in the order of phases: is a later one there? */
static bool
has_later_phase(const ZdmMigration *migration, ZdmPhase phase)
{
	ListCell   *lc;

	foreach(lc, zdm_steps_load(migration->id, ZDM_STAGE_MAIN))
	{
		if (((ZdmStep *) lfirst(lc))->phase > phase)
			return true;
	}
	return false;
}

/* A worker reads its steps once, when it begins with the job. */
static void
require_resting_job(const ZdmMigration *migration, ZdmPhase phase)
{
	ZdmJob	   *job = zdm_job_load(migration->main_job, false);

	if (job->state != ZDM_JOB_PAUSED && job->state != ZDM_JOB_FAILED)
		refuse_phase(migration, phase,
					 psprintf("It is at work: use zdm.pause_migration(%s) first.", quote_literal_cstr(migration->name)));
}

static void
require_open_phase(const ZdmMigration *migration, ZdmStage stage, ZdmPhase phase)
{
	switch (migration->state)
	{
		case ZDM_MIGRATION_PLANNED:
			return;
		case ZDM_MIGRATION_EXPAND:
		case ZDM_MIGRATION_MIGRATE:
			if (stage != ZDM_STAGE_MAIN)
				return;
			require_resting_job(migration, phase);
			if (migration->state == ZDM_MIGRATION_MIGRATE && phase == ZDM_PHASE_EXPAND)
				refuse_phase(migration, phase, "Phase expand is over: add it to phase migrate.");
			if (has_later_phase(migration, phase))
				refuse_phase(migration, phase, "Steps of a later phase are queued already: add it to phase migrate.");
			return;
		case ZDM_MIGRATION_READY:
			if (stage != ZDM_STAGE_MAIN)
				return;
			break;
		case ZDM_MIGRATION_RETIRING:
			if (stage == ZDM_STAGE_PURGE)
				return;
			break;
		default:
			break;
	}
	refuse_phase(migration, phase, "That phase is over: create another migration.");
}

/* ---------- add_step: the rows ---------- */

static void
require_contract_by(const ZdmMigration *migration)
{
	if (!migration->has_contract_by)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("migration \"%s\" has no date by which it is to be contracted", migration->name),
				 errdetail("Only one that has such a date may have steps of phase contract."),
				 errhint("Use zdm.set_migration(%s, contract_by => ...).", quote_literal_cstr(migration->name))));
}

static void
execute(const char *sql, const ZdmMigration *migration, int number)
{
	static const Oid argtypes[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(migration->id), Int32GetDatum(number)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute(sql, lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* The number of a new step: after those of its phase and stage. */
static int
next_number(const ZdmMigration *migration, ZdmStage stage, ZdmPhase phase)
{
	int			last = 0;

	for (int i = ZDM_STAGE_MAIN; i <= (int) stage; i++)
	{
		ListCell   *lc;

		foreach(lc, zdm_steps_load(migration->id, (ZdmStage) i))
		{
			const ZdmStep *step = lfirst(lc);

			if (step->phase <= phase)
				last = Max(last, step->number);
		}
	}
	return last + 1;
}

/* Steps that come after it and are not in any job yet make room. */
static void
insert_step(ZdmMigration *migration, ZdmStage stage, ZdmStep *step)
{
	step->number = next_number(migration, stage, step->phase);
	execute("UPDATE zdm.migration_step SET step = step + 1 WHERE migration_id = $1 AND step >= $2",
			migration, step->number);
	zdm_steps_insert(migration->id, stage, step);
	if (stage == ZDM_STAGE_MAIN && migration->main_job != 0)
		zdm_recipe_append_step(migration->main_job, step);
	if (stage != ZDM_STAGE_MAIN && !migration->removes)
		execute("UPDATE zdm.migration SET removes = true WHERE migration_id = $1 AND $2 > 0", migration, step->number);
	migration->removes = migration->removes || stage != ZDM_STAGE_MAIN;
}

static int
add_one(ZdmMigration *migration, ZdmStage stage, ZdmStep *step)
{
	int			number = find_step(migration, stage, step);

	if (number != 0)
	{
		ereport(NOTICE,
				(errmsg("migration \"%s\" has this step already: it is number %d", migration->name, number)));
		return number;
	}
	require_open_phase(migration, stage, step->phase);
	if (step->phase == ZDM_PHASE_CONTRACT)
		require_contract_by(migration);
	zdm_recipe_check_step(step);
	insert_step(migration, stage, step);
	return step->number;
}

/*
 * zdm.add_step(migration text, phase text, kind text, statement text, undo
 * text, target regclass, set_clause text, filter text, constraint_name name,
 * wait_time interval, stage text)
 */
Datum
zdm_add_step(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration;
	ZdmStage	stage;
	List	   *steps;
	ListCell   *lc;
	int			first = 0;

	zdm_args_not_null(fcinfo, STEP_MIGRATION, "migration");
	migration = zdm_migration_for_order(fcinfo, "zdm.add_step()");
	if (strcmp(migration->kind, ZDM_RECIPE_CUSTOM) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" was planned by zdm.%s()", migration->name, migration->kind),
				 errhint("Add steps to a migration of zdm.create_migration() only.")));
	steps = zdm_custom_steps(fcinfo, migration, &stage);
	foreach(lc, steps)
	{
		int			number = add_one(migration, stage, lfirst(lc));

		first = first == 0 ? number : first;
	}
	PG_RETURN_INT32(first);
}
