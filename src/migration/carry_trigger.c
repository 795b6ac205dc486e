/*
 * carry_trigger.c
 *	  Triggers that name a column in WHEN or UPDATE OF, in a swap: they are made
 *	  anew for the new column in the transaction that gives it the name.
 *
 * Their functions call the column by its name, which means the old one before
 * and the new one after; so the definition stays as it is, too.
 */
#include "postgres.h"

#include "migration/column_plan.h"
#include "utils/rel.h"

/* CREATE OR REPLACE keeps comments, and is not there for constraint triggers. */
static const char triggers_sql[] =
"SELECT CASE WHEN t.tgconstraint <> 0 THEN format('DROP TRIGGER %I ON %I.%I; ', t.tgname, n.nspname, c.relname) ELSE '' END ||"
"       CASE WHEN t.tgconstraint <> 0 THEN pg_get_triggerdef(t.oid)"
"            ELSE regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER', 'CREATE OR REPLACE TRIGGER') END ||"
"       CASE t.tgenabled WHEN 'O' THEN '' ELSE format('; ALTER TABLE %I.%I %s TRIGGER %I', n.nspname, c.relname,"
"         CASE t.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, t.tgname) END ||"
"       CASE WHEN t.tgconstraint = 0 OR obj_description(t.oid, 'pg_trigger') IS NULL THEN ''"
"            ELSE format('; COMMENT ON TRIGGER %I ON %I.%I IS %L', t.tgname, n.nspname, c.relname, obj_description(t.oid, 'pg_trigger')) END"
"  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname !~ '^~zdm_'"
"   AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid"
"                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
" ORDER BY t.tgname";

/*
 * The statements that make the table's triggers anew, of char *, once the
 * columns have the names that they are to have.
 */
List *
zdm_carry_triggers(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(triggers_sql, RelationGetRelid(build->rel), build->attnum, NULL);
	List	   *statements = NIL;

	for (int i = 0; i < rows->count; i++)
		statements = lappend(statements, rows->values[i][0]);
	return statements;
}
