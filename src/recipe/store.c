/*
 * store.c
 *	  The tables zdm.recipe and zdm.recipe_step.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "recipe/store.h"
#include "utils/builtins.h"

static const char *const kind_names[] = {
	[ZDM_STEP_DDL] = "ddl",
	[ZDM_STEP_INDEX] = "index",
	[ZDM_STEP_VALIDATE] = "validate"
};

/* As zdm.recipe_step has it. */
const char *
zdm_recipe_kind_name(ZdmStepKind kind)
{
	return kind_names[kind];
}

static ZdmStepKind
parse_kind(const char *name)
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

/* Which cluster and database an OID means something in. */
#define PLACE_SQL "(SELECT cluster_id || '/' || database_id FROM zdm.job WHERE job_id = $1)"

#define INSERT_SQL \
	"INSERT INTO zdm.recipe_step (job_id, step, kind, statement, undo, object, lock, expected_ms," \
	" state, finished_at, target, target_schema, target_name, target_in)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8," \
	" CASE WHEN $9 THEN 'done' ELSE 'pending' END, CASE WHEN $9 THEN clock_timestamp() END," \
	" $10, $11, $12, CASE WHEN $12 IS NOT NULL THEN " PLACE_SQL " END)"

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
insert_step(int64 job_id, int number, const ZdmStep *step)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, FLOAT8OID,
	BOOLOID, OIDOID, TEXTOID, TEXTOID};
	bool		isnull[lengthof(argtypes)] = {false};
	Datum		values[lengthof(argtypes)];

	values[0] = Int64GetDatum(job_id);
	values[1] = Int32GetDatum(number);
	values[2] = CStringGetTextDatum(kind_names[step->kind]);
	values[3] = CStringGetTextDatum(step->statement);
	values[4] = text_or_null(step->undo, &isnull[4]);
	values[5] = CStringGetTextDatum(step->object);
	values[6] = CStringGetTextDatum(step->lock);
	isnull[7] = step->expected_ms < 0;
	values[7] = Float8GetDatum(step->expected_ms);
	values[8] = BoolGetDatum(step->done);
	isnull[9] = step->target_name == NULL;
	values[9] = ObjectIdGetDatum(step->target);
	values[10] = text_or_null(step->target_schema, &isnull[10]);
	values[11] = text_or_null(step->target_name, &isnull[11]);
	zdm_catalog_execute(INSERT_SQL, lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
}

/* Insert the rows of a new recipe. */
void
zdm_recipe_store(int64 job_id, const ZdmRecipe *recipe)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTARRAYOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;
	ListCell   *lc;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(recipe->recipe);
	values[2] = CStringGetTextDatum(recipe->definition);
	values[3] = zdm_session_to_array(&recipe->settings);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.recipe (job_id, recipe, definition, settings) VALUES ($1, $2, $3, $4)",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	foreach(lc, recipe->steps)
		insert_step(job_id, ((ZdmStep *) lfirst(lc))->number, lfirst(lc));
	zdm_catalog_end(&scope);
}

static ZdmStep *
step_from_result(int row, MemoryContext mcxt)
{
	ZdmStep    *step = MemoryContextAllocZero(mcxt, sizeof(ZdmStep));
	bool		isnull;

	step->number = DatumGetInt32(zdm_catalog_value(row, 1, &isnull));
	step->kind = parse_kind(zdm_catalog_text(row, 2, CurrentMemoryContext));
	step->statement = zdm_catalog_text(row, 3, mcxt);
	step->undo = zdm_catalog_text(row, 4, mcxt);
	step->object = zdm_catalog_text(row, 5, mcxt);
	step->lock = zdm_catalog_text(row, 6, mcxt);
	step->done = DatumGetBool(zdm_catalog_value(row, 7, &isnull));
	step->target_schema = zdm_catalog_text(row, 8, mcxt);
	step->target_name = zdm_catalog_text(row, 9, mcxt);
	step->target = DatumGetObjectId(zdm_catalog_value(row, 10, &isnull));
	if (isnull)
		step->target = InvalidOid;
	return step;
}

static List *
load_steps(int64 job_id, MemoryContext mcxt)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	List	   *steps = NIL;
	int			nsteps;

	nsteps = zdm_catalog_execute("SELECT step, kind, statement, undo, object, lock, state = 'done', target_schema, target_name, target"
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
	if (zdm_catalog_execute("SELECT recipe, definition, settings FROM zdm.recipe WHERE job_id = $1",
							1, &argtype, &value, NULL, SPI_OK_SELECT) > 0)
	{
		recipe = MemoryContextAllocZero(mcxt, sizeof(ZdmRecipe));
		recipe->recipe = zdm_catalog_text(0, 1, mcxt);
		recipe->definition = zdm_catalog_text(0, 2, mcxt);
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&recipe->settings, zdm_catalog_value(0, 3, &isnull));
		MemoryContextSwitchTo(old);
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

/* Note what has become of a step: done or undone. */
void
zdm_recipe_set_state(int64 job_id, int step, const char *state)
{
	static const Oid argtypes[] = {INT8OID, INT4OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), Int32GetDatum(step), CStringGetTextDatum(state)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.recipe_step SET state = $3, finished_at = clock_timestamp()"
						" WHERE job_id = $1 AND step = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}
