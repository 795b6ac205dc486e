/*
 * carry_statistics.c
 *	  Extended statistics on a column: made again for the new one, and the
 *	  table analyzed, before the planner has to rely on it.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

enum
{
	STAT_NAME, STAT_QUALIFIED, STAT_KINDS, STAT_COLUMNS, STAT_AFTER, STAT_SCHEMA
};

/* Of kinds, all are meant when none is named; that of expressions cannot be named. */
static const char statistics_sql[] =
"SELECT s.stxname, format('%I.%I', n.nspname, s.stxname),"
"       (SELECT ' (' || string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', ') || ')'"
"          FROM unnest(s.stxkind) k WHERE k <> 'e' HAVING count(*) < 3),"
"       pg_get_statisticsobjdef_columns(s.oid),"
"       CASE WHEN coalesce(s.stxstattarget, -1) >= 0"
"            THEN format('; ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, s.stxstattarget) ELSE '' END ||"
"       CASE WHEN obj_description(s.oid, 'pg_statistic_ext') IS NOT NULL"
"            THEN format('; COMMENT ON STATISTICS %I.%I IS %L', n.nspname, s.stxname, obj_description(s.oid, 'pg_statistic_ext'))"
"            ELSE '' END,"
"       n.nspname"
"  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace"
" WHERE s.stxrelid = $1 AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid"
"                                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
" ORDER BY 2";

static void
carry_statistics(ZdmColumnPlan *build, char **row)
{
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	char	   *name = zdm_column_plan_name(build, row[STAT_NAME]);
	char	   *qualified = quote_qualified_identifier(row[STAT_SCHEMA], name);

	if (build->retyped)
		zdm_check_as_new(build, row[STAT_COLUMNS], "statistics object", row[STAT_NAME], false, false);
	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, name,
						 psprintf("CREATE STATISTICS %s%s ON %s FROM %s", qualified, row[STAT_KINDS] ? row[STAT_KINDS] : "",
								  zdm_rewrite_expression(row[STAT_COLUMNS], &renaming, 1), build->table),
						 psprintf("DROP STATISTICS IF EXISTS %s", qualified), ZDM_LOCK_WEAK);
	zdm_column_plan_purge(build, InvalidOid, row[STAT_NAME],
						  psprintf("DROP STATISTICS %s; ALTER STATISTICS %s RENAME TO %s%s", row[STAT_QUALIFIED], qualified,
								   quote_identifier(row[STAT_NAME]), row[STAT_AFTER]));
}

/* Carry the extended statistics, and have the new column analyzed. */
void
zdm_carry_statistics(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(statistics_sql, RelationGetRelid(build->rel), build->attnum, NULL);

	for (int i = 0; i < rows->count; i++)
		carry_statistics(build, rows->values[i]);
	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_SQL, build->working_name,
						 psprintf("ANALYZE %s", build->table), NULL, ZDM_LOCK_WEAK);
}
