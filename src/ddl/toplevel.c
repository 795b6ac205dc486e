/*
 * toplevel.c
 *	  Statements that commit in their middle: CREATE, DROP and REINDEX ...
 *	  CONCURRENTLY, DETACH PARTITION ... CONCURRENTLY.
 *
 * They take locks that are in nobody's way and wait for old transactions as
 * long as it takes, without timer and lock_timeout.  Their work and the record
 * of it cannot be one transaction.  So the job is marked as started before,
 * and a worker that finds it so looks at what the last one has left: done, or
 * begun and in the way of a second try, or nothing.
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "core/identity.h"
#include "ddl/lock.h"
#include "ddl/run.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* What the catalogs say of the statement's object. */
typedef enum Leftover
{
	LEFT_NOTHING,				/* as if it had never run */
	LEFT_DONE,					/* as if it had run to its end */
	LEFT_INVALID_INDEX,			/* of a CREATE INDEX */
	LEFT_PENDING_DETACH			/* of a DETACH PARTITION */
} Leftover;

typedef struct Look
{
	Leftover	leftover;
	char	   *object;			/* quoted name, for a statement of ours */
} Look;

static bool
index_is_valid(Oid index)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		return false;
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	ReleaseSysCache(tuple);
	return valid;
}

static char *
quoted_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void
look_for_index(const IndexStmt *stmt, Look *look)
{
	Oid			table = RangeVarGetRelid(stmt->relation, NoLock, true);
	Oid			index;

	if (!OidIsValid(table))
		return;
	index = get_relname_relid(stmt->idxname, get_rel_namespace(table));
	if (!OidIsValid(index))
		return;
	/* what is in the way but no index of the table makes the statement fail */
	if (get_rel_relkind(index) != RELKIND_INDEX || IndexGetRelation(index, true) != table)
		return;
	look->leftover = index_is_valid(index) ? LEFT_DONE : LEFT_INVALID_INDEX;
	look->object = quoted_name(index);
}

static void
look_for_dropped(const DropStmt *stmt, Look *look)
{
	RangeVar   *rv = makeRangeVarFromNameList(linitial_node(List, stmt->objects));

	if (!OidIsValid(RangeVarGetRelid(rv, NoLock, true)))
		look->leftover = LEFT_DONE;
}

static void
look_for_detached(const AlterTableStmt *stmt, Look *look)
{
	const PartitionCmd *cmd = castNode(PartitionCmd, linitial_node(AlterTableCmd, stmt->cmds)->def);
	Oid			partition = RangeVarGetRelid(cmd->name, NoLock, true);

	if (OidIsValid(partition) && !get_rel_relispartition(partition))
		look->leftover = LEFT_DONE;
	else if (OidIsValid(partition) && PartitionHasPendingDetach(partition))
	{
		look->leftover = LEFT_PENDING_DETACH;
		look->object = psprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE",
								quoted_name(RangeVarGetRelid(stmt->relation, NoLock, false)),
								quoted_name(partition));
	}
}

/* Body: what is there of the statement's work. */
static ZdmVerdict
look_body(ZdmRun *base, void *arg)
{
	ZdmDdlRun  *run = (ZdmDdlRun *) base;
	Look	   *look = arg;
	MemoryContext old = MemoryContextSwitchTo(base->run_mcxt);
	Node	   *tree = run->statement->tree;

	look->leftover = LEFT_NOTHING;
	look->object = NULL;
	if (IsA(tree, IndexStmt))
		look_for_index((IndexStmt *) tree, look);
	else if (IsA(tree, DropStmt))
		look_for_dropped((DropStmt *) tree, look);
	else if (IsA(tree, AlterTableStmt))
		look_for_detached((AlterTableStmt *) tree, look);
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	zdm_ddl_execute_toplevel(arg);
	return ZDM_DONE;
}

/* Run body until it succeeds.  False when the run has ended. */
static bool
do_body(ZdmDdlRun *run, ZdmTxnBody body, void *arg)
{
	ZdmError   *error;
	ZdmVerdict	verdict;

	while ((verdict = zdm_txn(&run->base, 0, body, arg, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_ROW_ERROR || verdict == ZDM_FAILED)
			zdm_ddl_fail(run, error);
		else
			(void) zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error);
		if (run->base.ended)
			return false;
	}
	return true;
}

/* Settings of transactions that the statement begins by itself. */
static void
set_session_settings(void)
{
	(void) zdm_try_session_setting("lock_timeout", "0");
	(void) zdm_try_session_setting("deadlock_timeout", "1s");
	(void) zdm_try_session_setting("synchronous_commit", "local");
}

/*
 * Execute sql at top level.  False: the run has ended, or *error says why not;
 * then what is left can be looked at.
 */
