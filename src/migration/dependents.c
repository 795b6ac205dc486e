/*
 * dependents.c
 *	  zdm.dependents(): what uses a column; and what of that a plan leaves to a
 *	  person.
 *
 * PostgreSQL records what uses a column, but for the bodies of functions that
 * are texts to it: those are searched for the name, which is a guess.
 */
#include "postgres.h"

#include "access/relation.h"
#include "compat/tree.h"
#include "constraint/target.h"
#include "core/args.h"
#include "fmgr.h"
#include "funcapi.h"
#include "migration/column_plan.h"
#include "migration/publications.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_dependents);

enum
{
	DEP_KIND, DEP_NAME, DEP_HOW, DEP_CERTAIN, DEP_CARRIED, DEP_COUNT,
	DEP_DEFINITION = DEP_COUNT	/* for the record of a plan only */
};

/*
 * carried: zdm.rename_column() and zdm.change_column_type() see to it.  A
 * constraint's index is not listed beside the constraint, nor is what zdm
 * itself has put there.
 */
static const char dependents_sql[] =
"WITH " ZDM_PUBLISHED_CTES ", dep AS ("
"  SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_depend d"
"   WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2),"
" found AS ("
"  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'index' END AS kind, d.*,"
"         CASE c.relkind WHEN 'S' THEN 'owned by the column' ELSE 'definition' END AS how, true AS carried"
"    FROM dep d JOIN pg_class c ON c.oid = d.objid WHERE d.classid = 'pg_class'::regclass AND c.relkind IN ('i', 'I', 'S')"
"     AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid AND conrelid = $1 AND contype IN ('p', 'u', 'x'))"
"  UNION ALL"
"  SELECT CASE WHEN con.contype = 'f' AND con.conrelid <> $1 THEN 'referencing foreign key'"
"              ELSE (SELECT word FROM (VALUES ('c', 'check constraint'), ('f', 'foreign key'), ('p', 'primary key'),"
"                                             ('u', 'unique constraint'), ('x', 'exclusion constraint')) w(type, word)"
"                     WHERE w.type = con.contype::text) END,"
"         'pg_constraint'::regclass, con.oid, 0, pg_get_constraintdef(con.oid), con.contype <> 'x'"
"    FROM pg_constraint con"
"   WHERE con.contype IN ('c', 'f', 'p', 'u', 'x') AND con.conparentid = 0"
"     AND ((con.conrelid = $1 AND ($2 = ANY (con.conkey) OR con.oid IN (SELECT objid FROM dep WHERE classid = 'pg_constraint'::regclass)))"
"          OR (con.confrelid = $1 AND $2 = ANY (con.confkey)))"
"  UNION ALL"
"  SELECT CASE WHEN a.attgenerated <> '' THEN 'generated column' ELSE 'default' END,"
"         CASE WHEN a.attgenerated <> '' THEN 'pg_class'::regclass ELSE d.classid END,"
"         CASE WHEN a.attgenerated <> '' THEN $1 ELSE d.objid END, CASE WHEN a.attgenerated <> '' THEN a.attnum ELSE 0 END,"
"         pg_get_expr(f.adbin, f.adrelid), a.attgenerated = ''"
"    FROM dep d JOIN pg_attrdef f ON f.oid = d.objid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum"
"   WHERE d.classid = 'pg_attrdef'::regclass"
"  UNION ALL"
"  SELECT 'statistics', d.*, 'definition', true FROM dep d WHERE d.classid = 'pg_statistic_ext'::regclass"
"  UNION ALL"
"  SELECT CASE WHEN r.rulename <> '_RETURN' THEN 'rule' WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'view' END,"
"         CASE WHEN r.rulename <> '_RETURN' THEN d.classid ELSE 'pg_class'::regclass END,"
"         CASE WHEN r.rulename <> '_RETURN' THEN d.objid ELSE r.ev_class END, 0, 'definition', false"
"    FROM dep d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class WHERE d.classid = 'pg_rewrite'::regclass"
"  UNION ALL"
"  SELECT 'policy', d.*, 'expression', p.polrelid = $1 AND NOT coalesce(p.polqual::text ~ 'SUBLINK', false)"
"                                       AND NOT coalesce(p.polwithcheck::text ~ 'SUBLINK', false)"
"    FROM dep d JOIN pg_policy p ON p.oid = d.objid WHERE d.classid = 'pg_policy'::regclass"
"  UNION ALL"
"  SELECT 'trigger', d.*, concat_ws(' and ', CASE WHEN $2 = ANY (t.tgattr) THEN 'UPDATE OF' END, CASE WHEN t.tgqual IS NOT NULL THEN 'WHEN' END),"
"         false"
"    FROM dep d JOIN pg_trigger t ON t.oid = d.objid"
"   WHERE d.classid = 'pg_trigger'::regclass AND NOT t.tgisinternal AND t.tgparentid = 0"
"  UNION ALL"
"  SELECT 'function', d.*, 'body', false FROM dep d WHERE d.classid = 'pg_proc'::regclass"
"  UNION ALL"
"  SELECT 'publication', 'pg_publication'::regclass, r.prpubid, 0,"
"         concat_ws(' and ', CASE WHEN $2 = ANY (r.prattrs) THEN 'column list' END,"
"                   CASE WHEN r.oid IN (SELECT objid FROM dep WHERE classid = 'pg_publication_rel'::regclass) AND r.prqual IS NOT NULL"
"                         AND (r.prattrs IS NULL OR pg_get_expr(r.prqual, r.prrelid) ~ $4) THEN 'row filter' END), false"
"    FROM pg_publication_rel r"
"   WHERE r.prrelid = $1 AND ($2 = ANY (r.prattrs) OR r.oid IN (SELECT objid FROM dep WHERE classid = 'pg_publication_rel'::regclass))"
"  UNION ALL"
"  SELECT 'publication', 'pg_publication'::regclass, pub, 0, 'all columns', true FROM published"
"  UNION ALL"
"  SELECT 'other', d.*, 'recorded by PostgreSQL', false FROM dep d"
"   WHERE d.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass, 'pg_statistic_ext'::regclass,"
"                           'pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass, 'pg_proc'::regclass,"
"                           'pg_publication_rel'::regclass)),"
" guessed AS ("
"  SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace"
"   WHERE l.lanname NOT IN ('c', 'internal') AND p.prosrc ~* $4 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'zdm')"
"     AND p.oid NOT IN (SELECT objid FROM dep WHERE classid = 'pg_proc'::regclass)"
"     AND (p.prosrc ~* $5 OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = $1 AND t.tgfoid = p.oid)))"
" SELECT DISTINCT * FROM ("
"  SELECT f.kind, CASE WHEN f.kind = 'default' THEN pg_describe_object(f.classid, f.objid, f.objsubid)"
"                      ELSE (SELECT identity FROM pg_identify_object(f.classid, f.objid, f.objsubid)) END AS name,"
"         f.how, true AS certain, f.carried,"
"         CASE WHEN f.kind = 'index' THEN pg_get_indexdef(f.objid)"
"              WHEN f.kind = 'statistics' THEN pg_get_statisticsobjdef(f.objid)"
"              WHEN f.kind = 'trigger' THEN pg_get_triggerdef(f.objid)"
"              WHEN f.kind = 'policy' THEN (SELECT concat_ws(' ', polcmd, polpermissive, polroles::regrole[]::text,"
"                     pg_get_expr(polqual, polrelid), 'WITH CHECK', pg_get_expr(polwithcheck, polrelid))"
"                     FROM pg_policy WHERE oid = f.objid)"
"              ELSE regexp_replace(f.how, ' NOT VALID$', '') END AS definition FROM found f"
"   WHERE NOT (f.kind = 'trigger' AND f.objid IN (SELECT oid FROM pg_trigger WHERE tgname ~ '^~zdm_'))"
"  UNION ALL"
"  SELECT 'function', (SELECT identity FROM pg_identify_object('pg_proc'::regclass, g.oid, 0)), 'name found in its text', false, false, ''"
"    FROM guessed g) all_of_it"
" ORDER BY certain DESC, kind, name, how";

