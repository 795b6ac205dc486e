/*
 * plan.c
 *	  The steps of each recipe.
 *
 * What belongs here: which statements in which order, under which locks, and
 * what undoes each.
 *
 * A step under a strong lock must be short whatever the table's size: what
 * takes long is validated or built before, under a weak lock.  That SET NOT
 * NULL and PRIMARY KEY USING INDEX scan nothing rests on a CHECK that is
 * valid (PostgreSQL proves NOT NULL by it since 12); a scan after all would
 * be ended by zdm.max_stall.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "compat/constraint.h"
#include "commands/defrem.h"
#include "lib/stringinfo.h"
#include "recipe/below.h"
#include "recipe/expression.h"
#include "recipe/plan.h"
#include "recipe/step.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static char *
table_name(Relation rel)
{
	return zdm_step_table(RelationGetRelid(rel));
}

static ZdmRecipe *
make_recipe(const char *name, Relation rel, const char *object, char *definition)
{
	ZdmRecipe  *recipe = palloc0(sizeof(ZdmRecipe));

	recipe->recipe = name;
	recipe->definition = definition;
	zdm_session_record(&recipe->settings, NULL, 0);
	recipe->subject = psprintf("%s %s.%s", name, RelationGetRelationName(rel), object);
	return recipe;
}

static void
add_step(ZdmRecipe *recipe, ZdmStepKind kind, const char *object, char *statement, char *undo,
		 const char *lock)
{
	(void) zdm_step_append(&recipe->steps, kind, object, statement, undo, lock);
}

/* To be checked when the recipe is new: a repeated call finds its job. */
static void
require(ZdmRecipe *recipe, const char *object, void (*check) (Relation rel, const char *object))
{
	recipe->object = object;
	recipe->check = check;
}

/* ---------- checks ---------- */

static Form_pg_attribute
find_column(Relation rel, const char *name)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), name);

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table %s does not exist", name, table_name(rel)),
				 errhint("Names are compared as they are, without quotes.")));
	if (attno < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("\"%s\" is a system column", name),
				 errhint("Name a column of the table.")));
	return TupleDescAttr(RelationGetDescr(rel), attno - 1);
}

static void
check_columns(Relation rel, List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		for (int i = 0; i < foreach_current_index(lc); i++)
		{
			if (strcmp(list_nth(columns, i), lfirst(lc)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" is named twice", (char *) lfirst(lc)),
						 errhint("Name each column once.")));
		}
		(void) find_column(rel, lfirst(lc));
	}
}

/* checks of a new recipe */
static void
check_name_is_free(Relation rel, const char *name)
{
	if (OidIsValid(get_relation_constraint_oid(RelationGetRelid(rel), name, true)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("constraint \"%s\" of table %s exists already", name, table_name(rel)),
				 errhint("Give another constraint_name; or use zdm.validate_constraint() if it is NOT VALID.")));
}

static void
check_index_name_is_free(Relation rel, const char *name)
{
	check_name_is_free(rel, name);
	if (OidIsValid(get_relname_relid(name, RelationGetNamespace(rel))))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("a relation named \"%s\" exists already in schema \"%s\"", name,
						get_namespace_name(RelationGetNamespace(rel))),
				 errhint("Give another constraint_name.")));
}

static void
check_droppable(Relation rel, const char *name)
{
	Oid			oid = get_relation_constraint_oid(RelationGetRelid(rel), name, true);
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\" of table %s does not exist", name, table_name(rel)),
				 errhint("Names are compared as they are, without quotes.")));
	if (((Form_pg_constraint) GETSTRUCT(tuple))->coninhcount > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("constraint \"%s\" of table %s is inherited", name, table_name(rel)),
				 errhint("Drop it from the table that it comes from.")));
	ReleaseSysCache(tuple);
}

static void
refuse_partitioned(Relation rel, const char *what, const char *hint)
{
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s of partitioned table %s cannot be added without a long lock", what, table_name(rel)),
				 errhint("%s", hint)));
}

/* ---------- names and lists ---------- */

