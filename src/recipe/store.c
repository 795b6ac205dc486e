/*
 * store.c
 *	  The tables zdm.recipe and zdm.recipe_step.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "recipe/below.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static const char *const kind_names[] = {
	[ZDM_STEP_DDL] = "ddl",
	[ZDM_STEP_INDEX] = "index",
	[ZDM_STEP_VALIDATE] = "validate",
	[ZDM_STEP_BACKFILL] = "backfill",
	[ZDM_STEP_VERIFY] = "verify",
	[ZDM_STEP_SQL] = "sql",
	[ZDM_STEP_WAIT] = "wait"
};

static const char *const phase_names[] = {
	[ZDM_PHASE_NONE] = NULL,
	[ZDM_PHASE_EXPAND] = "expand",
	[ZDM_PHASE_MIGRATE] = "migrate",
	[ZDM_PHASE_CONTRACT] = "contract"
};

ZdmRecipeStepHook zdm_recipe_step_hook = NULL;

/* As zdm.recipe_step has it. */
const char *
zdm_recipe_kind_name(ZdmStepKind kind)
{
	return kind_names[kind];
}

/* The inverse; errors with DATA_CORRUPTED. */
ZdmStepKind
zdm_recipe_kind_parse(const char *name)
{
	for (int i = 0; i < lengthof(kind_names); i++)
	{
		if (strcmp(name, kind_names[i]) == 0)
			return (ZdmStepKind) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown kind of step \"%s\"", name),
			 errhint("Install the version of the zdm library that the extension needs.")));
	return ZDM_STEP_DDL;		/* keep the compiler quiet */
}

/* As zdm.recipe_step has it; NULL for none. */
const char *
zdm_recipe_phase_name(ZdmPhase phase)
{
	return phase_names[phase];
}

/* The inverse; NULL and what it does not know are none. */
ZdmPhase
zdm_recipe_phase_parse(const char *name)
{
	for (int i = 1; name && i < lengthof(phase_names); i++)
	{
		if (strcmp(phase_names[i], name) == 0)
			return (ZdmPhase) i;
	}
	return ZDM_PHASE_NONE;
}

static void
set_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	*value = text ? CStringGetTextDatum(text) : (Datum) 0;
}

/* Which cluster and database an OID means something in. */
#define PLACE_SQL "(SELECT cluster_id || '/' || database_id FROM zdm.job WHERE job_id = $1)"

#define INSERT_SQL \
	"INSERT INTO zdm.recipe_step (job_id, step, kind, statement, undo, object, lock, expected_ms," \
	" phase, mapping_id, set_clause, filter, wait_ms, state, finished_at," \
	" target, target_schema, target_name, is_below, target_in)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13," \
	" CASE WHEN $14 THEN 'done' ELSE 'pending' END, CASE WHEN $14 THEN clock_timestamp() END," \
	" $15, $16, $17, $18, CASE WHEN $17 IS NOT NULL THEN " PLACE_SQL " END)"

static void
insert_step(int64 job_id, int number, const ZdmStep *step)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, FLOAT8OID,
	TEXTOID, INT8OID, TEXTOID, TEXTOID, FLOAT8OID, BOOLOID, OIDOID, TEXTOID, TEXTOID, BOOLOID};
	bool		isnull[lengthof(argtypes)] = {false};
	Datum		values[lengthof(argtypes)];

	values[0] = Int64GetDatum(job_id);
	values[1] = Int32GetDatum(number);
	values[2] = CStringGetTextDatum(kind_names[step->kind]);
	values[3] = CStringGetTextDatum(step->statement);
	set_text(&values[4], &isnull[4], step->undo);
	values[5] = CStringGetTextDatum(step->object);
	values[6] = CStringGetTextDatum(step->lock);
	isnull[7] = step->expected_ms < 0;
	values[7] = Float8GetDatum(step->expected_ms);
	set_text(&values[8], &isnull[8], phase_names[step->phase]);
	isnull[9] = step->mapping_id == 0;
	values[9] = Int64GetDatum(step->mapping_id);
	set_text(&values[10], &isnull[10], step->set_clause);
	set_text(&values[11], &isnull[11], step->filter);
	isnull[12] = step->wait_ms <= 0;
	values[12] = Float8GetDatum(step->wait_ms);
	values[13] = BoolGetDatum(step->done);
	isnull[14] = isnull[17] = step->target_name == NULL;
	values[14] = ObjectIdGetDatum(step->target);
	set_text(&values[15], &isnull[15], step->target_schema);
	set_text(&values[16], &isnull[16], step->target_name);
	values[17] = BoolGetDatum(step->target_name && zdm_below_is_part(step->target, zdm_job_load(job_id, false)->target));
	zdm_catalog_execute(INSERT_SQL, lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
}

