/*
 * plan_add.c
 *	  The plan of zdm.add_column(): a column with a default, one that is filled
 *	  from the row, or both.
 *
 * A default that is the same for every row costs nothing when it is given with
 * the column: PostgreSQL keeps it in the catalogs.  One that is not would
 * rewrite the table, so rows that are there are filled afterwards.  With a
 * fill expression a trigger fills what applications that do not know the
 * column leave NULL, until the last phase; only then the default is set, since
 * with it those rows would not be filled but get the default.
 */
#include "postgres.h"

#include "backfill/target.h"
#include "catalog/heap.h"
#include "core/identity.h"
#include "ddl/statement.h"
#include "migration/column_plan.h"
#include "migration/plan_columns.h"
#include "migration/publications.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

typedef struct Default
{
	ZdmColumnPlan *build;
	const char *source;
	Node	   *expr;
} Default;

static void
analyze_default(void *arg)
{
	Default    *def = arg;
	ParseState *pstate = make_parsestate(NULL);
	List	   *stmts = raw_parser(psprintf("ALTER TABLE t ALTER COLUMN c SET DEFAULT %s", def->source), RAW_PARSE_DEFAULT);
	AlterTableStmt *stmt = castNode(AlterTableStmt, linitial_node(RawStmt, stmts)->stmt);

	if (list_length(stmts) != 1 || list_length(stmt->cmds) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the default must be one expression and nothing else"),
				 errhint("Give what follows DEFAULT, as in: 'new'.")));
	def->expr = cookDefault(pstate, linitial_node(AlterTableCmd, stmt->cmds)->def, def->build->type, def->build->typmod,
							def->build->working_name, 0);
	free_parsestate(pstate);
}

/* The default as PostgreSQL writes it, names qualified; NULL for none. */
static char *
canonical_default(ZdmColumnPlan *build, const char *source, bool *is_volatile)
{
	Default		def = {build, source, NULL};
	ZdmBorrowedIdentity borrowed;
	char	   *canonical;

	*is_volatile = false;
	if (source == NULL)
		return NULL;
	zdm_statement_errors(analyze_default, &def, source);
	*is_volatile = contain_volatile_functions(def.expr);
	zdm_identity_borrow(&borrowed, GetUserId(), "pg_catalog, pg_temp");
	canonical = deparse_expression(def.expr, NIL, false, false);
	zdm_identity_give_back(&borrowed);
	return canonical;
}

static ZdmMapping *
make_mapping(ZdmColumnPlan *build, const ZdmNewColumn *column)
{
	ZdmMapping *mapping = palloc0(sizeof(ZdmMapping));

	mapping->id = build->id;
	mapping->mode = ZDM_MAPPING_FILL;
	mapping->authority = ZDM_SIDE_OLD;
	mapping->winner = ZDM_SIDE_NEW;
	mapping->on_error = ZDM_ON_ERROR_FAIL;
	mapping->new_column = build->working_name;
	mapping->forward = pstrdup(column->fill);
	zdm_session_record(&mapping->settings, NULL, 0);
	return mapping;
}

/* more: what is said of the column in the same clause; then: another statement, after ';'. */
static void
plan_column(ZdmColumnPlan *build, const char *more, const char *then)
{
	char	   *statement = zdm_carry_add_column(build);

	build->plan->adds_column = psprintf("%s%s", build->plan->adds_column, more);
	zdm_column_plan_main(build, ZDM_PHASE_EXPAND, ZDM_STEP_DDL, build->working_name,
						 psprintf("%s%s%s", statement, more, then),
						 psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", build->table, quote_identifier(build->working_name)),
						 ZDM_LOCK_STRONG);
}

static char *
set_default(ZdmColumnPlan *build, const char *expression)
{
	return psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", build->table, quote_identifier(build->working_name),
					expression);
}

static void
plan_filled(ZdmColumnPlan *build, const ZdmNewColumn *column, const char *column_default)
{
	ZdmMapping *mapping = make_mapping(build, column);
	char	   *trigger;
	char	   *drop;

	zdm_column_plan_take_mapping(build, mapping);
	trigger = zdm_mapping_trigger_sql(build->rel, mapping);
	drop = zdm_mapping_drop_trigger_sql(build->rel, mapping->id);
	plan_column(build, "", "");
	zdm_column_plan_main(build, ZDM_PHASE_EXPAND, ZDM_STEP_DDL, build->working_name, trigger, drop, ZDM_LOCK_TRIGGER);
	zdm_column_plan_fill(build);
	if (column->not_null)
		zdm_column_plan_not_null(build, build->working_name, build->type, NULL);
	if (column_default)
		zdm_column_plan_retire(build, set_default(build, column_default),
							   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", build->table,
										quote_identifier(build->working_name)));
	zdm_column_plan_retire(build, drop, trigger);
	(void) zdm_column_plan_retire_step(build, build->working_name, zdm_column_plan_join(build->retire),
									   zdm_column_plan_join(build->retire_undo), ZDM_LOCK_STRONG);
}

static void
plan_volatile_default(ZdmColumnPlan *build, const ZdmNewColumn *column, const char *column_default)
{
	const char *name = quote_identifier(build->working_name);
	ZdmStep    *step;

	zdm_target_check(build->rel);
	plan_column(build, "", psprintf("; %s", set_default(build, column_default)));
	step = zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_BACKFILL, build->working_name,
								psprintf("UPDATE %s SET %s = %s WHERE %s IS NULL", build->table, name, column_default, name),
								NULL, ZDM_LOCK_WRITE);
	step->set_clause = psprintf("%s = %s", name, column_default);
	step->filter = psprintf("%s IS NULL", name);
	if (column->not_null)
		zdm_column_plan_not_null(build, build->working_name, build->type, NULL);
}

/* See plan_columns.h. */
ZdmMigrationPlan *
zdm_plan_add_column(Relation rel, int64 id, const ZdmNewColumn *column)
{
	ZdmColumnPlan *build = zdm_column_plan_begin(rel, "add_column", id);
	bool		is_volatile;
	char	   *column_default;

	zdm_column_take_new(build, column->column);
	zdm_column_take_type(build, column->type);
	zdm_column_check_type(build, build->working_name);
	column_default = canonical_default(build, column->column_default, &is_volatile);
	if (column->not_null && column->fill == NULL && column_default == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" cannot be NOT NULL: nothing says what it is in the rows of table %s that are there",
						build->working_name, build->table),
				 errhint("Give fill, an expression over the row, or column_default.")));
	if (column->fill)
		plan_filled(build, column, column_default);
	else if (is_volatile)
		plan_volatile_default(build, column, column_default);
	else
		plan_column(build, psprintf("%s%s%s", column_default ? " DEFAULT " : "", column_default ? column_default : "",
									column->not_null ? " NOT NULL" : ""), "");
	zdm_column_list_publications(build);
	return zdm_column_plan_end(build);
}
