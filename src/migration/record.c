/*
 * record.c
 *	  What the old column had when the plan of a migration was made, and what
 *	  has become of that.
 *
 * A plan carries over what it finds.  What somebody puts on the old column
 * later would go with it and never be missed, and what he takes away, the plan
 * would stumble over when there is no way back.  So each thing is recorded
 * with its definition, and a difference closes the gate "dependents".
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Rows of what something is called and how it is defined; each once. */
static void
add_rows(StringInfo json, const ZdmRows *rows)
{
	for (int i = 0; i < rows->count; i++)
	{
		if (json->len > 1)
			appendStringInfoChar(json, ',');
		escape_json(json, rows->values[i][0]);
		appendStringInfoChar(json, ':');
		escape_json(json, rows->values[i][1] ? rows->values[i][1] : "");
	}
}

/* Of the column itself: what it is called in a message, and how it is set. */
static const char attributes_sql[] =
"SELECT 'NOT NULL', 'yes' FROM pg_attribute WHERE attrelid = $1 AND attnum = $2 AND attnotnull"
" UNION ALL"
" SELECT 'the identity', attidentity::text FROM pg_attribute WHERE attrelid = $1 AND attnum = $2 AND attidentity <> ''"
" UNION ALL"
" SELECT 'the statistics target', attstattarget::text FROM pg_attribute"
"  WHERE attrelid = $1 AND attnum = $2 AND coalesce(attstattarget, -1) >= 0"
" UNION ALL"
" SELECT 'the comment', description FROM pg_description"
"  WHERE objoid = $1 AND classoid = 'pg_class'::regclass AND objsubid = $2"
" UNION ALL"
" SELECT 'the access of ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE 'role ' || pg_get_userbyid(x.grantee) END,"
"        string_agg(DISTINCT x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', ')"
"   FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = $1 AND a.attnum = $2 GROUP BY x.grantee";

/* of those, what may be changed if the new column gets the same */
#define SHARED "key ~ '^the (comment|statistics target|access of )'"

static void
add_attributes(StringInfo json, Relation rel, AttrNumber attnum)
{
	add_rows(json, zdm_rows_of(attributes_sql, RelationGetRelid(rel), attnum, NULL));
}

static void
begin(StringInfo json)
{
	initStringInfo(json);
	appendStringInfoChar(json, '{');
}

static char *
end(StringInfo json)
{
	appendStringInfoChar(json, '}');
	return json->data;
}

/*
 * What a column has, as a JSON object in the current memory context.  A column
 * that is dropped takes along what is its own.
 */
static char *
take(Relation rel, AttrNumber attnum, ZdmColumnFate fate)
{
	StringInfoData json;

	begin(&json);
	if (fate != ZDM_COLUMN_DROPPED)
		add_attributes(&json, rel, attnum);
	add_rows(&json, zdm_dependents_carried(rel, attnum, fate));
	return end(&json);
}

/* Record what the old column has. */
void
zdm_column_plan_record(ZdmColumnPlan *build)
{
	build->plan->carries = take(build->rel, build->attnum, zdm_column_plan_fate(build));
}

static char *
attributes_of(Relation rel, const char *column)
{
	AttrNumber	attnum = column ? get_attnum(RelationGetRelid(rel), column) : InvalidAttrNumber;
	StringInfoData json;

	begin(&json);
	if (attnum > 0)
		add_attributes(&json, rel, attnum);
	return end(&json);
}

enum
{
	DIFF_WHAT, DIFF_ADDED, DIFF_GONE, DIFF_SHARED, DIFF_OTHERS, DIFF_NEW_COLUMN
};

/*
 * Of migration $3: the first difference between what was and what is ($4), if
 * the new column is not the same in that ($5), and how many others there are.
 */
static const char difference_sql[] =
"SELECT key, was IS NULL, is_now IS NULL, " SHARED ", count(*) OVER () - 1, p.new_column"
"  FROM zdm.migration m LEFT JOIN zdm.mapping p USING (migration_id), LATERAL ("
"   SELECT key, w.value AS was, n.value AS is_now, l.value AS its_like FROM jsonb_each_text(m.carries) w"
"     FULL JOIN jsonb_each_text($4::jsonb) n USING (key) LEFT JOIN jsonb_each_text($5::jsonb) l USING (key)) d"
" WHERE m.migration_id = $3::bigint AND m.carries IS NOT NULL AND was IS DISTINCT FROM is_now"
"   AND NOT (" SHARED " AND is_now IS NOT DISTINCT FROM its_like)"
" ORDER BY key LIMIT 1";

static char **
find_difference(const ZdmMigration *migration, Relation rel, AttrNumber attnum)
{
	char	   *new_column = zdm_catalog_ask("SELECT new_column FROM zdm.mapping WHERE migration_id = $1", migration->id);
	ZdmRows    *rows = zdm_rows_of_words(difference_sql, migration->target, attnum, psprintf(INT64_FORMAT, migration->id),
										 take(rel, attnum, zdm_migration_fate(migration)),
										 attributes_of(rel, new_column));

	return rows->count > 0 ? rows->values[0] : NULL;
}

/* A row of difference_sql, in the current memory context; NULL: nothing differs, or there is no such column. */
static char **
difference(const ZdmMigration *migration)
{
	Relation	rel = migration->column ? try_relation_open(migration->target, AccessShareLock) : NULL;
	AttrNumber	attnum = rel ? get_attnum(migration->target, migration->column) : InvalidAttrNumber;
	char	  **row = attnum > 0 ? find_difference(migration, rel, attnum) : NULL;

	if (rel)
		relation_close(rel, AccessShareLock);
	return row;
}

static char *
describe(char **row, const char *column)
{
	const char *others = strcmp(row[DIFF_OTHERS], "0") == 0 ? "" : psprintf(" (and %s more)", row[DIFF_OTHERS]);

	return psprintf("%s of column \"%s\" %s since the plan was made%s", row[DIFF_WHAT], column,
					row[DIFF_ADDED][0] == 't' ? "was added" : row[DIFF_GONE][0] == 't' ? "was taken away" : "was changed",
					others);
}

/*
 * What has been put on the old column of a migration, taken from it or changed
 * since its plan was made, and would be lost or missed, and what to do, as a
 * sentence in the current memory context; NULL when nothing has.
 */
char *
zdm_record_difference(const ZdmMigration *migration)
{
	char	  **row = difference(migration);
	const char *column = row ? row[DIFF_NEW_COLUMN] : NULL;
	const char *what;

	if (row == NULL)
		return NULL;
	if (row[DIFF_SHARED][0] == 't' && column)
		return psprintf("%s: do the same with column \"%s\"", describe(row, migration->column), column);
	what = row[DIFF_ADDED][0] == 't' && column ?
		psprintf("put its like on column \"%s\" and take it off this one", column) :
		row[DIFF_ADDED][0] == 't' ? "take it off" : "make it as it was";
	return psprintf("%s: %s, or begin anew under another name, after zdm.abort(%s)", describe(row, migration->column), what,
					quote_literal_cstr(migration->name));
}

/*
 * Before a migration is started that was planned or aborted before.  Errors
 * with OBJECT_NOT_IN_PREREQUISITE_STATE.
 */
void
zdm_record_require_same(const ZdmMigration *migration)
{
	char	  **row = difference(migration);

	if (row)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" cannot be started: its plan is outdated", migration->name),
				 errdetail("%s.", describe(row, migration->column)),
				 errhint("Make it as it was, or begin anew under another name, after zdm.abort(%s).",
						 quote_literal_cstr(migration->name))));
}
