/*
 * plan_drop.c
 *	  The plan of zdm.drop_column(): the column is hidden first, so that what
 *	  still uses it shows, and dropped after the hold.
 *
 * A hidden column must not be in the way of applications that do not know it:
 * what gives it a value stays, and without that it may be NULL.
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "core/identity.h"
#include "migration/column_plan.h"
#include "migration/plan_columns.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

enum
{
	DROP_KIND, DROP_NAME, DROP_STATEMENT, DROP_OTHERS, DROP_EXPRESSION
};

/* What goes with the column, in the order in which it goes, and which other columns it is about. */
static const char parts_sql[] =
"WITH tab AS (SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
"              WHERE c.oid = $1)"
" SELECT * FROM ("
" SELECT con.contype::text, con.conname, format('ALTER TABLE %s DROP CONSTRAINT %I', tab.name, con.conname),"
"        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
"          WHERE a.attrelid = $1 AND a.attnum = ANY (con.conkey) AND a.attnum <> $2),"
"        pg_get_expr(con.conbin, con.conrelid)"
"   FROM pg_constraint con, tab"
"  WHERE con.conrelid = $1 AND con.conparentid = 0 AND con.contype IN ('c', 'f', 'p', 'u', 'x')"
"    AND ($2 = ANY (con.conkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = con.oid"
"                                             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2))"
" UNION ALL"
" SELECT 'r', format('%s of table %s', con.conname, con.conrelid::regclass), NULL, NULL, NULL"
"   FROM pg_constraint con WHERE con.confrelid = $1 AND con.contype = 'f' AND con.conparentid = 0 AND $2 = ANY (con.confkey)"
"    AND NOT (con.conrelid = $1 AND $2 = ANY (con.conkey))"
" UNION ALL"
" SELECT 'i', c.relname, format('DROP INDEX %I.%I', n.nspname, c.relname),"
"        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a JOIN pg_depend o"
"             ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.refclassid = 'pg_class'::regclass"
"            AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum WHERE a.attrelid = $1 AND a.attnum <> $2), NULL"
"   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
"  WHERE c.relkind IN ('i', 'I')"
"    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
"                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
" UNION ALL"
" SELECT 's', s.stxname, format('DROP STATISTICS %I.%I', n.nspname, s.stxname),"
"        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a JOIN pg_depend o"
"             ON o.classid = 'pg_statistic_ext'::regclass AND o.objid = s.oid AND o.refclassid = 'pg_class'::regclass"
"            AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum WHERE a.attrelid = $1 AND a.attnum <> $2), NULL"
"   FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace"
"  WHERE s.stxrelid = $1"
"    AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid"
"                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
") parts (kind, name, statement, others, expression) ORDER BY kind <> 'f', kind, name";

static const char *
kind_word(char kind)
{
	switch (kind)
	{
		case 'c':
			return "check constraint";
		case 'f':
			return "foreign key";
		case 'p':
			return "primary key";
		case 'u':
			return "unique constraint";
		case 'x':
			return "exclusion constraint";
		case 's':
			return "statistics object";
		default:
			return "index";
	}
}

/* Is a row without a value for the column accepted, whatever is in the others? */
static bool
accepts_null(ZdmColumnPlan *build, const char *expression)
{
	ZdmRenaming renaming = {build->old_name, psprintf("NULL::%s", format_type_be_qualified(build->type)), true};
	Node	   *expr = zdm_analyze_condition(build->rel, zdm_rewrite_expression(expression, &renaming, 1));
	ZdmBorrowedIdentity borrowed;

	zdm_identity_borrow(&borrowed, build->rel->rd_rel->relowner, "pg_catalog, pg_temp");
	expr = eval_const_expressions(NULL, expr);
	zdm_identity_give_back(&borrowed);
	return IsA(expr, Const) && (((Const *) expr)->constisnull || DatumGetBool(((Const *) expr)->constvalue));
}

static void
refuse_referenced(ZdmColumnPlan *build, const char *key)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("foreign key %s refers to column \"%s\" of table %s", key, build->old_name, build->table),
			 errhint("Drop that foreign key first, with zdm.drop_constraint().")));
}

