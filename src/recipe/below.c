/*
 * below.c
 *	  Steps about what is below the table: its partitions and children.
 *
 * Partitions come and go while a recipe runs.  So a step that rests on what
 * its partitions have looks at them under its own locks, and gets further
 * steps before it for what is missing.  In the same way a step whose undo
 * takes something from all children notes before it which of them had that:
 * steps that have nothing to do, and give it back when they are undone.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "compat/constraint.h"
#include "constraint/facts.h"
#include "core/identity.h"
#include "ddl/statement.h"
#include "explain/explain.h"
#include "lib/stringinfo.h"
#include "recipe/below.h"
#include "recipe/running.h"
#include "recipe/step.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static AlterTableStmt *
parse(const char *statement)
{
	return castNode(AlterTableStmt, zdm_statement_parse(statement)->tree);
}

/* Is the relation among the partitions or children of top, on any level? */
bool
zdm_below_is_part(Oid relid, Oid top)
{
	if (get_rel_relispartition(relid))
		return list_member_oid(get_partition_ancestors(relid), top);
	return relid != top && list_member_oid(find_all_inheritors(top, NoLock, NULL), relid);
}

/* ---------- foreign keys of partitions ---------- */

/*
 * Errors with FEATURE_NOT_SUPPORTED when the partitioned table has a partition
 * that cannot have a foreign key.  Needs a snapshot, takes no lock.
 */
void
zdm_below_check_foreign_key(Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("partitioned table %s cannot have a foreign key", zdm_step_table(relid)),
					 errdetail("Its partition %s is a foreign table.", zdm_step_table(lfirst_oid(lc))),
					 errhint("Detach that partition, or add the foreign key to the other partitions one by one.")));
	}
}

/* The job runs as the owner of the table. */
static void
check_partition_owner(Oid relid, Oid partition)
{
	if (zdm_relation_owner(partition) != zdm_relation_owner(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("partition %s belongs to another role than partitioned table %s",
						zdm_step_table(partition), zdm_step_table(relid)),
				 errhint("Give it the same owner; or add the foreign key to it with zdm.add_foreign_key() first: it is adopted then.")));
}

/* What follows the name in ADD CONSTRAINT: the tree knows where CONSTRAINT stands. */
static const char *
clause_of(const char *statement, const Constraint *con)
{
	const char *at = statement + con->location + strlen("CONSTRAINT ");
	bool		quoted = false;

	for (; *at != '\0' && (quoted || *at != ' '); at++)
	{
		if (*at == '"')
			quoted = !quoted;
	}
	return at + 1;
}

/* The name of the constraint above it, where that is free. */
static char *
choose_name(Oid relid, const Constraint *con)
{
	List	   *taken = zdm_recipe_objects(relid);
	StringInfoData columns;
	ListCell   *lc;

	initStringInfo(&columns);
	foreach(lc, taken)
	{
		if (strcmp(lfirst(lc), con->conname) == 0)
			break;
	}
	if (lc == NULL && !ConstraintNameIsUsed(CONSTRAINT_RELATION, relid, con->conname))
		return con->conname;
	foreach(lc, con->fk_attrs)
		appendStringInfo(&columns, "%s%s", foreach_current_index(lc) > 0 ? "_" : "", strVal(lfirst(lc)));
	return ChooseConstraintName(get_rel_name(relid), columns.data, "fkey", get_rel_namespace(relid), taken);
}

/* A partition gets the foreign key; one that it has and that is NOT VALID is validated. */
static void
add_to_partition(List **steps, const ZdmPartitionKey *key, const Constraint *con, const char *clause)
{
	char	   *table = zdm_step_table(key->relid);
	char	   *name = key->own ? key->own : choose_name(key->relid, con);
	ZdmStep    *step;

	if (key->own == NULL)
	{
		step = zdm_step_append(steps, ZDM_STEP_DDL, name,
							   psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", table, quote_identifier(name), clause),
							   zdm_step_drop_constraint(key->relid, name), ZDM_LOCK_FOREIGN_KEY);
		zdm_step_set_target(step, key->relid);
	}
	step = zdm_step_append(steps, ZDM_STEP_VALIDATE, name,
						   psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, quote_identifier(name)),
						   NULL, ZDM_LOCK_WEAK);
	zdm_step_set_target(step, key->relid);
}

