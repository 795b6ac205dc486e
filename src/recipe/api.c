/*
 * api.c
 *	  The SQL functions of recipes: what they are called with, and the job.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "constraint/target.h"
#include "core/args.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/submit.h"
#include "recipe/plan.h"
#include "recipe/preview.h"
#include "recipe/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define KIND "recipe"

PG_FUNCTION_INFO_V1(zdm_add_check);
PG_FUNCTION_INFO_V1(zdm_add_foreign_key);
PG_FUNCTION_INFO_V1(zdm_set_not_null);
PG_FUNCTION_INFO_V1(zdm_add_unique);
PG_FUNCTION_INFO_V1(zdm_add_primary_key);
PG_FUNCTION_INFO_V1(zdm_drop_constraint);
PG_FUNCTION_INFO_V1(zdm_drop_not_null);

/* ---------- arguments ---------- */

/* What is said otherwise would be about validations. */
static void
check_kind(Relation rel)
{
	char	   *name = psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));

	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot change constraints of \"%s\"", name),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind),
				 errhint("Give the name of a table.")));
	if (IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot change constraints of \"%s\": it is a system catalog", name),
				 errhint("Give the name of a table of yours.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot change constraints of temporary table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("A background worker cannot see it."),
				 errhint("Use ALTER TABLE: nobody else waits for it.")));
}

static Relation
target_arg(FunctionCallInfo fcinfo, const char *funcname)
{
	Relation	rel;

	zdm_args_not_null(fcinfo, 0, "target");
	if (!zdm_recipe_previewed())
		zdm_require_writable(funcname);
	rel = zdm_validation_target_open(PG_GETARG_OID(0));
	check_kind(rel);
	zdm_validation_target_check(rel);
	return rel;
}

static char *
constraint_name_arg(FunctionCallInfo fcinfo, int argno)
{
	char	   *name = zdm_args_name(fcinfo, argno);

	if (name && name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("argument \"constraint_name\" must not be empty"),
				 errhint("Leave it out to have a name chosen.")));
	return name;
}

static List *
names_arg(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argno);
	List	   *names = NIL;
	Datum	   *elems;
	bool	   *nulls;
	int			nelems;

	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elems, &nulls, &nelems);
	for (int i = 0; i < nelems; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", argname),
					 errhint("Name columns, as in: ARRAY['a', 'b'].")));
		names = lappend(names, pstrdup(NameStr(*DatumGetName(elems[i]))));
	}
	if (names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must name at least one column", argname),
				 errhint("Name columns, as in: ARRAY['a', 'b'].")));
	return names;
}

static List *
required_names(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	zdm_args_not_null(fcinfo, argno, argname);
	return names_arg(fcinfo, argno, argname);
}

/* One of the words, whatever its case. */
static const char *
word_arg(FunctionCallInfo fcinfo, int argno, const char *argname,
		 const char *const *words, int nwords, const char *hint)
{
	char	   *given;

	zdm_args_not_null(fcinfo, argno, argname);
	given = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	for (int i = 0; i < nwords; i++)
	{
		if (pg_strcasecmp(given, words[i]) == 0)
			return words[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for argument \"%s\": \"%s\"", argname, given),
			 errhint("%s", hint)));
	return NULL;				/* keep the compiler quiet */
}

static const char *
action_arg(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	static const char *const actions[] = {"NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"};

	return word_arg(fcinfo, argno, argname, actions, lengthof(actions),
					"Use NO ACTION, RESTRICT, CASCADE, SET NULL or SET DEFAULT.");
}

static const char *
deferral_arg(FunctionCallInfo fcinfo, int argno)
{
	static const char *const words[] = {"NOT DEFERRABLE", "DEFERRABLE", "DEFERRABLE INITIALLY IMMEDIATE",
	"DEFERRABLE INITIALLY DEFERRED"};

	return word_arg(fcinfo, argno, "deferral", words, lengthof(words),
					"Use NOT DEFERRABLE, DEFERRABLE or DEFERRABLE INITIALLY DEFERRED.");
}

/* ---------- the job ---------- */

/* What a call asks for. */
typedef struct Request
{
	Relation	rel;
	ZdmRecipe  *recipe;
} Request;

/* Is what a job has reached gone again? */
static bool
is_outdated(const ZdmJob *job, const void *wanted)
{
	const Request *request = wanted;
	const ZdmRecipe *there = zdm_recipe_load(job->id);

	return job->state == ZDM_JOB_DONE && there && !zdm_plan_holds(request->rel, there);
}

/* What differs between a job and what is asked for; NULL when nothing does. */
static char *
differs(const ZdmJob *job, const void *wanted)
{
	const Request *request = wanted;
	const ZdmRecipe *here = request->recipe;
	const ZdmRecipe *there = zdm_recipe_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (strcmp(there->recipe, here->recipe) != 0)
		return psprintf("It is a call of zdm.%s().", there->recipe);
	if (job->is_local ? job->target != RelationGetRelid(request->rel) :
		strcmp(job->target_name, RelationGetRelationName(request->rel)) != 0)
		return psprintf("Its table was another one, named \"%s.%s\".", job->target_schema, job->target_name);
	if (strcmp(there->definition, here->definition) != 0)
		return psprintf("It was called with: %s", there->definition);
	if (is_outdated(job, request))
		return pstrdup("It is done, and what it did has been undone since.");
	return NULL;
}

static int64
create_job(const char *name, void *arg)
{
	const Request *request = arg;
	const ZdmRecipe *recipe = request->recipe;
	int64		job_id;

	if (recipe->check)
		recipe->check(request->rel, recipe->object);
	zdm_recipe_estimate(request->rel, request->recipe);
	job_id = zdm_job_create(name, KIND, RelationGetRelid(request->rel), request->rel->rd_rel->relowner);
	if (job_id != 0)
		zdm_recipe_store(job_id, recipe);
	return job_id;
}