static bool
execute(ZdmDdlRun *run, char *sql, ZdmVerdict *verdict, ZdmError **error)
{
	set_session_settings();
	*verdict = zdm_txn(&run->base, 0, execute_body, sql, error);
	zdm_identity_leave();
	return *verdict == ZDM_DONE;
}

static ZdmVerdict
finalize_body(ZdmRun *base, void *arg)
{
	zdm_ddl_execute(arg);
	return ZDM_DONE;
}

/* The last part of a DETACH takes a strong lock: by the policy. */
static bool
finalize_detach(ZdmDdlRun *run, char *sql)
{
	ZdmLockOptions options = {.stall_ms = -1,.deadline_ms = run->spec->deadline_ms};
	ZdmError   *error = NULL;
	ZdmVerdict	verdict;

	MemoryContextSwitchTo(run->base.run_mcxt);
	run->statement = zdm_statement_parse(sql);
	if (!zdm_ddl_find_targets(run))
		return false;
	verdict = zdm_ddl_locked_with(&run->base, &options, run->targets, finalize_body, sql, &error);
	if (verdict == ZDM_DONE)
		return true;
	if (!run->base.ended)
		zdm_ddl_fail(run, error);
	return false;
}

static void
finish(ZdmDdlRun *run)
{
	if (zdm_ddl_set_phase(run, ZDM_DDL_EXECUTED))
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
}

/* End the run with what has become of an execution. */
static void
end_unsuccessful(ZdmDdlRun *run, ZdmVerdict verdict, ZdmError *error)
{
	if (verdict == ZDM_STOP || verdict == ZDM_CANCELLED)
		(void) zdm_verdict_try_again(&run->base, InvalidOid, verdict, error);
	else if (!run->base.ended)
		zdm_ddl_fail(run, error);
}

/*
 * Take away what an interrupted or failed execution has left.  True: nothing
 * is in the way any more, and the job is as before its start.  False: the
 * statement's work is done after all, or the run has ended.
 */
static bool
clear_leftover(ZdmDdlRun *run)
{
	ZdmError   *error;
	ZdmVerdict	verdict;
	Look		look;

	if (!do_body(run, look_body, &look))
		return false;
	switch (look.leftover)
	{
		case LEFT_NOTHING:
			break;
		case LEFT_DONE:
			finish(run);
			return false;
		case LEFT_INVALID_INDEX:
			if (!execute(run, psprintf("DROP INDEX CONCURRENTLY %s", look.object), &verdict, &error))
			{
				end_unsuccessful(run, verdict, error);
				return false;
			}
			break;
		case LEFT_PENDING_DETACH:
			if (finalize_detach(run, look.object))
				finish(run);
			return false;
	}
	return zdm_ddl_set_phase(run, ZDM_DDL_WAITING);
}

/*
 * Mark the job as started, if there is nothing yet that could be taken for
 * its work later.  Where there is, the statement itself fails or has nothing
 * to do.
 */
static bool
mark_started(ZdmDdlRun *run)
{
	Look		look;

	if (!do_body(run, look_body, &look))
		return false;
	return look.leftover != LEFT_NOTHING || zdm_ddl_set_phase(run, ZDM_DDL_STARTED);
}

/* A name taken meanwhile by somebody else is no leftover of ours. */
static void
clean_up_after_error(ZdmDdlRun *run, ZdmVerdict verdict, ZdmError *error)
{
	if (run->spec->phase == ZDM_DDL_STARTED && verdict != ZDM_STOP && verdict != ZDM_CANCELLED)
	{
		if (error->sqlerrcode == ERRCODE_DUPLICATE_TABLE)
			(void) zdm_ddl_set_phase(run, ZDM_DDL_WAITING);
		else if (!clear_leftover(run))
			return;
	}
	if (!run->base.ended)
		end_unsuccessful(run, verdict, error);
}

/*
 * Execute a statement that commits in its middle, or go on where a worker
 * before was interrupted.  Sets the run's end.
 */
void
zdm_ddl_run_toplevel(ZdmDdlRun *run)
{
	ZdmError   *error;
	ZdmVerdict	verdict;

	if (run->spec->phase == ZDM_DDL_STARTED && !clear_leftover(run))
		return;
	/* rights and names, which some statements look at only after locking */
	if (!zdm_ddl_find_targets(run) || !mark_started(run))
		return;
	if (execute(run, run->spec->statement, &verdict, &error))
		finish(run);
	else
		clean_up_after_error(run, verdict, error);
}

/* After a cancel: deal with what an interrupted execution has left. */
void
zdm_ddl_clean_up_toplevel(ZdmDdlRun *run)
{
	(void) clear_leftover(run);
}