/*
 * Append the steps that give the partitions of relid the foreign key that the
 * statement adds to it, where they have not an equal one that is valid.  Needs a
 * snapshot, takes no lock.  Errors with INSUFFICIENT_PRIVILEGE when one belongs
 * to another role.
 */
void
zdm_below_add_foreign_key(List **steps, Oid relid, const char *statement)
{
	AlterTableCmd *cmd = linitial_node(AlterTableCmd, parse(statement)->cmds);
	const Constraint *con = castNode(Constraint, cmd->def);
	Oid			referenced = RangeVarGetRelid(con->pktable, NoLock, true);
	ListCell   *lc;

	if (!OidIsValid(referenced))
		return;					/* the statement says so */
	foreach(lc, zdm_partition_keys(relid, referenced, con))
	{
		const ZdmPartitionKey *key = lfirst(lc);

		if (key->valid)
			continue;
		check_partition_owner(relid, key->relid);
		add_to_partition(steps, key, con, clause_of(statement, con));
	}
}

/* The foreign key that the statement adds, if that is what it does. */
static const Constraint *
foreign_key_of(const AlterTableStmt *tree)
{
	const AlterTableCmd *cmd = linitial_node(AlterTableCmd, tree->cmds);
	const Constraint *con = (const Constraint *) cmd->def;

	return cmd->subtype == AT_AddConstraint && con->contype == CONSTR_FOREIGN ? con : NULL;
}

static bool
is_foreign_key_of_partitioned(Oid relid, const AlterTableStmt *tree)
{
	return foreign_key_of(tree) && get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

/*
 * The steps that must come before this one of relid, whose statement has this
 * tree: NIL when it may run.  Needs a snapshot; holds as long as relid is locked
 * so that no partition can come.  Errors as zdm_below_check_foreign_key(),
 * zdm_below_add_foreign_key().
 */
List *
zdm_below_wanted(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step, const AlterTableStmt *tree)
{
	List	   *steps = NIL;

	if (!is_foreign_key_of_partitioned(relid, tree) || foreign_key_of(tree)->skip_validation)
		return NIL;
	zdm_below_check_foreign_key(relid);
	zdm_below_add_foreign_key(&steps, relid, step->statement);
	return steps;
}

/* ---------- what the undo of a step takes, and gives back ---------- */

/* Is there a step that does that to the relation, when it is undone? */
static bool
is_undone_by(const ZdmRecipe *recipe, Oid relid, const char *undo)
{
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);

		if (step->target == relid && step->undo && strcmp(step->undo, undo) == 0)
			return true;
	}
	return false;
}

/* A step that has nothing to do, and whose undo gives something back to relid. */
static void
keep(List **steps, const ZdmRecipe *recipe, Oid relid, const char *object, char *statement, char *undo, const char *lock)
{
	ZdmStep    *step;

	if (is_undone_by(recipe, relid, undo))
		return;
	step = zdm_step_append(steps, ZDM_STEP_DDL, object, statement, undo, lock);
	zdm_step_set_target(step, relid);
	step->done = true;
}

/* ---------- foreign keys of partitions that were there before ---------- */

static char *
add_constraint(const ZdmConstraint *constraint, const char *not_valid)
{
	return psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s%s", zdm_step_table(constraint->relid),
					quote_identifier(constraint->name), zdm_constraint_definition(constraint), not_valid);
}

static char *
validate_constraint(const ZdmConstraint *constraint)
{
	return psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", zdm_step_table(constraint->relid),
					quote_identifier(constraint->name));
}

/* Undone from the last to the first: new rows are checked at once, then those that are there. */
static void
keep_leaf_key(List **steps, const ZdmRecipe *recipe, const ZdmConstraint *constraint)
{
	char	   *validate = validate_constraint(constraint);

	if (constraint->valid)
		keep(steps, recipe, constraint->relid, constraint->name, validate, validate, ZDM_LOCK_WEAK);
	keep(steps, recipe, constraint->relid, constraint->name, validate, add_constraint(constraint, " NOT VALID"),
		 ZDM_LOCK_FOREIGN_KEY);
}