/* A name as a whole word, for the search in texts. */
static char *
word_pattern(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "(^|[^[:alnum:]_])");
	for (const char *p = name; *p; p++)
	{
		if (strchr("\\^$.|?*+()[]{}", *p))
			appendStringInfoChar(&buf, '\\');
		appendStringInfoChar(&buf, *p);
	}
	appendStringInfoString(&buf, "($|[^[:alnum:]_])");
	return buf.data;
}

static ZdmRows *
find_dependents(Relation rel, AttrNumber attnum, const char *column)
{
	return zdm_rows_of_words(dependents_sql, RelationGetRelid(rel), attnum, "", word_pattern(column),
							 word_pattern(RelationGetRelationName(rel)));
}

/* ---------- for plans ---------- */

static bool
is_word(char **row, int column, const char *word)
{
	return strcmp(row[column], word) == 0;
}

/*
 * Does a plan leave it to a person?  With a column that is dropped go its
 * constraints, but nothing is made to use another one.  A trigger names the
 * column in its function, too, and can be carried only when the name stays.
 */
static bool
is_left(char **row, ZdmColumnFate fate)
{
	if (fate == ZDM_COLUMN_DROPPED && is_word(row, DEP_KIND, "policy"))
		return true;
	if (fate == ZDM_COLUMN_DROPPED && is_word(row, DEP_KIND, "exclusion constraint"))
		return false;
	if (fate == ZDM_COLUMN_SWAPPED && is_word(row, DEP_KIND, "trigger"))
		return false;
	return !is_word(row, DEP_CARRIED, "t");
}

