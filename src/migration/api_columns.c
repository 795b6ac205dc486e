/*
 * api_columns.c
 *	  The SQL functions of the recipes about a column: what they are called
 *	  with.
 *
 * A call is compared with what is there before it is planned: once a migration
 * has begun, the table is not any more what it was planned for.
 */
#include "postgres.h"

#include "access/relation.h"
#include "constraint/target.h"
#include "core/args.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "recipe/preview.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_rename_column);
PG_FUNCTION_INFO_V1(zdm_change_column_type);
PG_FUNCTION_INFO_V1(zdm_add_column);
PG_FUNCTION_INFO_V1(zdm_drop_column);

/* ---------- arguments ---------- */

static Relation
target_arg(FunctionCallInfo fcinfo, const char *funcname)
{
	Relation	rel;

	zdm_args_not_null(fcinfo, 0, "target");
	if (!zdm_recipe_previewed())
		zdm_require_writable(funcname);
	rel = zdm_validation_target_open(PG_GETARG_OID(0));
	zdm_column_check_table(rel);
	return rel;
}

/* Owner, contract_by, name and dry_run, each at its place. */
static ZdmMigrationArgs
migration_args(FunctionCallInfo fcinfo, int owner, int contract_by, int name, int dry_run)
{
	ZdmMigrationArgs args = {0};

	zdm_args_not_null(fcinfo, owner, "owner");
	zdm_args_not_null(fcinfo, contract_by, "contract_by");
	zdm_args_not_null(fcinfo, dry_run, "dry_run");
	args.owner = zdm_args_text(fcinfo, owner);
	args.contract_by = PG_GETARG_DATEADT(contract_by);
	args.has_contract_by = true;
	args.name = zdm_args_text(fcinfo, name);
	args.dry_run = PG_GETARG_BOOL(dry_run);
	return args;
}

static char *
required_text(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	zdm_args_not_null(fcinfo, argno, argname);
	return zdm_args_text(fcinfo, argno);
}

/* Is it the first of two words? */
static bool
word_arg(FunctionCallInfo fcinfo, int argno, const char *argname, const char *first, const char *second)
{
	char	   *given = required_text(fcinfo, argno, argname);

	if (strcmp(given, first) != 0 && strcmp(given, second) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"%s\": \"%s\"", argname, given),
				 errhint("Use '%s' or '%s'.", first, second)));
	return strcmp(given, first) == 0;
}

static void
append_argument(StringInfo definition, const char *name, const char *value)
{
	if (value)
		appendStringInfo(definition, "%s%s => %s", definition->len > 0 ? ", " : "", name, quote_literal_cstr(value));
}

/* ---------- the migration ---------- */

/* What a call asks for, and how it is planned. */
typedef struct Request
{
	Relation	rel;
	const char *kind;
	const char *column;
	StringInfoData definition;
	void	   *arg;
	ZdmMigrationPlan *(*plan) (Relation rel, int64 id, void *arg);
} Request;

static void
describe(const Request *request, ZdmMigrationPlan *plan)
{
	plan->kind = request->kind;
	plan->definition = request->definition.data;
	plan->subject = psprintf("%s %s.%s", request->kind, RelationGetRelationName(request->rel), request->column);
}

/* The mapping's id in names that are only shown: what it would probably be. */
static int64
likely_id(const Request *request)
{
	ZdmRows    *rows = zdm_rows_of("SELECT last_value + is_called::int FROM zdm.mapping_mapping_id_seq",
								   RelationGetRelid(request->rel), InvalidAttrNumber, NULL);

	return strtoi64(rows->values[0][0], NULL, 10);
}

/* Start the migration, unless it is there, or show it; returns its name. */
static char *
find_or_start(const Request *request, const ZdmMigrationArgs *args)
{
	ZdmMigrationPlan wanted = {0};
	ZdmMigrationPlan *plan;
	char	   *name;

	if (zdm_recipe_previewed())
		plan = request->plan(request->rel, likely_id(request), request->arg);
	else
	{
		describe(request, &wanted);
		wanted.removes = true;
		name = zdm_migration_find(request->rel, &wanted, args);
		if (name)
			return name;
		plan = request->plan(request->rel, zdm_migration_next_mapping_id(), request->arg);
	}
	describe(request, plan);
	return zdm_migration_submit(request->rel, plan, args);
}

static Datum
submit(const Request *request, const ZdmMigrationArgs *args)
{
	char	   *name = find_or_start(request, args);

	relation_close(request->rel, NoLock);
	return CStringGetTextDatum(name);
}

static ZdmMigrationPlan *
plan_rename(Relation rel, int64 id, void *arg)
{
	char	  **names = arg;

	return zdm_plan_rename_column(rel, id, names[0], names[1]);
}

/*
 * zdm.rename_column(target regclass, column_name name, new_name name, owner
 * text, contract_by date, name text, dry_run boolean)
 */
