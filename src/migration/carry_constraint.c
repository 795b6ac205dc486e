/*
 * carry_constraint.c
 *	  The constraints of a column: CHECK, UNIQUE, PRIMARY KEY and its foreign
 *	  keys.  Each is made for the new column under another name, NOT VALID and
 *	  then validated, or with an index that is built concurrently, and gets the
 *	  old one's place when that is dropped.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "compat/type.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* What a row of constraints_sql has. */
enum
{
	CON_TYPE, CON_NAME, CON_DEFINITION, CON_VALID, CON_INDEX, CON_DEFERRAL, CON_COMMENT, CON_EXPRESSION,
	CON_HAS_COLUMN, CON_REFERS_TO_COLUMN, CON_OTHER_TYPE, CON_IS_EXCLUSION
};

/*
 * The table's own; a foreign key to the table itself may have the column on
 * either side.  The definition is without what NOT VALID adds.
 */
static const char constraints_sql[] =
"SELECT con.contype, con.conname, regexp_replace(pg_get_constraintdef(con.oid), ' NOT VALID$', ''), con.convalidated, con.conindid,"
"       CASE WHEN con.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN con.condeferrable THEN ' DEFERRABLE' ELSE '' END,"
"       format('; COMMENT ON CONSTRAINT %I ON %I.%I IS %L', con.conname, n.nspname, c.relname,"
"              nullif(obj_description(con.oid, 'pg_constraint'), '')),"
"       pg_get_expr(con.conbin, con.conrelid), $2 = ANY (con.conkey),"
"       con.contype = 'f' AND con.confrelid = $1 AND $2 = ANY (con.confkey),"
"       (SELECT format_type(a.atttypid, a.atttypmod) FROM unnest(con.conkey, con.confkey) k(own, other)"
"          JOIN pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.other"
"         WHERE con.contype = 'f' AND k.own = $2 LIMIT 1),"
"       coalesce(i.indisexclusion, false), obj_description(con.oid, 'pg_constraint') IS NOT NULL"
"  FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
"  LEFT JOIN pg_index i ON i.indexrelid = con.conindid AND con.contype IN ('p', 'u', 'x')"
" WHERE con.conrelid = $1 AND con.contype IN ('c', 'p', 'u', 'x', 'f') AND con.conparentid = 0"
"   AND ($2 = ANY (con.conkey) OR (con.contype = 'f' AND con.confrelid = $1 AND $2 = ANY (con.confkey))"
"        OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_constraint'::regclass AND d.objid = con.oid"
"                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2))"
" ORDER BY con.contype = 'f', con.contype, con.conname";

#define CON_HAS_COMMENT (CON_IS_EXCLUSION + 1)

static bool
is_true(char **row, int column)
{
	return row[column] && row[column][0] == 't';
}

static const char *
comment_of(char **row)
{
	return is_true(row, CON_HAS_COMMENT) ? row[CON_COMMENT] : "";
}

static void
refuse_partitioned(ZdmColumnPlan *build, const char *what, const char *name)
{
	if (build->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s \"%s\" of partitioned table %s cannot be carried over to another column without a long lock",
						what, name, build->table),
				 errhint("Drop it before with zdm.drop_constraint(), and add it again when the migration is done.")));
}

/* The new constraint takes the old one's name when that is gone. */
static void
replace_by(ZdmColumnPlan *build, char **row, const char *name)
{
	bool		is_foreign_key = row[CON_TYPE][0] == CONSTRAINT_FOREIGN;
	const char *old = quote_identifier(row[CON_NAME]);

	zdm_column_plan_hand_over(build, InvalidOid, row[CON_NAME],
							  psprintf("ALTER TABLE %s DROP CONSTRAINT %s; ALTER TABLE %s RENAME CONSTRAINT %s TO %s%s",
									   build->table, old, build->table, quote_identifier(name), old, comment_of(row)),
							  is_foreign_key);
}

/* ---------- CHECK ---------- */

/* 18: NOT ENFORCED is what a definition ends with; a literal in it may say so, too */
static bool
is_enforced(const char *definition)
{
	static const char end[] = " NOT ENFORCED";
	size_t		length = strlen(definition);

	return length < strlen(end) || strcmp(definition + length - strlen(end), end) != 0;
}

