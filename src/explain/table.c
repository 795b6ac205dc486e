/*
 * table.c
 *	  ALTER TABLE: the lock of the statement, and its subcommands one by one.
 *
 * PostgreSQL's own parse analysis takes the statement apart: a column
 * definition into the column and its constraints, each with what need not be
 * checked, and an index constraint into the index.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "commands/trigger.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "miscadmin.h"
#include "parser/parse_utilcmd.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct AlterState
{
	ZdmFacts   *facts;
	Oid			relid;
	char		relkind;
	bool		recurse;		/* ALTER TABLE, not ALTER TABLE ONLY */
	LOCKMODE	mode;			/* of the statement */
	List	   *serials;		/* names of new columns of type serial */
} AlterState;

static bool
is_serial(const ColumnDef *def)
{
	static const char *const names[] = {"smallserial", "serial2", "serial", "serial4", "bigserial", "serial8"};

	if (def->typeName == NULL || list_length(def->typeName->names) != 1)
		return false;
	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(strVal(linitial(def->typeName->names)), names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Before parse analysis, which replaces them: which columns are serial.  A
 * column that is there and may be is left out.  Errors with DUPLICATE_COLUMN.
 */
static void
look_at_new_columns(AlterState *state, AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		ColumnDef  *def;

		if (cmd->subtype != AT_AddColumn)
			continue;
		def = castNode(ColumnDef, cmd->def);
		if (get_attnum(state->relid, def->colname) == InvalidAttrNumber)
		{
			if (is_serial(def))
				state->serials = lappend(state->serials, makeString(pstrdup(def->colname)));
			continue;
		}
		if (!cmd->missing_ok)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" already exists",
							def->colname, get_rel_name(state->relid)),
					 errhint("Add IF NOT EXISTS, or choose another name.")));
		stmt->cmds = foreach_delete_current(stmt->cmds, lc);
	}
}

/* An identity column's sequence changes with it. */
static void
lock_sequences(AlterState *state, const List *before)
{
	ListCell   *lc;

	foreach(lc, before)
	{
		Oid			seqid;

		if (!IsA(lfirst(lc), AlterSeqStmt))
			continue;
		seqid = zdm_facts_lookup(((AlterSeqStmt *) lfirst(lc))->sequence, true);
		if (OidIsValid(seqid))
			zdm_explain_sequence(state->facts, seqid, (AlterSeqStmt *) lfirst(lc));
	}
}

/* Does this subcommand take the statement's lock on what is below, too? */
static bool
recurses(const AlterTableCmd *cmd, char relkind)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
		case AT_ColumnDefault:
		case AT_DropNotNull:
		case AT_SetNotNull:
		case AT_DropExpression:
		case AT_SetStatistics:
		case AT_SetStorage:
		case AT_DropColumn:
		case AT_AlterColumnType:
		case AT_DropConstraint:
			return true;
		case AT_AddConstraint:
		case AT_AddIndex:
		case AT_AddIndexConstraint:
			return ZDM_ADD_CONSTRAINT_RECURSES;
		case AT_AlterConstraint:
		case AT_EnableTrig:
		case AT_EnableAlwaysTrig:
		case AT_EnableReplicaTrig:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
		case AT_DisableTrig:
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			return relkind == RELKIND_PARTITIONED_TABLE;
		case AT_AddIdentity:
		case AT_SetIdentity:
		case AT_DropIdentity:
			return ZDM_IDENTITY_RECURSES && relkind == RELKIND_PARTITIONED_TABLE;
		default:
			return zdm_compat_is_set_expression(cmd);
	}
}

static void
set_persistence(AlterState *state, char wanted)
{
	ListCell   *lc;

	if (state->relkind == RELKIND_PARTITIONED_TABLE && ZDM_PARTITIONED_PERSISTENCE_IS_REFUSED)
		zdm_facts_fails(state->facts, state->relid,
						"Fails: a partitioned table has no rows of its own. Change its partitions, each through zdm.execute_ddl().");
	if (!zdm_facts_has_storage(state->relid) || get_rel_persistence(state->relid) == wanted)
		return;
	zdm_facts_rewrite_with_indexes(state->facts, state->relid,
								   "Copies the table under ACCESS EXCLUSIVE. There is no online form: make a new table, fill it with zdm.start_backfill() or triggers, and rename.");
	foreach(lc, zdm_facts_sequences(state->relid, 0))
	{
		zdm_facts_lock(state->facts, lfirst_oid(lc), AccessExclusiveLock);
		zdm_facts_replace(state->facts, lfirst_oid(lc));
	}
}

