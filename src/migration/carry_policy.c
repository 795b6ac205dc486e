/*
 * carry_policy.c
 *	  Row security policies that read a column: they read the new one from the
 *	  moment on in which the old one is retired.  Both have the same meaning
 *	  then, so no row is seen or hidden in between.
 *
 * A policy with a sub-select is left to a person, as is one of another table.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/rel.h"

enum
{
	POL_NAME, POL_USING, POL_CHECK
};

static const char policies_sql[] =
"SELECT p.polname, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid) FROM pg_policy p"
" WHERE p.polrelid = $1 AND NOT coalesce(p.polqual::text ~ 'SUBLINK', false)"
"   AND NOT coalesce(p.polwithcheck::text ~ 'SUBLINK', false)"
"   AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_policy'::regclass AND d.objid = p.oid"
"                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
" ORDER BY p.polname";

static char *
alter_policy(ZdmColumnPlan *build, char **row, const char *column)
{
	ZdmRenaming renaming = {build->old_name, column, false};
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "ALTER POLICY %s ON %s", quote_identifier(row[POL_NAME]), build->table);
	if (row[POL_USING])
		appendStringInfo(&buf, " USING (%s)", zdm_rewrite_expression(row[POL_USING], &renaming, 1));
	if (row[POL_CHECK])
		appendStringInfo(&buf, " WITH CHECK (%s)", zdm_rewrite_expression(row[POL_CHECK], &renaming, 1));
	return buf.data;
}

/* Carry the table's policies. */
void
zdm_carry_policies(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(policies_sql, RelationGetRelid(build->rel), build->attnum, NULL);

	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		if (build->retyped && row[POL_USING])
			zdm_check_as_new(build, row[POL_USING], "policy", row[POL_NAME], true, false);
		if (build->retyped && row[POL_CHECK])
			zdm_check_as_new(build, row[POL_CHECK], "policy", row[POL_NAME], true, false);
		zdm_column_plan_retire(build, alter_policy(build, row, build->final_name),
							   alter_policy(build, row, build->hidden_name));
	}
}