static char *
join(List *names, const char *separator, bool quote)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", foreach_current_index(lc) > 0 ? separator : "",
						 quote ? quote_identifier(lfirst(lc)) : (char *) lfirst(lc));
	return buf.data;
}

/* Names that are not to be chosen though nothing has them yet; recipe may be NULL. */
static List *
names_in_use(Relation rel, const ZdmRecipe *recipe)
{
	List	   *names = zdm_recipe_objects(RelationGetRelid(rel));
	ListCell   *lc;

	if (recipe == NULL)
		return names;
	foreach(lc, recipe->steps)
		names = lappend(names, ((ZdmStep *) lfirst(lc))->object);
	return names;
}

static bool
is_among(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

static char *
choose_constraint_name(Relation rel, const ZdmRecipe *recipe, const char *columns, const char *label)
{
	return ChooseConstraintName(RelationGetRelationName(rel), columns, label,
								RelationGetNamespace(rel), names_in_use(rel, recipe));
}

static char *
choose_index_name(Relation rel, const char *columns, const char *label)
{
	List	   *names = names_in_use(rel, NULL);
	char	   *name;
	int			n = 0;

	do
	{
		name = ChooseRelationName(RelationGetRelationName(rel), columns,
								  n == 0 ? label : psprintf("%s%d", label, n), RelationGetNamespace(rel), true);
		n++;
	} while (is_among(names, name));
	return name;
}

/* ---------- what several recipes have in common ---------- */

static char *
drop_constraint_statement(Relation rel, const char *name)
{
	return zdm_step_drop_constraint(RelationGetRelid(rel), name);
}

static void
add_validation(ZdmRecipe *recipe, Relation rel, const char *name)
{
	add_step(recipe, ZDM_STEP_VALIDATE, name,
			 psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table_name(rel), quote_identifier(name)),
			 NULL, ZDM_LOCK_WEAK);
}

static void
add_validated(ZdmRecipe *recipe, Relation rel, const char *name, const char *clause, const char *lock)
{
	add_step(recipe, ZDM_STEP_DDL, name,
			 psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", table_name(rel),
					  quote_identifier(name), clause),
			 drop_constraint_statement(rel, name), lock);
	add_validation(recipe, rel, name);
}

/*
 * A valid CHECK that proves the column NOT NULL; returns its name.  For a row
 * type IS NOT NULL would be about its fields, and prove nothing.
 */
static char *
add_not_null_proof(ZdmRecipe *recipe, Relation rel, const char *column)
{
	char	   *name = choose_constraint_name(rel, recipe, column, "zdm_not_null");
	bool		is_row = type_is_rowtype(find_column(rel, column)->atttypid);

	recipe->scans_children = true;
	add_validated(recipe, rel, name,
				  psprintf("CHECK (%s IS %s NULL)", quote_identifier(column), is_row ? "DISTINCT FROM" : "NOT"),
				  ZDM_LOCK_STRONG);
	return name;
}

static void
drop_proof(ZdmRecipe *recipe, Relation rel, const char *name)
{
	add_step(recipe, ZDM_STEP_DDL, name, drop_constraint_statement(rel, name), NULL, ZDM_LOCK_STRONG);
}

static bool
is_deferrable(const char *deferral)
{
	return strcmp(deferral, "NOT DEFERRABLE") != 0;
}

static void
add_index(ZdmRecipe *recipe, Relation rel, const ZdmKeyClause *clause, const char *name)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(rel));

	add_step(recipe, ZDM_STEP_INDEX, name,
			 psprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)%s", quote_identifier(name),
					  table_name(rel), join(clause->columns, ", ", true),
					  clause->nulls_not_distinct ? " NULLS NOT DISTINCT" : ""),
			 psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s", quote_qualified_identifier(schema, name)),
			 ZDM_LOCK_WEAK);
}

