/*
 * carry_column.c
 *	  What belongs to a column alone: type, collation, storage, statistics
 *	  target, comment, privileges, security labels.
 *
 * The new column gets all of it in the transaction that adds it, so that
 * roles with privileges on columns can write it from the first moment on, and
 * dropping it undoes everything.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const char collation_sql[] =
"SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = $1";

static char *
type_clause(ZdmColumnPlan *build)
{
	char	   *type = format_type_extended(build->type, build->typmod,
											FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	Oid			collation = build->collation;

	if (!OidIsValid(collation) || collation == get_typcollation(build->type))
		return type;
	return psprintf("%s COLLATE %s", type, zdm_rows_of(collation_sql, collation, 0, NULL)->values[0][0]);
}

/*
 * What ALTER COLUMN can set, as it is set for the old column.  How values are
 * stored depends on the type.  Options that PostgreSQL keeps for itself are
 * not listed.
 */
static const char settings_sql[] =
"SELECT CASE WHEN coalesce(a.attstattarget, -1) >= 0 THEN 'SET STATISTICS ' || a.attstattarget END,"
"       CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' ||"
"         CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,"
"       CASE a.attcompression WHEN 'p' THEN 'SET COMPRESSION pglz' WHEN 'l' THEN 'SET COMPRESSION lz4' END,"
"       (SELECT 'SET (' || string_agg(format('%I = %s', option_name, option_value), ', ') || ')'"
"          FROM pg_options_to_table(a.attoptions) WHERE option_name IN ('n_distinct', 'n_distinct_inherited'))"
"  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = $1 AND a.attnum = $2";

static void
append_settings(StringInfo buf, ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(settings_sql, RelationGetRelid(build->rel), build->attnum, NULL);
	bool		stored_apart = get_typstorage(build->type) != TYPSTORAGE_PLAIN;

	for (int i = 0; i < 4; i++)
	{
		bool		is_about_storage = i == 1 || i == 2;

		if (rows->values[0][i] && (stored_apart || !is_about_storage))
			appendStringInfo(buf, ", ALTER COLUMN %s %s", quote_identifier(build->working_name), rows->values[0][i]);
	}
}

/* Comment, labels, privileges: statements about a column of the table ($3 is its new name). */
static const char statements_sql[] =
"WITH col AS (SELECT format('%I.%I', n.nspname, c.relname) AS tab, c.relowner, a.attacl"
"               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid"
"              WHERE c.oid = $1 AND a.attnum = $2)"
" SELECT 1, format('COMMENT ON COLUMN %s.%I IS %L', tab, $3, d.description), NULL"
"   FROM col, pg_description d WHERE d.objoid = $1 AND d.classoid = 'pg_class'::regclass AND d.objsubid = $2"
" UNION ALL"
" SELECT 2, format('SECURITY LABEL FOR %I ON COLUMN %s.%I IS %L', s.provider, tab, $3, s.label), NULL"
"   FROM col, pg_seclabel s WHERE s.objoid = $1 AND s.classoid = 'pg_class'::regclass AND s.objsubid = $2"
" UNION ALL"
" SELECT 3, format('GRANT %s ON TABLE %s TO %s%s',"
"                  string_agg(format('%s (%I)', x.privilege_type, $3), ', ' ORDER BY x.privilege_type), tab,"
"                  CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END,"
"                  CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END),"
"        (SELECT quote_ident(pg_get_userbyid(x.grantor)) WHERE x.grantor <> relowner)"
"   FROM col, aclexplode(attacl) x GROUP BY tab, relowner, x.grantee, x.is_grantable, x.grantor"
"  ORDER BY 1, 2";

static void
append_statements(StringInfo buf, ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(statements_sql, RelationGetRelid(build->rel), build->attnum, build->working_name);

	for (int i = 0; i < rows->count; i++)
	{
		const char *grantor = rows->values[i][2];

		appendStringInfo(buf, "; %s", rows->values[i][1]);
		if (grantor)
			zdm_column_plan_warn(build, "privileges on column \"%s\" that role %s has granted are granted on the new column by the owner of the table",
								 build->old_name, grantor);
	}
}

/*
 * The statements that add the new column, with no default and nullable, and
 * with what the old one has.  Sets the plan's adds_column.
 */
char *
zdm_carry_add_column(ZdmColumnPlan *build)
{
	StringInfoData buf;

	initStringInfo(&buf);
	build->plan->adds_column = psprintf("ADD COLUMN %s %s", quote_identifier(build->working_name), type_clause(build));
	appendStringInfo(&buf, "ALTER TABLE %s %s", build->table, build->plan->adds_column);
	if (build->attnum == InvalidAttrNumber)
		return buf.data;
	append_settings(&buf, build);
	append_statements(&buf, build);
	return buf.data;
}