/* That of a partition that is partitioned itself comes back as it was made: leaf by leaf, then adopted. */
static void
keep_own_key(List **steps, const ZdmRecipe *recipe, const ZdmConstraint *constraint)
{
	ListCell   *lc;

	if (get_rel_relkind(constraint->relid) != RELKIND_PARTITIONED_TABLE)
	{
		keep_leaf_key(steps, recipe, constraint);
		return;
	}
	keep(steps, recipe, constraint->relid, constraint->name, validate_constraint(constraint),
		 add_constraint(constraint, ""), ZDM_LOCK_STRONG);
	foreach(lc, find_all_inheritors(constraint->relid, NoLock, NULL))
	{
		ZdmConstraint *leaf = zdm_constraint_load_below(lfirst_oid(lc), constraint->oid);

		if (leaf && get_rel_relkind(leaf->relid) != RELKIND_PARTITIONED_TABLE)
			keep_leaf_key(steps, recipe, leaf);
	}
}

/*
 * The table adopts the keys that its partitions have; dropped, it takes them
 * along.  What belongs to another role cannot be given back as the table's owner.
 */
static void
keep_foreign_keys(List **steps, const ZdmRecipe *recipe, Oid relid, const Constraint *con)
{
	Oid			referenced = RangeVarGetRelid(con->pktable, NoLock, true);
	ListCell   *lc;

	if (!OidIsValid(referenced))
		return;					/* the statement says so */
	foreach(lc, zdm_partition_keys(relid, referenced, con))
	{
		const ZdmPartitionKey *key = lfirst(lc);

		if (key->own && zdm_relation_owner(key->relid) == zdm_relation_owner(relid) &&
			!is_undone_by(recipe, key->relid, zdm_step_drop_constraint(key->relid, key->own)))
			keep_own_key(steps, recipe, zdm_constraint_load(key->relid, key->own));
	}
}

/* ---------- NOT NULL of children ---------- */

static bool
is_not_null(Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, column);
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
		ReleaseSysCache(tuple);
	}
	return result;
}

static void
keep_not_null(List **steps, const ZdmRecipe *recipe, Oid relid, const char *column)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		char	   *statement;

		if (lfirst_oid(lc) == relid || !is_not_null(lfirst_oid(lc), column))
			continue;
		statement = psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET NOT NULL", zdm_step_table(lfirst_oid(lc)),
							 quote_identifier(column));
		keep(steps, recipe, lfirst_oid(lc), column, statement, pstrdup(statement), ZDM_LOCK_STRONG);
	}
}

/* What dropping NOT NULL, when the step is undone, takes from all children. */
static void
keep_all_not_null(List **steps, const ZdmRecipe *recipe, Oid relid, const char *undo)
{
	ListCell   *statement;
	ListCell   *lc;

	if (!ZDM_DROP_NOT_NULL_TAKES_ALL || undo == NULL || !zdm_recipe_is_ddl(undo))
		return;
	foreach(statement, zdm_statement_parse_list(undo))
	{
		Node	   *tree = ((ZdmStatement *) lfirst(statement))->tree;

		if (!IsA(tree, AlterTableStmt))
			continue;
		foreach(lc, ((AlterTableStmt *) tree)->cmds)
		{
			const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

			if (cmd->subtype == AT_DropNotNull)
				keep_not_null(steps, recipe, relid, cmd->name);
		}
	}
}

/* ---------- both ---------- */

/*
 * Steps that are done, and give back to what is below relid what it has now
 * and the undo of this step takes from it.  Undone, they come after that.  Those
 * of NOT NULL go from the bottom up, while the proof is still there, so that
 * nothing is scanned.  tree is that of the step's statement, or NULL.  Under the
 * locks of the step; needs a snapshot.
 */
List *
zdm_below_kept(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step, const AlterTableStmt *tree)
{
	List	   *steps = NIL;

	if (step->kind != ZDM_STEP_DDL)
		return NIL;
	if (tree && is_foreign_key_of_partitioned(relid, tree))
		keep_foreign_keys(&steps, recipe, relid, foreign_key_of(tree));
	keep_all_not_null(&steps, recipe, relid, step->undo);
	return steps;
}
