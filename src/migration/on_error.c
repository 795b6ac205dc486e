/*
 * on_error.c
 *	  zdm.set_mapping_on_error(): what becomes of a row that a mapping cannot
 *	  convert.
 *
 * The trigger's arguments say it, so the trigger is made anew, by a small job
 * under the lock policy.  The steps that make it later, or again, are changed
 * likewise.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "mapping/mapping.h"
#include "migration/side.h"
#include "migration/tracking.h"
#include "recipe/stage.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_set_mapping_on_error);

static const char *
word_arg(FunctionCallInfo fcinfo)
{
	char	   *word;

	zdm_args_not_null(fcinfo, 1, "on_error");
	word = zdm_args_text(fcinfo, 1);
	if (strcmp(word, "fail") != 0 && strcmp(word, "null") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"on_error\": \"%s\"", word),
				 errhint("Use 'fail' or 'null'.")));
	return word;
}

/* Change the plan; the id of the mapping. */
static int64
change_plan(const ZdmMigration *migration, const char *word)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(migration->id), CStringGetTextDatum(word)};
	ZdmCatalogScope scope;
	int64		id = 0;
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("UPDATE zdm.mapping SET on_error = $2 WHERE migration_id = $1 RETURNING mapping_id",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE_RETURNING) > 0)
		id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" has no mapping", migration->name),
				 errhint("Those with one are in zdm.mappings.")));
	return id;
}

/* The statements that make the trigger begin with the arguments up to this one. */
#define ARGUMENTS "'(zdm\\.sync\\(''' || $1 || ''', ''[0-9]+'', ''[a-z]+'', ''[a-z]+'', ''[a-z]+'', '')(fail|null)('')'"
#define CHANGED(column) column " = regexp_replace(" column ", " ARGUMENTS ", '\\1' || $2 || '\\3', 'g')"

static void
change_steps(const ZdmMigration *migration, int64 mapping_id, const char *word)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, INT8OID};
	Datum		values[] = {Int64GetDatum(mapping_id), CStringGetTextDatum(word), Int64GetDatum(migration->id)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration_step SET " CHANGED("statement") ", " CHANGED("undo")
						" WHERE migration_id = $3",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_execute("UPDATE zdm.recipe_step s SET " CHANGED("statement") ", " CHANGED("undo")
						" FROM zdm.job j WHERE j.job_id = s.job_id AND j.migration_id = $3",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* A name that no job has. */
static char *
free_name(const ZdmMigration *migration, const char *word)
{
	char	   *name = psprintf("%s (on error %s)", migration->name, word);

	for (int n = 2; zdm_job_load_by_name(name) != NULL; n++)
		name = psprintf("%s (on error %s)#%d", migration->name, word, n);
	return name;
}

static int64
create_job(const ZdmMigration *migration, const char *word, char *statement)
{
	ZdmStep		step = {.number = 1,.kind = ZDM_STEP_DDL,.statement = statement,.expected_ms = 0};
	ZdmRecipe	recipe = {.recipe = "set_mapping_on_error",.definition = unconstify(char *, word)};
	ZdmRecipeJob job = {.target = migration->target,.role = migration->runs_as_id};
	int64		job_id;

	step.object = migration->new_column;
	if (step.object == NULL)
		step.object = migration->column;
	step.lock = "SHARE ROW EXCLUSIVE";
	recipe.steps = list_make1(&step);
	zdm_session_from_array(&recipe.settings, migration->settings);
	job.name = free_name(migration, word);
	job_id = zdm_recipe_create(&job, &recipe);
	zdm_side_belongs(migration, job_id);
	return job_id;
}

/* The trigger as it is to be; NULL when there is none yet, or it is so. */
static char *
trigger_statement(const ZdmMigration *migration, int64 mapping_id, const char *word)
{
	Relation	rel = relation_open(migration->target, AccessShareLock);
	ZdmMapping *mapping = zdm_mapping_of(rel, mapping_id);
	ZdmMappingOnError wanted = strcmp(word, "null") == 0 ? ZDM_ON_ERROR_NULL : ZDM_ON_ERROR_FAIL;
	char	   *statement = NULL;

	if (mapping && mapping->on_error != wanted)
	{
		mapping->on_error = wanted;
		statement = zdm_mapping_trigger_sql(rel, mapping);
	}
	relation_close(rel, NoLock);
	return statement;
}

/* zdm.set_mapping_on_error(name text, on_error text) */
Datum
zdm_set_mapping_on_error(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = zdm_migration_for_order(fcinfo, "zdm.set_mapping_on_error()");
	const char *word = word_arg(fcinfo);
	int64		mapping_id;
	char	   *statement;

	if (zdm_migration_is_over(migration) || migration->state > ZDM_MIGRATION_DONE ||
		migration->state == ZDM_MIGRATION_RETIRING || migration->state == ZDM_MIGRATION_PURGING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change the mapping of migration \"%s\": it is in phase %s", migration->name,
						zdm_migration_describe(migration)),
				 errhint("Wait until it has left its stage.")));
	mapping_id = change_plan(migration, word);
	change_steps(migration, mapping_id, word);
	zdm_migration_note(migration, "changed", psprintf("on_error is %s", word));
	statement = trigger_statement(migration, mapping_id, word);
	if (statement == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT64(create_job(migration, word, statement));
}