static void
carry_check(ZdmColumnPlan *build, char **row)
{
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	char	   *name = zdm_column_plan_name(build, row[CON_NAME]);
	char	   *definition = zdm_rewrite_check(row[CON_DEFINITION], &renaming);

	if (build->retyped)
		zdm_check_as_new(build, row[CON_EXPRESSION], "constraint", row[CON_NAME], true, false);
	if (is_enforced(definition))
		zdm_column_plan_validated(build, InvalidOid, build->table, name, definition, is_true(row, CON_VALID), ZDM_LOCK_STRONG);
	else
		zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, name,
							 psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", build->table, quote_identifier(name), definition),
							 psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", build->table, quote_identifier(name)),
							 ZDM_LOCK_STRONG);
	replace_by(build, row, name);
}

/* ---------- UNIQUE, PRIMARY KEY ---------- */

static void
carry_unique(ZdmColumnPlan *build, char **row, ZdmIndexCarry *index)
{
	const char *name = quote_identifier(index->name);
	const char *old = quote_identifier(row[CON_NAME]);

	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_DDL, index->name,
						 psprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s", build->table, name, name,
								  row[CON_DEFERRAL]),
						 psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", build->table, name), ZDM_LOCK_STRONG);
	zdm_column_plan_hand_over(build, InvalidOid, row[CON_NAME],
							  psprintf("%sALTER TABLE %s DROP CONSTRAINT %s; ALTER TABLE %s RENAME CONSTRAINT %s TO %s%s%s",
									   index->before, build->table, old, build->table, name, old, comment_of(row),
									   index->after), false);
}

/*
 * A table has one primary key: until the old one goes, the new column has a
 * unique index and is NOT NULL.
 */
static void
carry_primary_key(ZdmColumnPlan *build, char **row, ZdmIndexCarry *index)
{
	const char *old = quote_identifier(row[CON_NAME]);

	zdm_column_plan_hand_over(build, InvalidOid, row[CON_NAME],
							  psprintf("%sALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s%s%s%s",
									   index->before, build->table, old, old, quote_identifier(index->name),
									   row[CON_DEFERRAL], comment_of(row), index->after), false);
}

static void
carry_key(ZdmColumnPlan *build, char **row)
{
	bool		is_primary = row[CON_TYPE][0] == CONSTRAINT_PRIMARY;
	ZdmIndexCarry *index;

	refuse_partitioned(build, is_primary ? "primary key" : "unique constraint", row[CON_NAME]);
	if (row[CON_TYPE][0] == CONSTRAINT_EXCLUSION || is_true(row, CON_IS_EXCLUSION))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("constraint \"%s\" of table %s cannot be carried over to another column: it excludes overlaps",
						row[CON_NAME], build->table),
				 errdetail("PostgreSQL cannot build the index of such a constraint concurrently."),
				 errhint("Drop it before with zdm.drop_constraint(), and add it again when the migration is done.")));
	index = zdm_carry_index(build, atooid(row[CON_INDEX]));
	if (is_primary)
		carry_primary_key(build, row, index);
	else
		carry_unique(build, row, index);
}

/* ---------- FOREIGN KEY ---------- */

/*
 * Errors with DATATYPE_MISMATCH unless values of the new column's type can be
 * compared with those of the other side's.
 */
static void
check_comparable(ZdmColumnPlan *build, const char *name, const char *table, const char *other_type)
{
	char	   *comparison = psprintf("%s = NULL::%s", quote_identifier(build->old_name), other_type);

	if (build->retyped)
		zdm_check_as_new(build, comparison, "foreign key", name, true, false);
}

/*
 * In FOREIGN KEY (own columns) REFERENCES table (its columns) ... SET NULL
 * (own columns), those lists that name the column.
 */
static char *
foreign_key_definition(ZdmColumnPlan *build, char **row)
{
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	Bitmapset  *lists = NULL;

	if (is_true(row, CON_HAS_COLUMN))
		lists = bms_add_member(bms_add_member(lists, 1), 3);
	if (is_true(row, CON_REFERS_TO_COLUMN))
		lists = bms_add_member(lists, 2);
	return zdm_rewrite_lists(row[CON_DEFINITION], lists, &renaming);
}

static void
carry_foreign_key(ZdmColumnPlan *build, char **row)
{
	char	   *name = zdm_column_plan_name(build, row[CON_NAME]);
	char	   *definition = foreign_key_definition(build, row);

	if (!ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED)
		refuse_partitioned(build, "foreign key", row[CON_NAME]);
	if (row[CON_OTHER_TYPE])
		check_comparable(build, row[CON_NAME], build->table, row[CON_OTHER_TYPE]);
	zdm_column_plan_validated(build, InvalidOid, build->table, name, definition,
							  is_true(row, CON_VALID) && is_enforced(definition), ZDM_LOCK_TRIGGER);
	replace_by(build, row, name);
}