Datum
zdm_rename_column(PG_FUNCTION_ARGS)
{
	Request		request = {.kind = "rename_column",.plan = plan_rename};
	char	   *names[2];
	ZdmMigrationArgs args;

	request.rel = target_arg(fcinfo, "zdm.rename_column()");
	names[0] = zdm_args_required_name(fcinfo, 1, "column_name");
	names[1] = zdm_args_required_name(fcinfo, 2, "new_name");
	args = migration_args(fcinfo, 3, 4, 5, 6);
	request.arg = names;
	request.column = names[0];
	initStringInfo(&request.definition);
	append_argument(&request.definition, "column_name", names[0]);
	append_argument(&request.definition, "new_name", names[1]);
	return submit(&request, &args);
}

static ZdmMigrationPlan *
plan_type(Relation rel, int64 id, void *arg)
{
	return zdm_plan_change_column_type(rel, id, arg);
}

/*
 * zdm.change_column_type(target regclass, column_name name, new_type text,
 * forward text, reverse text, new_name name, owner text, contract_by date,
 * winner text, on_error text, name text, dry_run boolean)
 */
Datum
zdm_change_column_type(PG_FUNCTION_ARGS)
{
	Request		request = {.kind = "change_column_type",.plan = plan_type};
	ZdmTypeChange change = {0};
	ZdmMigrationArgs args;

	request.rel = target_arg(fcinfo, "zdm.change_column_type()");
	change.column = zdm_args_required_name(fcinfo, 1, "column_name");
	change.type = required_text(fcinfo, 2, "new_type");
	change.forward = zdm_args_text(fcinfo, 3);
	change.reverse = zdm_args_text(fcinfo, 4);
	change.new_name = zdm_args_name(fcinfo, 5);
	args = migration_args(fcinfo, 6, 7, 10, 11);
	change.winner = word_arg(fcinfo, 8, "winner", "new", "old") ? ZDM_SIDE_NEW : ZDM_SIDE_OLD;
	change.on_error = word_arg(fcinfo, 9, "on_error", "fail", "null") ? ZDM_ON_ERROR_FAIL : ZDM_ON_ERROR_NULL;
	request.arg = &change;
	request.column = change.column;
	initStringInfo(&request.definition);
	append_argument(&request.definition, "column_name", change.column);
	append_argument(&request.definition, "new_type", change.type);
	append_argument(&request.definition, "forward", change.forward);
	append_argument(&request.definition, "reverse", change.reverse);
	append_argument(&request.definition, "new_name", change.new_name);
	append_argument(&request.definition, "winner", change.winner == ZDM_SIDE_NEW ? "new" : "old");
	append_argument(&request.definition, "on_error", change.on_error == ZDM_ON_ERROR_FAIL ? "fail" : "null");
	return submit(&request, &args);
}

static ZdmMigrationPlan *
plan_add(Relation rel, int64 id, void *arg)
{
	return zdm_plan_add_column(rel, id, arg);
}

/*
 * zdm.add_column(target regclass, column_name name, data_type text, owner
 * text, contract_by date, fill text, column_default text, not_null boolean,
 * name text, dry_run boolean)
 */
Datum
zdm_add_column(PG_FUNCTION_ARGS)
{
	Request		request = {.kind = "add_column",.plan = plan_add};
	ZdmNewColumn column = {0};
	ZdmMigrationArgs args;

	request.rel = target_arg(fcinfo, "zdm.add_column()");
	column.column = zdm_args_required_name(fcinfo, 1, "column_name");
	column.type = required_text(fcinfo, 2, "data_type");
	args = migration_args(fcinfo, 3, 4, 8, 9);
	column.fill = zdm_args_text(fcinfo, 5);
	column.column_default = zdm_args_text(fcinfo, 6);
	zdm_args_not_null(fcinfo, 7, "not_null");
	column.not_null = PG_GETARG_BOOL(7);
	request.arg = &column;
	request.column = column.column;
	initStringInfo(&request.definition);
	append_argument(&request.definition, "column_name", column.column);
	append_argument(&request.definition, "data_type", column.type);
	append_argument(&request.definition, "fill", column.fill);
	append_argument(&request.definition, "column_default", column.column_default);
	append_argument(&request.definition, "not_null", column.not_null ? "true" : "false");
	return submit(&request, &args);
}

static ZdmMigrationPlan *
plan_drop(Relation rel, int64 id, void *arg)
{
	return zdm_plan_drop_column(rel, id, arg);
}

/*
 * zdm.drop_column(target regclass, column_name name, owner text, contract_by
 * date, name text, dry_run boolean)
 */
Datum
zdm_drop_column(PG_FUNCTION_ARGS)
{
	Request		request = {.kind = "drop_column",.plan = plan_drop};
	ZdmMigrationArgs args;

	request.rel = target_arg(fcinfo, "zdm.drop_column()");
	request.arg = zdm_args_required_name(fcinfo, 1, "column_name");
	request.column = request.arg;
	args = migration_args(fcinfo, 2, 3, 4, 5);
	initStringInfo(&request.definition);
	append_argument(&request.definition, "column_name", request.column);
	return submit(&request, &args);
}

/* Does this C function start a recipe about a column? */
bool
zdm_columns_is_function(PGFunction function)
{
	return function == zdm_rename_column || function == zdm_change_column_type || function == zdm_add_column ||
		function == zdm_drop_column;
}
