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
#include "ddl/statement.h"
#include "explain/explain.h"
#include "lib/stringinfo.h"
#include "recipe/below.h"
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

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* The job runs as the owner of the table. */
static void
check_partition_owner(Oid relid, Oid partition)
{
	if (owner_of(partition) != owner_of(relid))
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

/*
 * The steps that must come before this one of relid, whose statement has this
 * tree: NIL when it may run.  Needs a snapshot; holds as long as relid is locked
 * so that no partition can come.  Errors as zdm_below_check_foreign_key(),
 * zdm_below_add_foreign_key().
 */
List *
zdm_below_wanted(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step, const AlterTableStmt *tree)
{
	const AlterTableCmd *cmd = linitial_node(AlterTableCmd, tree->cmds);
	const Constraint *con = (const Constraint *) cmd->def;
	List	   *steps = NIL;

	if (cmd->subtype != AT_AddConstraint || con->contype != CONSTR_FOREIGN || con->skip_validation ||
		get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return NIL;
	zdm_below_check_foreign_key(relid);
	zdm_below_add_foreign_key(&steps, relid, step->statement);
	return steps;
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

static bool
is_kept_already(const ZdmRecipe *recipe, Oid relid, const char *statement)
{
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);

		if (step->target == relid && strcmp(step->statement, statement) == 0)
			return true;
	}
	return false;
}

static void
keep_not_null(List **steps, const ZdmRecipe *recipe, Oid relid, const char *column)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		char	   *statement;
		ZdmStep    *step;

		if (lfirst_oid(lc) == relid || !is_not_null(lfirst_oid(lc), column))
			continue;
		statement = psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET NOT NULL", zdm_step_table(lfirst_oid(lc)),
							 quote_identifier(column));
		if (is_kept_already(recipe, lfirst_oid(lc), statement))
			continue;
		step = zdm_step_append(steps, ZDM_STEP_DDL, column, statement, pstrdup(statement), ZDM_LOCK_STRONG);
		zdm_step_set_target(step, lfirst_oid(lc));
		step->done = true;
	}
}

/*
 * Steps that are done, and give back to what is below relid what it has now
 * and the undo of this step takes from it.  Undone, they come after that: from
 * the bottom up, while the proof of NOT NULL is still there, so that nothing
 * is scanned.  Under the locks of the step; needs a snapshot.
 */
List *
zdm_below_kept(const ZdmRecipe *recipe, Oid relid, const ZdmStep *step)
{
	List	   *steps = NIL;
	ListCell   *lc;

	if (!ZDM_DROP_NOT_NULL_TAKES_ALL || step->undo == NULL || step->kind != ZDM_STEP_DDL)
		return NIL;
	foreach(lc, parse(step->undo)->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DropNotNull)
			keep_not_null(&steps, recipe, relid, cmd->name);
	}
	return steps;
}
