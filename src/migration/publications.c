/*
 * publications.c
 *	  What subscribers of a table need when its columns change: before phase
 *	  expand, and when the old column is retired.
 *
 * A subscriber that lacks a column that is sent applies nothing from then on;
 * one that has more than is sent takes no harm.  So a column has to be there
 * before it is added here, and one that gets another name has to be there
 * under both before.  That is not possible where rows are found by it, nor
 * where a name goes from one column to another: replication then stops at the
 * first row under the new names, with nothing lost, until they have been
 * changed there.  Publications with a list of columns send a new one only when
 * it is put there: see dependents.c.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "migration/publications.h"
#include "utils/builtins.h"
#include "utils/rel.h"

enum
{
	PUB_NAME, PUB_TABLE, PUB_APART
};

static const char published_sql[] =
"WITH " ZDM_PUBLISHED_CTES
" SELECT quote_ident(p.pubname), format('%I.%I', n.nspname, c.relname), bool_or(s.apart)"
"   FROM published s JOIN pg_publication p ON p.oid = s.pub JOIN pg_class c ON c.oid = s.top"
"   JOIN pg_namespace n ON n.oid = c.relnamespace GROUP BY p.pubname, n.nspname, c.relname ORDER BY p.pubname, n.nspname, c.relname";

/* The columns of the keys by which rows are found, where the column is in one: under $3 in its place. */
static const char key_sql[] =
"SELECT (SELECT string_agg(CASE k.attnum WHEN $2 THEN quote_ident($3) ELSE quote_ident(a.attname) END, ', ' ORDER BY k.n)"
"          FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, n)"
"          JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)"
"  FROM pg_index i WHERE i.indrelid = $1 AND $2 = ANY (i.indkey) AND (i.indisprimary OR i.indisreplident) ORDER BY i.indisprimary DESC";

/* How the table is altered there. */
static char *
alter(char **row)
{
	return psprintf("ALTER TABLE %s", row[PUB_TABLE]);
}

static const char *
partitions_too(char **row)
{
	return strcmp(row[PUB_APART], "t") == 0 ? " (where its partitions are tables of their own there: of each)" : "";
}

/* ---------- before expand ---------- */

static List *
list_additions(ZdmRows *rows, const char *adds)
{
	List	   *items = NIL;

	for (int i = 0; i < rows->count; i++)
		items = lappend(items, psprintf("Publication %s publishes all columns of table %s: before the start, on each of its subscribers%s, %s %s",
										rows->values[i][PUB_NAME], rows->values[i][PUB_TABLE],
										partitions_too(rows->values[i]), alter(rows->values[i]), adds));
	return items;
}

/*
 * What has to be done before a migration that has not begun enters phase
 * expand, by the publications that there are now: sentences, each with the
 * statement; NIL when nothing has.
 */
List *
zdm_publications_before_expand(const ZdmMigration *migration)
{
	if (migration->adds_column == NULL || !OidIsValid(migration->target))
		return NIL;
	return list_additions(zdm_rows_of(published_sql, migration->target, InvalidAttrNumber, NULL), migration->adds_column);
}

/* ---------- when the old column is retired ---------- */

static Form_pg_attribute
old_attribute(ZdmColumnPlan *build)
{
	return TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1);
}

static bool
changes_names(ZdmColumnPlan *build)
{
	return build->final_name && strcmp(build->working_name, build->final_name) != 0;
}

/*
 * What happens there when the old column, which is not sent any more then, is
 * dropped here.  key: the columns of the key that it was in.
 */
static char *
drop_there(ZdmColumnPlan *build, char **row, const char *key)
{
	const char *hidden = quote_identifier(build->hidden_name);

	if (key == NULL)
		return psprintf("when the migration is done, %s DROP COLUMN %s", alter(row), hidden);
	if (build->final_name == NULL)
		return psprintf("when the column is dropped here, replication stops again, until %s DROP COLUMN %s", alter(row), hidden);
	return psprintf("when the column is dropped here, replication stops again, until %s DROP COLUMN %s, ADD PRIMARY KEY (%s)",
					alter(row), hidden, key);
}