static void
refuse_generated(ZdmColumnPlan *build, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("generated column %s is computed from column \"%s\" of table %s", name, build->old_name, build->table),
			 errdetail("It cannot be computed from another column without rewriting the table."),
			 errhint("Drop it before with zdm.drop_column(), and add a column with a fill expression in its place.")));
}

/* One with a list of columns, which has the old one. */
static void
list_publication(ZdmColumnPlan *build, char **row)
{
	if (build->final_name == NULL)
		zdm_column_plan_manual(build, "Publication %s publishes column \"%s\" of table %s (%s): take it out before the column goes.",
							   row[DEP_NAME], build->old_name, build->table, row[DEP_HOW]);
	else
		zdm_column_plan_manual(build, "Publication %s publishes column \"%s\" of table %s (%s): on each of its subscribers ALTER TABLE %s %s, then put \"%s\" in its place in the publication%s.",
							   row[DEP_NAME], build->old_name, build->table, row[DEP_HOW], build->table, build->plan->adds_column,
							   build->working_name,
							   zdm_column_plan_fate(build) == ZDM_COLUMN_SWAPPED ? "; when the old one is retired, the columns change their names, and have to there, too" : "");
}

static void
list_dependent(ZdmColumnPlan *build, char **row)
{
	const char *guess = is_word(row, DEP_CERTAIN, "t") ? "" : "perhaps ";
	ZdmColumnFate fate = zdm_column_plan_fate(build);

	if (is_word(row, DEP_KIND, "generated column"))
		refuse_generated(build, row[DEP_NAME]);
	else if (!is_left(row, fate))
		return;
	else if (is_word(row, DEP_KIND, "publication") && !is_word(row, DEP_HOW, "row filter"))
		list_publication(build, row);
	else if (fate == ZDM_COLUMN_DROPPED)
		zdm_column_plan_manual(build, "%s %s %suses column \"%s\" of table %s (%s): change it so that it does not.",
							   row[DEP_KIND], row[DEP_NAME], guess, build->old_name, build->table, row[DEP_HOW]);
	else if (fate == ZDM_COLUMN_RENAMED)
		zdm_column_plan_manual(build, "%s %s %suses column \"%s\" of table %s (%s): make it use \"%s\".",
							   row[DEP_KIND], row[DEP_NAME], guess, build->old_name, build->table, row[DEP_HOW],
							   build->final_name);
	else if (guess[0] == '\0')
		zdm_column_plan_manual(build, "%s %s uses column \"%s\" of table %s (%s): make it use \"%s\", which gets the name \"%s\" when the old one is retired.",
							   row[DEP_KIND], row[DEP_NAME], build->old_name, build->table, row[DEP_HOW],
							   build->working_name, build->final_name);
	else
		zdm_column_plan_warn(build, "%s %s perhaps uses column \"%s\" of table %s (%s), which will be of type %s",
							 row[DEP_KIND], row[DEP_NAME], build->old_name, build->table, row[DEP_HOW],
							 format_type_with_typemod(build->type, build->typmod));
}