/* nullable: columns that a primary key makes NOT NULL, and leaves so when it is dropped */
static void
use_index(ZdmRecipe *recipe, Relation rel, const char *name, const char *type, const char *deferral,
		  List *nullable)
{
	StringInfoData undo;
	ListCell   *lc;

	initStringInfo(&undo);
	appendStringInfoString(&undo, drop_constraint_statement(rel, name));
	foreach(lc, nullable)
		appendStringInfo(&undo, ", ALTER COLUMN %s DROP NOT NULL", quote_identifier(lfirst(lc)));
	add_step(recipe, ZDM_STEP_DDL, name,
			 psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s%s", table_name(rel),
					  quote_identifier(name), type, quote_identifier(name),
					  is_deferrable(deferral) ? " " : "", is_deferrable(deferral) ? deferral : ""),
			 undo.data, ZDM_LOCK_STRONG);
}

static char *
or_default(const char *name)
{
	return pstrdup(name ? name : "(chosen)");
}

/* What is not as usual is added, so that jobs of older releases are found again. */
static char *
key_definition(const ZdmKeyClause *clause, const char *name)
{
	return psprintf("%s: %s%s%s%s", or_default(name), join(clause->columns, ", ", true),
					clause->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
					is_deferrable(clause->deferral) ? " " : "",
					is_deferrable(clause->deferral) ? clause->deferral : "");
}

/* ---------- the recipes ---------- */

/* CHECK: NOT VALID, then validated. */
ZdmRecipe *
zdm_plan_add_check(Relation rel, const char *expression, const char *name)
{
	char	   *canonical = zdm_expression_canonical(rel, expression);
	char	   *chosen = name ? pstrdup(name) : choose_constraint_name(rel, NULL, NULL, "check");
	ZdmRecipe  *recipe;

	recipe = make_recipe("add_check", rel, name ? name : "check",
						 psprintf("%s: %s", or_default(name), canonical));
	require(recipe, chosen, check_name_is_free);
	recipe->scans_children = true;
	add_validated(recipe, rel, chosen, psprintf("CHECK (%s)", canonical), ZDM_LOCK_STRONG);
	return recipe;
}

static char *
foreign_key_clause(const ZdmForeignKeyClause *clause)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "FOREIGN KEY (%s) REFERENCES %s", join(clause->columns, ", ", true),
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(clause->referenced)),
												get_rel_name(clause->referenced)));
	if (clause->referenced_columns)
		appendStringInfo(&buf, " (%s)", join(clause->referenced_columns, ", ", true));
	if (clause->match_full)
		appendStringInfoString(&buf, " MATCH FULL");
	if (strcmp(clause->on_delete, "NO ACTION") != 0)
		appendStringInfo(&buf, " ON DELETE %s", clause->on_delete);
	if (strcmp(clause->on_update, "NO ACTION") != 0)
		appendStringInfo(&buf, " ON UPDATE %s", clause->on_update);
	if (is_deferrable(clause->deferral))
		appendStringInfo(&buf, " %s", clause->deferral);
	return buf.data;
}

static bool
has_unique_index(Relation referenced, List *columns)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(referenced))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index = HeapTupleIsValid(tuple) ? (Form_pg_index) GETSTRUCT(tuple) : NULL;
		bool		fits = index && index->indisunique && index->indisvalid && index->indimmediate &&
		index->indnkeyatts == list_length(columns) && heap_attisnull(tuple, Anum_pg_index_indpred, NULL);

		for (int i = 0; fits && i < index->indnkeyatts; i++)
			fits = index->indkey.values[i] > 0 &&
				is_among(columns, get_attname(RelationGetRelid(referenced), index->indkey.values[i], false));
		if (index)
			ReleaseSysCache(tuple);
		if (fits)
			return true;
	}
	return false;
}

/*
 * Errors with UNDEFINED_COLUMN, INVALID_FOREIGN_KEY unless the referenced
 * table has the key that the clause names; what else PostgreSQL finds, as
 * types that cannot be compared, makes the first step fail.
 */