static void
set_tablespace(AlterState *state, const char *name)
{
	Oid			wanted = get_tablespace_oid(name, false);
	Relation	rel = relation_open(state->relid, AccessShareLock);
	Oid			there = rel->rd_rel->reltablespace;

	relation_close(rel, NoLock);
	if ((OidIsValid(there) ? there : MyDatabaseTableSpace) == wanted ||
		!zdm_facts_has_storage(state->relid))
		return;
	zdm_facts_copy(state->facts, state->relid,
				   state->relkind == RELKIND_INDEX ?
				   "Copies the index under ACCESS EXCLUSIVE. Use REINDEX (TABLESPACE ..., CONCURRENTLY) instead." :
				   "Copies the table under ACCESS EXCLUSIVE. There is no online form: fill a new table in that tablespace, and rename.");
}

static void
set_access_method(AlterState *state, const char *name)
{
	Relation	rel = relation_open(state->relid, AccessShareLock);
	Oid			there = rel->rd_rel->relam;

	relation_close(rel, NoLock);
	if (name == NULL || !zdm_facts_has_storage(state->relid) || get_am_oid(name, false) == there)
		return;
	zdm_facts_rewrite_with_indexes(state->facts, state->relid,
								   "Copies the table under ACCESS EXCLUSIVE. There is no online form: fill a new table, and rename.");
}

static void
change_owner(AlterState *state, const AlterTableCmd *cmd)
{
	if (get_rolespec_oid(cmd->newowner, false) == zdm_facts_owner(state->relid))
		return;
	zdm_facts_lock_indexes(state->facts, state->relid, AccessExclusiveLock);
	zdm_facts_lock_list(state->facts, zdm_facts_sequences(state->relid, 0), AccessExclusiveLock);
}

static void
cluster_on(AlterState *state, const char *name)
{
	Oid			indexid = get_relname_relid(name, get_rel_namespace(state->relid));

	if (OidIsValid(indexid))
		zdm_facts_lock(state->facts, indexid, state->mode);
	if (state->facts->alone)
		zdm_facts_require_cluster_index(state->facts, state->relid, name);
}

/* INHERIT */
static Oid
parent_of(const AlterTableCmd *cmd)
{
	Oid			parentid = zdm_facts_lookup((RangeVar *) cmd->def, false);

	zdm_facts_require(parentid, ZDM_RIGHT_OWNER);
	return parentid;
}

/* Subcommands that concern the table as a whole. */
static void
table_level(AlterState *state, AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_SetLogged:
			set_persistence(state, RELPERSISTENCE_PERMANENT);
			break;
		case AT_SetUnLogged:
			set_persistence(state, RELPERSISTENCE_UNLOGGED);
			break;
		case AT_SetAccessMethod:
			set_access_method(state, cmd->name);
			break;
		case AT_SetTableSpace:
			set_tablespace(state, cmd->name);
			break;
		case AT_ChangeOwner:
			change_owner(state, cmd);
			break;
		case AT_DropIdentity:
			zdm_facts_lock_list(state->facts,
								zdm_facts_sequences(state->relid, get_attnum(state->relid, cmd->name)),
								AccessExclusiveLock);
			break;
		case AT_ClusterOn:
			cluster_on(state, cmd->name);
			break;
		case AT_ReplicaIdentity:
			zdm_explain_replica_identity(state->facts, state->relid, (ReplicaIdentityStmt *) cmd->def);
			break;
		case AT_SetRelOptions:
			zdm_explain_set_options(state->facts, state->relid, (List *) cmd->def);
			break;
		case AT_ColumnDefault:
			zdm_explain_column_default(state->facts, state->relid, cmd);
			break;
		case AT_AddInherit:
			zdm_facts_lock(state->facts, parent_of(cmd), ShareUpdateExclusiveLock);
			break;
		case AT_AttachPartition:
			zdm_explain_attach(state->facts, state->relid, (PartitionCmd *) cmd->def);
			break;
		case AT_DetachPartition:
		case AT_DetachPartitionFinalize:
			zdm_explain_detach(state->facts, state->relid, (PartitionCmd *) cmd->def);
			break;
		default:
			zdm_facts_require_trigger_or_rule(state->relid, cmd);
			break;
	}
}