static void
plan_part(ZdmColumnPlan *build, char **row, bool has_value)
{
	char		kind = row[DROP_KIND][0];

	if (kind == 'r')
		refuse_referenced(build, row[DROP_NAME]);
	if (kind == CONSTRAINT_PRIMARY && !has_value)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of table %s is a part of primary key \"%s\", and has no default", build->old_name,
						build->table, row[DROP_NAME]),
				 errhint("Drop the primary key first, with zdm.drop_constraint(): applications that do not know the column could not insert rows.")));
	if (row[DROP_OTHERS])
		zdm_column_plan_manual(build, "%s \"%s\" of table %s goes with column \"%s\", though it is about %s, too: approve that, or replace it before.",
							   kind_word(kind), row[DROP_NAME], build->table, build->old_name, row[DROP_OTHERS]);
	else if (kind == CONSTRAINT_PRIMARY)
		zdm_column_plan_manual(build, "Primary key \"%s\" of table %s goes with column \"%s\": approve that, or replace it before.",
							   row[DROP_NAME], build->table, build->old_name);
	if (kind == CONSTRAINT_CHECK && !has_value && !accepts_null(build, row[DROP_EXPRESSION]))
		zdm_column_plan_manual(build, "check constraint \"%s\" of table %s may refuse rows of applications that do not know column \"%s\": drop it before, with zdm.drop_constraint().",
							   row[DROP_NAME], build->table, build->old_name);
	zdm_column_plan_purge(build, InvalidOid, row[DROP_NAME], row[DROP_STATEMENT]);
}

static char *
rename_column(ZdmColumnPlan *build, const char *from, const char *to)
{
	return psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", build->table, quote_identifier(from), quote_identifier(to));
}

/*
 * NOT NULL would refuse rows of those who do not know the column.  Undone, it
 * can be required of new rows only: those written meanwhile have none, and to
 * look for them would take long.
 */
static void
plan_nullable(ZdmColumnPlan *build)
{
	char	   *check = ChooseConstraintName(RelationGetRelationName(build->rel), build->old_name, "not_null",
											 RelationGetNamespace(build->rel), NIL);
	const char *quoted = quote_identifier(check);

	zdm_column_plan_retire(build,
						   psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL, DROP CONSTRAINT IF EXISTS %s", build->table,
									quote_identifier(build->hidden_name), quoted),
						   psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", build->table, quoted,
									quote_identifier(build->hidden_name)));
	zdm_column_plan_warn(build, "column \"%s\" is NOT NULL and has no default: hidden it may be NULL, and zdm.revert() brings NOT NULL back as constraint \"%s\", NOT VALID; fill the rows written meanwhile, then use zdm.set_not_null()",
						 build->old_name, check);
}

/* See plan_columns.h. */
ZdmMigrationPlan *
zdm_plan_drop_column(Relation rel, int64 id, const char *column)
{
	ZdmColumnPlan *build = zdm_column_plan_begin(rel, "drop_column", id);
	Form_pg_attribute att;
	ZdmRows    *rows;
	bool		has_value;

	zdm_column_take_old(build, column);
	att = TupleDescAttr(RelationGetDescr(rel), build->attnum - 1);
	build->type = att->atttypid;
	has_value = att->atthasdef || att->attidentity;
	zdm_column_plan_retire(build, rename_column(build, build->old_name, build->hidden_name),
						   rename_column(build, build->hidden_name, build->old_name));
	if (att->attnotnull && !has_value)
		plan_nullable(build);
	(void) zdm_column_plan_retire_step(build, build->old_name, zdm_column_plan_join(build->retire),
									   zdm_column_plan_join(build->retire_undo), ZDM_LOCK_STRONG);
	rows = zdm_rows_of(parts_sql, RelationGetRelid(rel), build->attnum, NULL);
	for (int i = 0; i < rows->count; i++)
		plan_part(build, rows->values[i], has_value);
	zdm_column_plan_purge(build, InvalidOid, build->hidden_name,
						  psprintf("ALTER TABLE %s DROP COLUMN %s", build->table, quote_identifier(build->hidden_name)));
	zdm_column_list_dependents(build);
	zdm_column_plan_record(build);
	return zdm_column_plan_end(build);
}