void
zdm_plan_check_referenced(Relation referenced, const ZdmForeignKeyClause *clause)
{
	Oid			constraint = InvalidOid;
	Bitmapset  *key = get_primary_key_attnos(RelationGetRelid(referenced), false, &constraint);
	int			nkeys = clause->referenced_columns ? list_length(clause->referenced_columns) : bms_num_members(key);

	check_columns(referenced, clause->referenced_columns);
	if (nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("table %s has no primary key to refer to", table_name(referenced)),
				 errhint("Add one with zdm.add_primary_key(), or give referenced_columns.")));
	if (nkeys != list_length(clause->columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("%d columns cannot refer to %d columns of table %s", list_length(clause->columns), nkeys,
						table_name(referenced)),
				 errhint("Name as many columns as the referenced key has, in its order.")));
	if (clause->referenced_columns && !has_unique_index(referenced, clause->referenced_columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("columns (%s) of table %s have no primary key or unique constraint",
						join(clause->referenced_columns, ", ", true), table_name(referenced)),
				 errhint("Add one with zdm.add_unique() first.")));
}

/*
 * Where it cannot be NOT VALID: each partition gets it, NOT VALID and then
 * validated, and the table adopts those, for which nothing is scanned.
 */
static void
add_adopting(ZdmRecipe *recipe, Relation rel, Oid referenced, const char *name, const char *clause)
{
	char	   *statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table_name(rel), quote_identifier(name), clause);

	zdm_below_add_foreign_key(&recipe->steps, RelationGetRelid(rel), statement);
	add_step(recipe, ZDM_STEP_DDL, name, statement, drop_constraint_statement(rel, name),
			 psprintf(ZDM_LOCK_FOREIGN_KEY ", on %s " ZDM_LOCK_STRONG, zdm_step_table(referenced)));
}

/* FOREIGN KEY: NOT VALID, then validated. */
ZdmRecipe *
zdm_plan_add_foreign_key(Relation rel, const ZdmForeignKeyClause *clause, const char *name)
{
	char	   *columns = join(clause->columns, "_", false);
	char	   *chosen = name ? pstrdup(name) : choose_constraint_name(rel, NULL, columns, "fkey");
	char	   *text = foreign_key_clause(clause);
	bool		partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	ZdmRecipe  *recipe;

	check_columns(rel, clause->columns);
	if (partitioned)
		zdm_below_check_foreign_key(RelationGetRelid(rel));
	recipe = make_recipe("add_foreign_key", rel, columns, psprintf("%s: %s", or_default(name), text));
	require(recipe, chosen, check_name_is_free);
	recipe->scans_children = partitioned;
	if (partitioned && !ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED)
		add_adopting(recipe, rel, clause->referenced, chosen, text);
	else
		add_validated(recipe, rel, chosen, text, ZDM_LOCK_FOREIGN_KEY);
	return recipe;
}

/*
 * NOT NULL, proved by a CHECK that is dropped at the end.  One that is there
 * and NOT VALID is validated.
 */
ZdmRecipe *
zdm_plan_set_not_null(Relation rel, const char *column)
{
	Form_pg_attribute att = find_column(rel, column);
	ZdmRecipe  *recipe = make_recipe("set_not_null", rel, column, pstrdup(column));
	char	   *there = zdm_compat_invalid_not_null(rel, att->attnum);
	char	   *proof;

	if (there)
	{
		add_validation(recipe, rel, there);
		return recipe;
	}
	if (att->attnotnull)
	{
		ereport(NOTICE,
				(errmsg("column \"%s\" of table %s is already NOT NULL", column, table_name(rel))));
		return recipe;
	}
	proof = add_not_null_proof(recipe, rel, column);
	add_step(recipe, ZDM_STEP_DDL, column,
			 psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", table_name(rel), quote_identifier(column)),
			 psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table_name(rel), quote_identifier(column)),
			 ZDM_LOCK_STRONG);
	drop_proof(recipe, rel, proof);
	return recipe;
}

#define HINT_UNIQUE_INDEX "zdm.create_index() builds a UNIQUE index on each partition and on the parent."