static void
subcommand(AlterState *state, AlterTableCmd *cmd)
{
	ZdmFacts   *facts = state->facts;
	bool		down = state->recurse && recurses(cmd, state->relkind);
	List	   *tree = zdm_facts_tree(state->relid, down);

	zdm_facts_lock_list(facts, tree, state->mode);
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			zdm_explain_add_column(facts, state->relid, tree, castNode(ColumnDef, cmd->def),
								   list_member(state->serials, makeString(((ColumnDef *) cmd->def)->colname)));
			break;
		case AT_SetNotNull:
			zdm_explain_set_not_null(facts, state->relid, tree, cmd->name);
			break;
		case AT_DropNotNull:
			zdm_explain_drop_not_null(facts, tree, cmd->name);
			break;
		case AT_DropColumn:
			zdm_explain_drop_column(facts, state->relid, tree, cmd);
			break;
		case AT_AlterColumnType:
			zdm_explain_alter_type(facts, state->relid, tree, cmd);
			break;
		case AT_AddConstraint:
			zdm_explain_add_constraint(facts, state->relid, state->recurse, castNode(Constraint, cmd->def));
			break;
		case AT_AddIndex:
			zdm_explain_add_index(facts, state->relid, castNode(IndexStmt, cmd->def));
			break;
		case AT_AddIndexConstraint:
			zdm_explain_use_index(facts, state->relid, castNode(IndexStmt, cmd->def));
			break;
		case AT_DropConstraint:
			zdm_explain_drop_constraint(facts, state->relid, state->recurse, cmd);
			break;
		case AT_AlterConstraint:
			zdm_explain_alter_constraint(facts, state->relid, cmd);
			break;
		case AT_DropExpression:
			zdm_explain_drop_expression(facts, state->relid, cmd->name);
			break;
		case AT_ValidateConstraint:
			zdm_explain_validate_constraint(facts, state->relid, state->recurse, cmd->name);
			break;
		default:
			if (zdm_compat_is_set_expression(cmd))
				zdm_explain_set_expression(facts, state->relid, tree, cmd->name);
			else
				table_level(state, cmd);
			break;
	}
}

/* Column names that a subcommand must find; the error is that of ALTER TABLE. */
static void
check_column(const ZdmFacts *facts, Oid relid, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_ColumnDefault:
		case AT_DropNotNull:
		case AT_SetNotNull:
		case AT_DropExpression:
		case AT_SetOptions:
		case AT_ResetOptions:
		case AT_SetStorage:
		case AT_SetCompression:
		case AT_AddIdentity:
		case AT_SetIdentity:
		case AT_DropIdentity:
			break;
		default:
			return;
	}
	if (cmd->name)
		zdm_facts_require_column(facts, relid, cmd->name);
}

static void
check_columns(ZdmFacts *facts, Oid relid, const List *cmds)
{
	ListCell   *lc;

	foreach(lc, cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AddColumn)
			facts->new_columns = lappend(facts->new_columns,
										 makeString(pstrdup(((ColumnDef *) cmd->def)->colname)));
		if (cmd->subtype == AT_DropConstraint || cmd->subtype == AT_DropColumn)
			facts->frees_names = true;
	}
	foreach(lc, cmds)
		check_column(facts, relid, lfirst_node(AlterTableCmd, lc));
}

static void
alter_table(AlterState *state, AlterTableStmt *stmt)
{
	List	   *before = NIL;
	List	   *after = NIL;
	ListCell   *lc;

	check_columns(state->facts, state->relid, stmt->cmds);
	look_at_new_columns(state, stmt);
	zdm_facts_lock(state->facts, state->relid, state->mode);
	stmt = transformAlterTableStmt(state->relid, stmt, state->facts->sql, &before, &after);
	lock_sequences(state, before);

	/* what is said of a key counts more than what is said of its columns */
	foreach(lc, stmt->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_AddIndex)
			subcommand(state, lfirst_node(AlterTableCmd, lc));
	}
	foreach(lc, stmt->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype != AT_AddIndex)
			subcommand(state, lfirst_node(AlterTableCmd, lc));
	}
}

/* ALTER of a view, an index, a sequence: no columns to analyze. */
static void
alter_other_relation(AlterState *state, const AlterTableStmt *stmt)
{
	ListCell   *lc;

	zdm_facts_lock(state->facts, state->relid, state->mode);
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AttachPartition)
			zdm_explain_alter_index_attach(state->facts, state->relid, (PartitionCmd *) cmd->def);
		else
			table_level(state, cmd);
	}
}

/* ALTER TABLE, and ALTER INDEX, VIEW and the like with its subcommands. */
void
zdm_explain_alter_table(ZdmFacts *facts, AlterTableStmt *stmt)
{
	AlterState	state = {.facts = facts};

	state.relid = zdm_facts_lookup(stmt->relation, stmt->missing_ok);
	if (!OidIsValid(state.relid))
		return;
	zdm_facts_require(state.relid, ZDM_RIGHT_OWNER);
	state.relkind = get_rel_relkind(state.relid);
	state.recurse = stmt->relation->inh;
	state.mode = AlterTableGetLockLevel(stmt->cmds);
	facts->alone = list_length(stmt->cmds) == 1;
	if (stmt->objtype != OBJECT_TABLE)
		zdm_facts_check_kind(stmt->objtype, state.relkind, state.relid);
	if (state.relkind == RELKIND_COMPOSITE_TYPE)
		zdm_explain_composite(facts, state.relid);
	else if (state.relkind == RELKIND_RELATION || state.relkind == RELKIND_PARTITIONED_TABLE ||
			 state.relkind == RELKIND_FOREIGN_TABLE)
		alter_table(&state, copyObject(stmt));
	else
		alter_other_relation(&state, stmt);
}