static bool
has_way_back(ZdmColumnPlan *build)
{
	return build->plan->mapping == NULL || build->plan->mapping->reverse;
}

/* The columns get their new names there when they do here. */
static char *
rename_there(ZdmColumnPlan *build, char **row, const char *key)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s RENAME COLUMN %s TO %s", alter(row), quote_identifier(build->old_name),
					 quote_identifier(build->hidden_name));
	if (changes_names(build))
		appendStringInfo(&buf, "; %s RENAME COLUMN %s TO %s", alter(row), quote_identifier(build->working_name),
						 quote_identifier(build->final_name));
	if (old_attribute(build)->attnotnull && key == NULL)
		appendStringInfo(&buf, "; %s ALTER COLUMN %s DROP NOT NULL", alter(row), quote_identifier(build->hidden_name));
	return psprintf("Publication %s publishes all columns of table %s, which get other names with zdm.contract(): replication stops at the first row after that, with nothing lost, until on each of its subscribers%s BEGIN; %s; COMMIT%s; %s",
					row[PUB_NAME], row[PUB_TABLE], partitions_too(row), buf.data,
					has_way_back(build) ? "; after zdm.revert() the same backwards" : "", drop_there(build, row, key));
}

/* What brings the column there up to date when it is sent again, with ';' before it; empty where nothing can. */
static char *
catch_up(ZdmColumnPlan *build, char **row)
{
	const char *old = quote_identifier(build->old_name);
	const char *hidden = quote_identifier(build->hidden_name);

	if (build->final_name == NULL)
		return psprintf("; after zdm.revert(), UPDATE %s SET %s = %s WHERE %s IS NOT NULL", row[PUB_TABLE], old, hidden, hidden);
	if (!has_way_back(build))
		return pstrdup("");
	return psprintf("; after zdm.revert(), UPDATE %s SET %s = %s WHERE %s IS DISTINCT FROM (%s)", row[PUB_TABLE], old,
					build->plan->mapping->reverse, old, build->plan->mapping->reverse);
}

/* The old column's other name is there before: nothing is sent under its first any more. */
static char *
add_there(ZdmColumnPlan *build, char **row)
{
	Form_pg_attribute att = old_attribute(build);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s ADD COLUMN %s %s", alter(row), quote_identifier(build->hidden_name),
					 format_type_extended(att->atttypid, att->atttypmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	if (att->attnotnull)
		appendStringInfo(&buf, ", ALTER COLUMN %s DROP NOT NULL", quote_identifier(build->old_name));
	return psprintf("Publication %s publishes all columns of table %s, and \"%s\" under another name from zdm.contract() on: before, on each of its subscribers%s, %s%s; when the migration is done, %s DROP COLUMN %s, DROP COLUMN %s",
					row[PUB_NAME], row[PUB_TABLE], build->old_name, partitions_too(row), buf.data, catch_up(build, row),
					alter(row), quote_identifier(build->old_name), quote_identifier(build->hidden_name));
}

static void
list_retire(ZdmColumnPlan *build, ZdmRows *rows)
{
	ZdmRows    *keys = zdm_rows_of(key_sql, RelationGetRelid(build->rel), build->attnum, build->final_name);
	const char *key = keys->count > 0 ? keys->values[0][0] : NULL;
	bool		by_renaming = changes_names(build) || key || build->rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL;

	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		zdm_column_plan_manual(build, "%s", by_renaming ? rename_there(build, row, key) : add_there(build, row));
	}
}

/*
 * Put into the plan what subscribers need that get all columns of the table.
 * The columns, the mapping and the clause that adds a column are set.
 */
void
zdm_column_list_publications(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(published_sql, RelationGetRelid(build->rel), InvalidAttrNumber, NULL);
	const char *adds = build->plan->adds_column;

	if (adds)
		build->plan->manual_expand = list_additions(rows, adds);
	if (build->attnum != InvalidAttrNumber)
		list_retire(build, rows);
	if (rows->count > 0 && build->rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL)
		zdm_column_plan_warn(build, "table %s has REPLICA IDENTITY FULL: a subscriber without a primary key finds rows by all of its columns, so that it finds none, and says nothing, while one that is not sent has a value there; give it a primary key first",
							 build->table);
}
