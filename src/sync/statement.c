/*
 * statement.c
 *	  Which statement a row trigger fires for: what the server does not tell
 *	  its triggers.
 *
 * A trigger hears "UPDATE" and a set of columns.  In a MERGE that set is the
 * union over all actions, so where these differ a column in it need not be one
 * that this row's action assigns to.  And it hears "INSERT" for a row that an UPDATE moves to
 * another partition.  Both are told apart by the innermost query that the
 * executor is at work on, for which ExecutorRun has a hook.
 *
 * A session that loads the library in the middle of a statement, as happens
 * without preload, has no such knowledge of that one; then the statement that
 * the client sent is looked at.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/partition.h"
#include "compat/executor.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "replication/logicalworker.h"
#include "sync/statement.h"
#include "tcop/pquery.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const QueryDesc *innermost = NULL;

/* the client's statement during which the library was loaded; 0: none */
static TimestampTz loaded_in = 0;

static ExecutorRun_hook_type prev_executor_run = NULL;

static void
executor_run(ZDM_EXECUTOR_RUN_PARAMS)
{
	const QueryDesc *outer = innermost;

	innermost = query;
	PG_TRY();
	{
		if (prev_executor_run)
			prev_executor_run(ZDM_EXECUTOR_RUN_ARGS);
		else
			standard_ExecutorRun(ZDM_EXECUTOR_RUN_ARGS);
	}
	PG_FINALLY();
	{
		innermost = outer;
	}
	PG_END_TRY();
}

/* Begin to watch. */
void
zdm_sync_statement_init(void)
{
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	if (!process_shared_preload_libraries_in_progress && IsTransactionState())
		loaded_in = GetCurrentStatementStartTimestamp();
}

/* Has the plan a part that does this? */
static bool
has_operation(const PlannedStmt *stmt, CmdType operation)
{
	ListCell   *lc;

	if (stmt->commandType == operation)
		return true;
	if (!stmt->hasModifyingCTE)
		return false;
	foreach(lc, stmt->subplans)
	{
		Plan	   *plan = lfirst(lc);

		if (plan != NULL && IsA(plan, ModifyTable) && ((ModifyTable *) plan)->operation == operation)
			return true;
	}
	return false;
}

/* Is it a MERGE whose actions that update assign to different columns? */
static bool
updates_differ(const Plan *plan)
{
	const MergeAction *first = NULL;
	ListCell   *lc;

	if (plan == NULL || !IsA(plan, ModifyTable) || ((const ModifyTable *) plan)->operation != CMD_MERGE)
		return false;
	/* one list for each table that is written, of the same actions */
	foreach(lc, (List *) linitial(((const ModifyTable *) plan)->mergeActionLists))
	{
		const MergeAction *action = lfirst_node(MergeAction, lc);

		if (action->commandType != CMD_UPDATE)
			continue;
		if (first && !equal(first->updateColnos, action->updateColnos))
			return true;
		first = action;
	}
	return false;
}

static bool
has_differing_updates(const PlannedStmt *stmt)
{
	ListCell   *lc;

	if (updates_differ(stmt->planTree))
		return true;
	foreach(lc, stmt->subplans)
	{
		if (updates_differ(lfirst(lc)))
			return true;
	}
	return false;
}

static bool
writes(const PlannedStmt *stmt, Oid table)
{
	ListCell   *lc;

	foreach(lc, stmt->resultRelations)
	{
		Oid			target = rt_fetch(lfirst_int(lc), stmt->rtable)->relid;

		if (target == table || (get_rel_relispartition(table) &&
								list_member_oid(get_partition_ancestors(table), target)))
			return true;
	}
	return false;
}

/*
 * What is executed, as far as it can be known.  NULL and *known: nothing by
 * the executor, but COPY or replication.
 */
static const PlannedStmt *
current_statement(Relation rel, bool *known)
{
	PlannedStmt *stmt;

	*known = true;
	if (innermost != NULL)
		return innermost->plannedstmt;
	if (loaded_in == 0 || loaded_in != GetCurrentStatementStartTimestamp() || IsLogicalWorker())
		return NULL;

	/* what the client sent, when it is plain that it is what writes rel */
	if (ActivePortal != NULL && list_length(ActivePortal->stmts) == 1)
	{
		stmt = linitial_node(PlannedStmt, ActivePortal->stmts);
		if (stmt->commandType == CMD_UTILITY)
			return NULL;
		if (writes(stmt, RelationGetRelid(rel)))
			return stmt;
	}
	*known = false;
	return NULL;
}

/*
 * For an UPDATE trigger of rel: are the columns that it is told those which
 * this row's statement assigns to?
 */
bool
zdm_sync_names_columns(Relation rel)
{
	bool		known;
	const PlannedStmt *stmt = current_statement(rel, &known);

	return known && (stmt == NULL || !has_differing_updates(stmt));
}

/*
 * For an INSERT trigger of rel: is the row one that an UPDATE moves here from
 * another partition?
 */
ZdmSyncMove
zdm_sync_moves_rows(Relation rel)
{
	bool		known;
	const PlannedStmt *stmt;

	if (!rel->rd_rel->relispartition)
		return ZDM_SYNC_MOVES_NO;
	stmt = current_statement(rel, &known);
	if (known && stmt != NULL && stmt->commandType == CMD_UPDATE && !stmt->hasModifyingCTE &&
		writes(stmt, RelationGetRelid(rel)))
		return ZDM_SYNC_MOVES;
	if (!known ||
		(stmt != NULL && (has_operation(stmt, CMD_UPDATE) || has_operation(stmt, CMD_MERGE))))
		return ZDM_SYNC_MOVES_PERHAPS;
	return ZDM_SYNC_MOVES_NO;
}

/* The innermost query that the executor is at work on; NULL when none is. */
const QueryDesc *
zdm_sync_query(void)
{
	return innermost;
}
