/*
 * steps.c
 *	  The plan of a migration as it is kept: zdm.migration_step, zdm.mapping.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "migration/steps.h"
#include "recipe/store.h"
#include "utils/builtins.h"

static const char *const stage_names[] = {
	[ZDM_STAGE_MAIN] = "main",
	[ZDM_STAGE_RETIRE] = "retire",
	[ZDM_STAGE_PURGE] = "purge"
};

/* As zdm.migration_step has it. */
const char *
zdm_stage_name(ZdmStage stage)
{
	return stage_names[stage];
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
set_float(Datum *value, bool *isnull, double number, bool is_none)
{
	*isnull = is_none;
	*value = Float8GetDatum(number);
}

/* Insert one step, which has its number. */
void
zdm_steps_insert(int64 migration_id, ZdmStage stage, const ZdmStep *step)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(migration_id);
	values[1] = Int32GetDatum(step->number);
	values[2] = CStringGetTextDatum(stage_names[stage]);
	values[3] = CStringGetTextDatum(zdm_recipe_phase_name(step->phase));
	values[4] = CStringGetTextDatum(zdm_recipe_kind_name(step->kind));
	isnull[5] = step->target_name == NULL;
	values[5] = ObjectIdGetDatum(step->target);
	set_text(&values[6], &isnull[6], step->target_schema);
	set_text(&values[7], &isnull[7], step->target_name);
	values[8] = CStringGetTextDatum(step->statement);
	set_text(&values[9], &isnull[9], step->undo);
	values[10] = CStringGetTextDatum(step->object);
	values[11] = CStringGetTextDatum(step->lock);
	isnull[12] = step->mapping_id == 0;
	values[12] = Int64GetDatum(step->mapping_id);
	set_text(&values[13], &isnull[13], step->set_clause);
	set_text(&values[14], &isnull[14], step->filter);
	set_float(&values[15], &isnull[15], step->wait_ms, step->wait_ms <= 0);
	set_float(&values[16], &isnull[16], step->expected_ms, step->expected_ms < 0);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.migration_step (migration_id, step, stage, phase, kind, target, target_schema,"
						" target_name, statement, undo, object, lock, mapping_id, set_clause, filter, wait_ms, expected_ms)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static void
insert_mapping(int64 migration_id, const ZdmMapping *mapping)
{
	static const Oid argtypes[] = {INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(mapping->id);
	values[1] = Int64GetDatum(migration_id);
	values[2] = CStringGetTextDatum(mapping->mode == ZDM_MAPPING_SYNC ? "sync" : "fill");
	set_text(&values[3], &isnull[3], mapping->old_column);
	values[4] = CStringGetTextDatum(mapping->new_column);
	values[5] = CStringGetTextDatum(mapping->forward);
	set_text(&values[6], &isnull[6], mapping->reverse);
	values[7] = CStringGetTextDatum(mapping->winner == ZDM_SIDE_OLD ? "old" : "new");
	values[8] = CStringGetTextDatum(mapping->on_error == ZDM_ON_ERROR_FAIL ? "fail" : "null");
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.mapping (mapping_id, migration_id, mode, old_column, new_column, forward,"
						" reverse, winner, on_error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static void
store_stage(int64 migration_id, ZdmStage stage, List *steps)
{
	ListCell   *lc;

	foreach(lc, steps)
		zdm_steps_insert(migration_id, stage, lfirst(lc));
}

/* Insert the steps, which have their numbers, and the mapping of a plan. */
void
zdm_steps_store(int64 migration_id, const ZdmMigrationPlan *plan)
{
	store_stage(migration_id, ZDM_STAGE_MAIN, plan->main);
	store_stage(migration_id, ZDM_STAGE_RETIRE, plan->retire);
	store_stage(migration_id, ZDM_STAGE_PURGE, plan->purge);
	if (plan->mapping)
		insert_mapping(migration_id, plan->mapping);
}

static void
execute_for(const char *sql, int64 migration_id, int expected)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(migration_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute(sql, 1, &argtype, &value, NULL, expected);
	zdm_catalog_end(&scope);
}

/* Remove the steps and the mapping of a migration that has not begun. */
void
zdm_steps_remove(int64 migration_id)
{
	execute_for("DELETE FROM zdm.migration_step WHERE migration_id = $1", migration_id, SPI_OK_DELETE);
	execute_for("DELETE FROM zdm.mapping WHERE migration_id = $1", migration_id, SPI_OK_DELETE);
}

static double
number_at(int row, int column, double otherwise)
{
	bool		isnull;
	Datum		value = zdm_catalog_value(row, column, &isnull);

	return isnull ? otherwise : DatumGetFloat8(value);
}

static ZdmStep *
step_from_result(int row, MemoryContext mcxt)
{
	ZdmStep    *step = MemoryContextAllocZero(mcxt, sizeof(ZdmStep));
	Datum		value;
	bool		isnull;

	step->number = DatumGetInt32(zdm_catalog_value(row, 1, &isnull));
	step->phase = zdm_recipe_phase_parse(zdm_catalog_text(row, 2, CurrentMemoryContext));
	step->kind = zdm_recipe_kind_parse(zdm_catalog_text(row, 3, CurrentMemoryContext));
	step->statement = zdm_catalog_text(row, 4, mcxt);
	step->undo = zdm_catalog_text(row, 5, mcxt);
	step->object = zdm_catalog_text(row, 6, mcxt);
	step->lock = zdm_catalog_text(row, 7, mcxt);
	value = zdm_catalog_value(row, 8, &isnull);
	step->mapping_id = isnull ? 0 : DatumGetInt64(value);
	step->set_clause = zdm_catalog_text(row, 9, mcxt);
	step->filter = zdm_catalog_text(row, 10, mcxt);
	step->wait_ms = number_at(row, 11, 0);
	step->expected_ms = number_at(row, 12, -1);
	value = zdm_catalog_value(row, 13, &isnull);
	step->target = isnull ? InvalidOid : DatumGetObjectId(value);
	step->target_schema = zdm_catalog_text(row, 14, mcxt);
	step->target_name = zdm_catalog_text(row, 15, mcxt);
	return step;
}

/* The steps of a stage in their order, in the current memory context. */
List *
zdm_steps_load(int64 migration_id, ZdmStage stage)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(migration_id), CStringGetTextDatum(stage_names[stage])};
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *steps = NIL;
	ZdmCatalogScope scope;
	int			nsteps;

	zdm_catalog_begin(&scope);
	nsteps = zdm_catalog_execute("SELECT step, phase, kind, statement, undo, object, lock, mapping_id, set_clause, filter,"
								 " wait_ms, expected_ms, target, target_schema, target_name FROM zdm.migration_step"
								 " WHERE migration_id = $1 AND stage = $2 ORDER BY step",
								 lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT);
	for (int i = 0; i < nsteps; i++)
	{
		ZdmStep    *step = step_from_result(i, mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		steps = lappend(steps, step);
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return steps;
}

/* Has the stage any steps? */
bool
zdm_steps_exist(int64 migration_id, ZdmStage stage)
{
	return zdm_steps_load(migration_id, stage) != NIL;
}