/* UNIQUE, by an index that is built concurrently. */
ZdmRecipe *
zdm_plan_add_unique(Relation rel, const ZdmKeyClause *clause, const char *name)
{
	char	   *joined = join(clause->columns, "_", false);
	char	   *chosen = name ? pstrdup(name) : choose_index_name(rel, joined, "key");
	ZdmRecipe  *recipe = make_recipe("add_unique", rel, joined, key_definition(clause, name));

	check_columns(rel, clause->columns);
	refuse_partitioned(rel, "a unique constraint", HINT_UNIQUE_INDEX);
	require(recipe, chosen, check_index_name_is_free);
	add_index(recipe, rel, clause, chosen);
	use_index(recipe, rel, chosen, "UNIQUE", clause->deferral, NIL);
	return recipe;
}

static void
check_primary_key(Relation rel, const char *name)
{
	Oid			constraint = InvalidOid;

	(void) get_primary_key_attnos(RelationGetRelid(rel), true, &constraint);
	if (OidIsValid(constraint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("table %s has a primary key already", table_name(rel)),
				 errhint("Drop that one first, or use zdm.add_unique().")));
	check_index_name_is_free(rel, name);
}

/*
 * What a column of a primary key needs before the key can be added without a
 * scan.  Returns the name of a proof that is to be dropped afterwards, NULL
 * when there is none.
 */
static char *
add_key_column(ZdmRecipe *recipe, Relation rel, const char *column)
{
	Form_pg_attribute att = find_column(rel, column);
	char	   *there = zdm_compat_invalid_not_null(rel, att->attnum);

	if (there)
		add_validation(recipe, rel, there);
	return att->attnotnull ? NULL : add_not_null_proof(recipe, rel, column);
}

/* PRIMARY KEY, by proofs and an index that is built concurrently. */
ZdmRecipe *
zdm_plan_add_primary_key(Relation rel, const ZdmKeyClause *clause, const char *name)
{
	char	   *joined = join(clause->columns, "_", false);
	char	   *chosen = name ? pstrdup(name) : choose_index_name(rel, NULL, "pkey");
	ZdmRecipe  *recipe = make_recipe("add_primary_key", rel, joined, key_definition(clause, name));
	List	   *proofs = NIL;
	List	   *nullable = NIL;
	ListCell   *lc;

	check_columns(rel, clause->columns);
	refuse_partitioned(rel, "a primary key", HINT_UNIQUE_INDEX);
	require(recipe, chosen, check_primary_key);
	foreach(lc, clause->columns)
	{
		char	   *proof = add_key_column(recipe, rel, lfirst(lc));

		if (proof == NULL)
			continue;
		nullable = lappend(nullable, lfirst(lc));
		proofs = lappend(proofs, proof);
	}
	add_index(recipe, rel, clause, chosen);
	use_index(recipe, rel, chosen, "PRIMARY KEY", clause->deferral, nullable);
	foreach(lc, proofs)
		drop_proof(recipe, rel, lfirst(lc));
	return recipe;
}

/* The inverse of those that add a constraint. */
ZdmRecipe *
zdm_plan_drop_constraint(Relation rel, const char *name)
{
	ZdmRecipe  *recipe = make_recipe("drop_constraint", rel, name, pstrdup(name));

	require(recipe, name, check_droppable);
	add_step(recipe, ZDM_STEP_DDL, name,
			 psprintf("ALTER TABLE %s DROP CONSTRAINT %s", table_name(rel), quote_identifier(name)),
			 NULL, ZDM_LOCK_STRONG);
	return recipe;
}

/* The inverse of zdm_plan_set_not_null(). */
ZdmRecipe *
zdm_plan_drop_not_null(Relation rel, const char *column)
{
	Form_pg_attribute att = find_column(rel, column);
	ZdmRecipe  *recipe = make_recipe("drop_not_null", rel, column, pstrdup(column));

	if (!att->attnotnull)
		ereport(NOTICE,
				(errmsg("column \"%s\" of table %s is not NOT NULL", column, table_name(rel))));
	else
		add_step(recipe, ZDM_STEP_DDL, column,
				 psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table_name(rel), quote_identifier(column)),
				 NULL, ZDM_LOCK_STRONG);
	return recipe;
}