/* Insert the rows of a new recipe. */
void
zdm_recipe_store(int64 job_id, const ZdmRecipe *recipe)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;
	ListCell   *lc;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(recipe->recipe);
	values[2] = CStringGetTextDatum(recipe->definition);
	values[3] = zdm_session_to_array(&recipe->settings);
	set_text(&values[4], &isnull[4], recipe->target_schema);
	set_text(&values[5], &isnull[5], recipe->target_name);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.recipe (job_id, recipe, definition, settings, target_schema, target_name)"
						" VALUES ($1, $2, $3, $4, $5, $6)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	foreach(lc, recipe->steps)
		insert_step(job_id, ((ZdmStep *) lfirst(lc))->number, lfirst(lc));
	zdm_catalog_end(&scope);
}

/* Add a step to a recipe whose job is not at work. */
void
zdm_recipe_append_step(int64 job_id, const ZdmStep *step)
{
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	insert_step(job_id, step->number, step);
	zdm_catalog_end(&scope);
}

/* Put other steps, none of them done, in the place of a recipe's. */
void
zdm_recipe_replace_steps(int64 job_id, List *steps)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	ListCell   *lc;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.recipe_step WHERE job_id = $1", 1, &argtype, &value, NULL, SPI_OK_DELETE);
	foreach(lc, steps)
		insert_step(job_id, ((ZdmStep *) lfirst(lc))->number, lfirst(lc));
	zdm_catalog_end(&scope);
}

static ZdmStep *
step_from_result(int row, MemoryContext mcxt)
{
	ZdmStep    *step = MemoryContextAllocZero(mcxt, sizeof(ZdmStep));
	Datum		value;
	bool		isnull;

	step->number = DatumGetInt32(zdm_catalog_value(row, 1, &isnull));
	step->kind = zdm_recipe_kind_parse(zdm_catalog_text(row, 2, CurrentMemoryContext));
	step->statement = zdm_catalog_text(row, 3, mcxt);
	step->undo = zdm_catalog_text(row, 4, mcxt);
	step->object = zdm_catalog_text(row, 5, mcxt);
	step->lock = zdm_catalog_text(row, 6, mcxt);
	step->done = DatumGetBool(zdm_catalog_value(row, 7, &isnull));
	step->phase = zdm_recipe_phase_parse(zdm_catalog_text(row, 8, CurrentMemoryContext));
	value = zdm_catalog_value(row, 9, &isnull);
	step->mapping_id = isnull ? 0 : DatumGetInt64(value);
	step->set_clause = zdm_catalog_text(row, 10, mcxt);
	step->filter = zdm_catalog_text(row, 11, mcxt);
	value = zdm_catalog_value(row, 12, &isnull);
	step->wait_ms = isnull ? 0 : DatumGetFloat8(value);
	value = zdm_catalog_value(row, 13, &isnull);
	step->began_at = isnull ? 0 : DatumGetTimestampTz(value);
	value = zdm_catalog_value(row, 14, &isnull);
	step->expected_ms = isnull ? -1 : DatumGetFloat8(value);
	step->target_schema = zdm_catalog_text(row, 15, mcxt);
	step->target_name = zdm_catalog_text(row, 16, mcxt);
	value = zdm_catalog_value(row, 17, &isnull);
	step->target = isnull ? InvalidOid : DatumGetObjectId(value);
	value = zdm_catalog_value(row, 18, &isnull);
	step->is_below = !isnull && DatumGetBool(value);
	return step;
}

static List *
load_steps(int64 job_id, MemoryContext mcxt)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	List	   *steps = NIL;
	int			nsteps;

	nsteps = zdm_catalog_execute("SELECT step, kind, statement, undo, object, lock, state = 'done',"
								 " phase, mapping_id, set_clause, filter, wait_ms, began_at, expected_ms,"
								 " target_schema, target_name, target, is_below"
								 " FROM zdm.recipe_step WHERE job_id = $1 ORDER BY step",
								 1, &argtype, &value, NULL, SPI_OK_SELECT);
	for (int i = 0; i < nsteps; i++)
	{
		ZdmStep    *step = step_from_result(i, mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		steps = lappend(steps, step);
		MemoryContextSwitchTo(old);
	}
	return steps;
}