/*
 * What uses the old column and is not carried over is left to a person, in the
 * plan.  Errors with FEATURE_NOT_SUPPORTED for a generated column.
 */
void
zdm_column_list_dependents(ZdmColumnPlan *build)
{
	ZdmRows    *rows = find_dependents(build->rel, build->attnum, build->old_name);

	for (int i = 0; i < rows->count; i++)
		list_dependent(build, rows->values[i]);
	zdm_column_list_publications(build);
}

/*
 * What still uses the old column of a migration and is left to a person, as a
 * sentence; NULL when nothing does, or when there is no such column.  What is
 * only guessed does not count.
 */
char *
zdm_dependents_left(const ZdmMigration *migration)
{
	const char *column = migration->column;
	ZdmColumnFate fate = zdm_migration_fate(migration);
	Relation	rel = try_relation_open(migration->target, AccessShareLock);
	AttrNumber	attnum = rel ? get_attnum(migration->target, column) : InvalidAttrNumber;
	ZdmRows    *rows;
	char	   *first = NULL;
	int			left = 0;

	if (attnum > 0)
	{
		rows = find_dependents(rel, attnum, column);
		for (int i = 0; i < rows->count; i++)
		{
			char	  **row = rows->values[i];

			if (!is_word(row, DEP_CERTAIN, "t") || !is_left(row, fate))
				continue;
			if (left++ == 0)
				first = psprintf("%s %s", row[DEP_KIND], row[DEP_NAME]);
		}
	}
	if (rel)
		relation_close(rel, AccessShareLock);
	if (left > 1)
		return psprintf("%s and %d more use column \"%s\": see zdm.dependents()", first, left - 1, column);
	return left == 1 ? psprintf("%s uses column \"%s\"", first, column) : NULL;
}

/* What becomes of the old column of a migration that has one. */
ZdmColumnFate
zdm_migration_fate(const ZdmMigration *migration)
{
	if (strcmp(migration->kind, "drop_column") == 0)
		return ZDM_COLUMN_DROPPED;
	return migration->new_column ? ZDM_COLUMN_RENAMED : ZDM_COLUMN_SWAPPED;
}

/*
 * What the plan of a column carries over: what it is called and how it is
 * defined.  A publication has nothing of the column that could be lost with it.
 */
ZdmRows *
zdm_dependents_carried(Relation rel, AttrNumber attnum, ZdmColumnFate fate)
{
	ZdmRows    *rows = find_dependents(rel, attnum, get_attname(RelationGetRelid(rel), attnum, false));
	int			count = 0;

	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		if (!is_word(row, DEP_CERTAIN, "t") || is_left(row, fate) || is_word(row, DEP_KIND, "publication"))
			continue;
		row[0] = is_word(row, DEP_KIND, "default") ? pstrdup("the default") : psprintf("%s %s", row[DEP_KIND], row[DEP_NAME]);
		row[1] = row[DEP_DEFINITION];
		rows->values[count++] = row;
	}
	rows->count = count;
	return rows;
}

/* ---------- for users ---------- */

static AttrNumber
column_arg(Relation rel, const char *column)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), column);

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table %s does not exist", column, zdm_column_plan_table_name(rel)),
				 errhint("Names are compared as they are, without quotes.")));
	return attnum;
}

/* zdm.dependents(target regclass, column_name name) */
Datum
zdm_dependents(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *column;
	Relation	rel;
	ZdmRows    *rows;

	zdm_args_not_null(fcinfo, 0, "target");
	column = zdm_args_required_name(fcinfo, 1, "column_name");
	rel = zdm_validation_target_open(PG_GETARG_OID(0));
	InitMaterializedSRF(fcinfo, 0);
	rows = find_dependents(rel, column_arg(rel, column), column);
	for (int i = 0; i < rows->count; i++)
	{
		Datum		values[DEP_COUNT];
		bool		nulls[DEP_COUNT] = {false};

		for (int c = 0; c < DEP_CERTAIN; c++)
			values[c] = CStringGetTextDatum(rows->values[i][c]);
		values[DEP_CERTAIN] = BoolGetDatum(is_word(rows->values[i], DEP_CERTAIN, "t"));
		values[DEP_CARRIED] = BoolGetDatum(is_word(rows->values[i], DEP_CARRIED, "t"));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	relation_close(rel, NoLock);
	return (Datum) 0;
}