static char *
name_arg(FunctionCallInfo fcinfo, int argno, const Request *request)
{
	const ZdmRecipe *recipe = request->recipe;
	char	   *name = zdm_submit_given_name(fcinfo, argno);
	char	   *definition;

	if (name)
		return name;
	definition = psprintf("%u\n%s\n%s", RelationGetRelid(request->rel), recipe->recipe, recipe->definition);
	return zdm_submit_next_name(zdm_submit_derive_name(recipe->subject, definition), KIND, is_outdated, request);
}

/*
 * Start the recipe, unless there is a job of it, or show it; returns the job's
 * name.
 */
static Datum
submit(FunctionCallInfo fcinfo, int name_argno, Relation rel, ZdmRecipe *recipe)
{
	Request		request = {rel, recipe};
	char	   *name = name_arg(fcinfo, name_argno, &request);

	if (!zdm_recipe_previewed())
		(void) zdm_submit(name, KIND, differs, create_job, &request);
	else
	{
		if (recipe->check)
			recipe->check(rel, recipe->object);
		zdm_recipe_preview(rel, recipe);
	}
	relation_close(rel, NoLock);
	return CStringGetTextDatum(name);
}

/* zdm.add_check(target regclass, expression text, constraint_name name, name text) */
Datum
zdm_add_check(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_check()");

	zdm_args_not_null(fcinfo, 1, "expression");
	return submit(fcinfo, 3, rel,
				  zdm_plan_add_check(rel, text_to_cstring(PG_GETARG_TEXT_PP(1)), constraint_name_arg(fcinfo, 2)));
}

/*
 * zdm.add_foreign_key(target regclass, columns name[], referenced regclass,
 * referenced_columns name[], on_delete text, on_update text, match_full
 * boolean, deferral text, constraint_name name, name text)
 */
Datum
zdm_add_foreign_key(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_foreign_key()");
	Relation	referenced;
	ZdmForeignKeyClause clause = {0};

	clause.columns = required_names(fcinfo, 1, "columns");
	zdm_args_not_null(fcinfo, 2, "referenced");
	referenced = zdm_validation_target_open(PG_GETARG_OID(2));
	clause.referenced = RelationGetRelid(referenced);
	clause.referenced_columns = PG_ARGISNULL(3) ? NIL : names_arg(fcinfo, 3, "referenced_columns");
	check_kind(referenced);
	zdm_plan_check_referenced(referenced, &clause);
	relation_close(referenced, NoLock);
	clause.on_delete = action_arg(fcinfo, 4, "on_delete");
	clause.on_update = action_arg(fcinfo, 5, "on_update");
	zdm_args_not_null(fcinfo, 6, "match_full");
	clause.match_full = PG_GETARG_BOOL(6);
	clause.deferral = deferral_arg(fcinfo, 7);
	return submit(fcinfo, 9, rel, zdm_plan_add_foreign_key(rel, &clause, constraint_name_arg(fcinfo, 8)));
}

/* zdm.set_not_null(target regclass, column_name name, name text) */
Datum
zdm_set_not_null(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.set_not_null()");

	return submit(fcinfo, 2, rel, zdm_plan_set_not_null(rel, zdm_args_required_name(fcinfo, 1, "column_name")));
}

/*
 * zdm.add_unique(target regclass, columns name[], constraint_name name, name
 * text, nulls_not_distinct boolean, deferral text)
 */
Datum
zdm_add_unique(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_unique()");
	ZdmKeyClause clause = {0};

	clause.columns = required_names(fcinfo, 1, "columns");
	zdm_args_not_null(fcinfo, 4, "nulls_not_distinct");
	clause.nulls_not_distinct = PG_GETARG_BOOL(4);
	clause.deferral = deferral_arg(fcinfo, 5);
	return submit(fcinfo, 3, rel, zdm_plan_add_unique(rel, &clause, constraint_name_arg(fcinfo, 2)));
}

/*
 * zdm.add_primary_key(target regclass, columns name[], constraint_name name,
 * name text, deferral text)
 */
Datum
zdm_add_primary_key(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_primary_key()");
	ZdmKeyClause clause = {0};

	clause.columns = required_names(fcinfo, 1, "columns");
	clause.deferral = deferral_arg(fcinfo, 4);
	return submit(fcinfo, 3, rel, zdm_plan_add_primary_key(rel, &clause, constraint_name_arg(fcinfo, 2)));
}

/* zdm.drop_constraint(target regclass, constraint_name name, name text) */
Datum
zdm_drop_constraint(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.drop_constraint()");

	return submit(fcinfo, 2, rel,
				  zdm_plan_drop_constraint(rel, zdm_args_required_name(fcinfo, 1, "constraint_name")));
}

/* zdm.drop_not_null(target regclass, column_name name, name text) */
Datum
zdm_drop_not_null(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.drop_not_null()");

	return submit(fcinfo, 2, rel, zdm_plan_drop_not_null(rel, zdm_args_required_name(fcinfo, 1, "column_name")));
}

/* Does this C function start a recipe? */
bool
zdm_recipe_is_function(PGFunction function)
{
	static const PGFunction functions[] = {
		zdm_add_check, zdm_add_foreign_key, zdm_set_not_null, zdm_add_unique, zdm_add_primary_key,
		zdm_drop_constraint, zdm_drop_not_null
	};

	for (int i = 0; i < lengthof(functions); i++)
	{
		if (functions[i] == function)
			return true;
	}
	return false;
}