/* The recipe, in the current memory context; NULL when there is none. */
ZdmRecipe *
zdm_recipe_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmRecipe  *recipe = NULL;
	ZdmCatalogScope scope;
	MemoryContext old;
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT recipe, definition, settings, target_schema, target_name FROM zdm.recipe WHERE job_id = $1",
							1, &argtype, &value, NULL, SPI_OK_SELECT) > 0)
	{
		recipe = MemoryContextAllocZero(mcxt, sizeof(ZdmRecipe));
		recipe->recipe = zdm_catalog_text(0, 1, mcxt);
		recipe->definition = zdm_catalog_text(0, 2, mcxt);
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&recipe->settings, zdm_catalog_value(0, 3, &isnull));
		MemoryContextSwitchTo(old);
		recipe->target_schema = zdm_catalog_text(0, 4, mcxt);
		recipe->target_name = zdm_catalog_text(0, 5, mcxt);
		recipe->steps = load_steps(job_id, mcxt);
	}
	zdm_catalog_end(&scope);
	return recipe;
}

/*
 * What the steps of that table's recipes are about that are not done:
 * constraints and indexes of these names, in the current memory context, are
 * there or will be.
 */
List *
zdm_recipe_objects(Oid target)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = OIDOID;
	Datum		value = ObjectIdGetDatum(target);
	List	   *objects = NIL;
	ZdmCatalogScope scope;
	int			nrows;

	zdm_catalog_begin(&scope);
	nrows = zdm_catalog_execute("SELECT DISTINCT s.object FROM zdm.recipe_step s JOIN zdm.job j USING (job_id)"
								" WHERE coalesce(s.target, j.target) = $1 AND j.state <> 'done'",
								1, &argtype, &value, NULL, SPI_OK_SELECT);
	for (int i = 0; i < nrows; i++)
	{
		char	   *object = zdm_catalog_text(i, 1, mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		objects = lappend(objects, object);
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return objects;
}

/*
 * Further steps before the one of that number, which is step number +
 * list_length(steps) afterwards.
 */
void
zdm_recipe_insert(int64 job_id, int number, const List *steps)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, INT4OID};
	Datum		values[] = {Int64GetDatum(job_id), Int32GetDatum(number), Int32GetDatum(list_length(steps))};
	ZdmCatalogScope scope;
	ListCell   *lc;

	zdm_catalog_begin(&scope);
	/* by way of negative numbers: no two are the same at any moment */
	zdm_catalog_execute("UPDATE zdm.recipe_step SET step = - (step + $3) WHERE job_id = $1 AND step >= $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_execute("UPDATE zdm.recipe_step SET step = - step WHERE job_id = $1 AND step < 0",
						1, argtypes, values, NULL, SPI_OK_UPDATE);
	foreach(lc, steps)
		insert_step(job_id, number + foreach_current_index(lc), lfirst(lc));
	zdm_catalog_end(&scope);
}

/* After a restore, a copy or an upgrade: the relations of steps are those of the same names. */
void
zdm_recipe_find_targets(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.recipe_step SET target_in = " PLACE_SQL ","
						" target = coalesce(to_regclass(format('%I.%I', target_schema, target_name))::oid, 0)"
						" WHERE job_id = $1 AND target_name IS NOT NULL AND target_in IS DISTINCT FROM " PLACE_SQL,
						1, &argtype, &value, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Note what has become of a step: done or undone.  Calls zdm_recipe_step_hook. */
void
zdm_recipe_set_state(int64 job_id, const ZdmStep *step, const char *state)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), Int32GetDatum(step->number), CStringGetTextDatum(state)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.recipe_step SET state = $3, finished_at = clock_timestamp(),"
						" began_at = CASE WHEN $3 = 'done' THEN began_at END"
						" WHERE job_id = $1 AND step = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	if (zdm_recipe_step_hook)
		zdm_recipe_step_hook(job_id, step, state);
}

/* Note that a step begins, unless it has begun; step->began_at is since when. */
void
zdm_recipe_set_began(int64 job_id, ZdmStep *step)
{
	static const Oid argtypes[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(job_id), Int32GetDatum(step->number)};
	ZdmCatalogScope scope;
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("UPDATE zdm.recipe_step SET began_at = coalesce(began_at, clock_timestamp())"
							" WHERE job_id = $1 AND step = $2 RETURNING began_at",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE_RETURNING) > 0)
		step->began_at = DatumGetTimestampTz(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
}