/* Carry the table's own constraints on the old column, NOT NULL first. */
void
zdm_carry_constraints(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(constraints_sql, RelationGetRelid(build->rel), build->attnum, NULL);
	char	   *old_not_null = zdm_compat_not_null_name(build->rel, build->attnum);

	if (TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1)->attnotnull)
	{
		char	   *name = old_not_null ? zdm_column_plan_name(build, old_not_null) : NULL;

		zdm_column_plan_not_null(build, build->working_name, build->type, name);
		if (name)
			build->not_null_renames = list_make1(psprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", build->table,
														  quote_identifier(name), quote_identifier(old_not_null)));
	}
	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		if (row[CON_TYPE][0] == CONSTRAINT_CHECK)
			carry_check(build, row);
		else if (row[CON_TYPE][0] == CONSTRAINT_FOREIGN)
			carry_foreign_key(build, row);
		else
			carry_key(build, row);
	}
}

/* ---------- foreign keys of other tables that refer to the column ---------- */

enum
{
	REF_NAME, REF_DEFINITION, REF_VALID, REF_TABLE, REF_TABLE_OID, REF_COMMENT, REF_IS_PARTITIONED, REF_TYPE, REF_SAME_OWNER
};

static const char referencing_sql[] =
"SELECT con.conname, regexp_replace(pg_get_constraintdef(con.oid), ' NOT VALID$', ''), con.convalidated,"
"       format('%I.%I', n.nspname, c.relname), con.conrelid::oid,"
"       CASE WHEN obj_description(con.oid, 'pg_constraint') IS NULL THEN '' ELSE"
"         format('; COMMENT ON CONSTRAINT %I ON %I.%I IS %L', con.conname, n.nspname, c.relname,"
"                obj_description(con.oid, 'pg_constraint')) END,"
"       c.relkind = 'p',"
"       (SELECT format_type(a.atttypid, a.atttypmod) FROM unnest(con.conkey, con.confkey) k(own, other)"
"          JOIN pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.own WHERE k.other = $2 LIMIT 1),"
"       pg_has_role((SELECT relowner FROM pg_class WHERE oid = $1), c.relowner, 'USAGE')"
"  FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE con.confrelid = $1 AND con.conrelid <> $1 AND con.contype = 'f' AND con.conparentid = 0 AND $2 = ANY (con.confkey)"
" ORDER BY n.nspname, c.relname, con.conname";

static void
carry_referencing_key(ZdmColumnPlan *build, char **row)
{
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	char	   *name = zdm_column_plan_name(build, row[REF_NAME]);
	char	   *definition = zdm_rewrite_lists(row[REF_DEFINITION], bms_make_singleton(2), &renaming);
	const char *old = quote_identifier(row[REF_NAME]);
	Oid			other = atooid(row[REF_TABLE_OID]);

	check_comparable(build, row[REF_NAME], row[REF_TABLE], row[REF_TYPE]);
	zdm_column_plan_validated(build, other, row[REF_TABLE], name, definition,
							  is_true(row, REF_VALID) && is_enforced(definition), ZDM_LOCK_TRIGGER);
	zdm_column_plan_hand_over(build, other, row[REF_NAME],
							  psprintf("ALTER TABLE %s DROP CONSTRAINT %s; ALTER TABLE %s RENAME CONSTRAINT %s TO %s%s",
									   row[REF_TABLE], old, row[REF_TABLE], quote_identifier(name), old,
									   row[REF_COMMENT]), true);
}

/* Carry foreign keys of other tables.  The new column's unique index is there by then. */
void
zdm_carry_referencing_keys(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(referencing_sql, RelationGetRelid(build->rel), build->attnum, NULL);

	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		if (!is_true(row, REF_SAME_OWNER))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("foreign key \"%s\" of table %s, which belongs to another role, refers to column \"%s\" of table %s",
							row[REF_NAME], row[REF_TABLE], build->old_name, build->table),
					 errhint("Make the owner of %s a member of that role, or have the foreign key dropped before, and added again when the migration is done.",
							 build->table)));
		if (is_true(row, REF_IS_PARTITIONED) && !ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("foreign key \"%s\" of partitioned table %s cannot be carried over to another column without a long lock",
							row[REF_NAME], row[REF_TABLE]),
					 errhint("Drop it before with zdm.drop_constraint(), and add it again when the migration is done.")));
		carry_referencing_key(build, row);
	}
}
