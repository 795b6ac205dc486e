/*
 * api.c
 *	  The SQL functions of recipes: what they are called with, and the job.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "constraint/target.h"
#include "core/args.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/queue.h"
#include "job/submit.h"
#include "recipe/plan.h"
#include "recipe/store.h"
#include "utils/array.h"
#include "utils/builtins.h"
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

static Relation
target_arg(FunctionCallInfo fcinfo, const char *funcname)
{
	Relation	rel;

	zdm_args_not_null(fcinfo, 0, "target");
	zdm_require_writable(funcname);
	rel = zdm_validation_target_open(PG_GETARG_OID(0));
	zdm_validation_target_check(rel);
	return rel;
}

static char *
optional_name(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(argno)));
}

static char *
required_name(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	zdm_args_not_null(fcinfo, argno, argname);
	return optional_name(fcinfo, argno);
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

static char *
differs(const ZdmJob *job, const void *wanted)
{
	const ZdmRecipe *here = wanted;
	ZdmRecipe  *there = zdm_recipe_load(job->id);

	if (strcmp(there->recipe, here->recipe) != 0)
		return psprintf("It is a call of zdm.%s().", there->recipe);
	if (strcmp(there->definition, here->definition) != 0)
		return psprintf("It was called with: %s", there->definition);
	return NULL;
}

static char *
name_arg(FunctionCallInfo fcinfo, int argno, Relation rel, const ZdmRecipe *recipe)
{
	return zdm_submit_name(fcinfo, argno, recipe->subject,
						   psprintf("%u\n%s\n%s", RelationGetRelid(rel), recipe->recipe, recipe->definition));
}

static void
create_job(const char *name, Relation rel, const ZdmRecipe *recipe)
{
	int64		job_id;

	if (recipe->check)
		recipe->check(rel, recipe->object);
	job_id = zdm_job_create(name, KIND, RelationGetRelid(rel), rel->rd_rel->relowner);
	if (job_id == 0)
		zdm_submit_refuse_race(name);
	zdm_recipe_store(job_id, recipe);
	zdm_job_set_cleanup(job_id, true);
	zdm_submit_notice_no_preload();
}

/* Start the recipe, unless there is a job of it; returns the job's name. */
static Datum
submit(FunctionCallInfo fcinfo, int name_argno, Relation rel, const ZdmRecipe *recipe)
{
	char	   *name = name_arg(fcinfo, name_argno, rel, recipe);

	if (zdm_submit_existing(name, KIND, differs, recipe) == 0)
		create_job(name, rel, recipe);
	zdm_queue_request();
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
				  zdm_plan_add_check(rel, text_to_cstring(PG_GETARG_TEXT_PP(1)), optional_name(fcinfo, 2)));
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
	relation_close(referenced, NoLock);
	clause.referenced_columns = PG_ARGISNULL(3) ? NIL : names_arg(fcinfo, 3, "referenced_columns");
	clause.on_delete = action_arg(fcinfo, 4, "on_delete");
	clause.on_update = action_arg(fcinfo, 5, "on_update");
	zdm_args_not_null(fcinfo, 6, "match_full");
	clause.match_full = PG_GETARG_BOOL(6);
	clause.deferral = deferral_arg(fcinfo, 7);
	return submit(fcinfo, 9, rel, zdm_plan_add_foreign_key(rel, &clause, optional_name(fcinfo, 8)));
}

/* zdm.set_not_null(target regclass, column_name name, name text) */
Datum
zdm_set_not_null(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.set_not_null()");

	return submit(fcinfo, 2, rel, zdm_plan_set_not_null(rel, required_name(fcinfo, 1, "column_name")));
}

/* zdm.add_unique(target regclass, columns name[], constraint_name name, name text) */
Datum
zdm_add_unique(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_unique()");

	return submit(fcinfo, 3, rel,
				  zdm_plan_add_unique(rel, required_names(fcinfo, 1, "columns"), optional_name(fcinfo, 2)));
}

/* zdm.add_primary_key(target regclass, columns name[], constraint_name name, name text) */
Datum
zdm_add_primary_key(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.add_primary_key()");

	return submit(fcinfo, 3, rel,
				  zdm_plan_add_primary_key(rel, required_names(fcinfo, 1, "columns"), optional_name(fcinfo, 2)));
}

/* zdm.drop_constraint(target regclass, constraint_name name, name text) */
Datum
zdm_drop_constraint(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.drop_constraint()");

	return submit(fcinfo, 2, rel,
				  zdm_plan_drop_constraint(rel, required_name(fcinfo, 1, "constraint_name")));
}

/* zdm.drop_not_null(target regclass, column_name name, name text) */
Datum
zdm_drop_not_null(PG_FUNCTION_ARGS)
{
	Relation	rel = target_arg(fcinfo, "zdm.drop_not_null()");

	return submit(fcinfo, 2, rel, zdm_plan_drop_not_null(rel, required_name(fcinfo, 1, "column_name")));
}
