/*
 * toplevel.c
 *	  Statements that commit in their middle: CREATE, DROP and REINDEX ...
 *	  CONCURRENTLY, DETACH PARTITION ... CONCURRENTLY.
 *
 * They take locks that are in nobody's way and wait for old transactions as
 * long as it takes, without timer.  Their work and the record of it cannot be
 * one transaction.  So the job is marked as started before, together with the
 * OIDs of what the statement is about; those of indexes that it makes are
 * added in the transaction that makes them.  A worker that finds it started
 * looks at what has become of them; names are no evidence.
 *
 * Only DETACH takes a strong lock at its end, without looking.  When it would
 * have to queue for that, it is interrupted, and the rest is done by the lock
 * policy.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "core/identity.h"
#include "core/settings.h"
#include "ddl/lock.h"
#include "ddl/made.h"
#include "ddl/run.h"
#include "ddl/toplevel.h"
#include "ddl/watch.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* What the catalogs say of the statement's objects. */
typedef enum Leftover
{
	LEFT_NOTHING,				/* as if it had never run */
	LEFT_DONE,					/* as if it had run to its end */
	LEFT_INVALID_INDEXES,		/* to be dropped before another try */
	LEFT_HALF_DROPPED,			/* an index, by DROP INDEX: no way back */
	LEFT_PENDING_DETACH			/* of a DETACH PARTITION: no way back */
} Leftover;

typedef struct Look
{
	List	   *objects;		/* OIDs that the job knows of */
	Leftover	leftover;
	List	   *statements;		/* that deal with it */
} Look;

/* ---------- what the statement is about ---------- */

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

static bool
index_is_unfinished(Oid index)
{
	return SearchSysCacheExists1(INDEXRELID, ObjectIdGetDatum(index)) && !index_is_valid(index);
}

/* The indexes of a table's TOAST table. */
static List *
toast_indexes(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	Oid			toastid = rel ? rel->rd_rel->reltoastrelid : InvalidOid;
	List	   *result = NIL;

	if (rel)
		relation_close(rel, AccessShareLock);
	rel = OidIsValid(toastid) ? try_relation_open(toastid, AccessShareLock) : NULL;
	if (rel)
	{
		result = RelationGetIndexList(rel);
		relation_close(rel, AccessShareLock);
	}
	return result;
}

/*
 * The valid ones among those that a REINDEX makes anew, on all its tables; and
 * perhaps some that it leaves alone, which is no harm.
 */
static List *
objects_of_reindex(const ZdmDdlRun *run)
{
	List	   *indexes = NIL;
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, run->targets)
	{
		Oid			relid = ((ZdmLockTarget *) lfirst(lc))->relid;

		if (get_rel_relkind(relid) == RELKIND_INDEX)
			indexes = lappend_oid(indexes, relid);
		else
			indexes = list_concat(indexes, toast_indexes(relid));
	}
	foreach(lc, indexes)
	{
		if (index_is_valid(lfirst_oid(lc)))
			result = lappend_oid(result, lfirst_oid(lc));
	}
	return result;
}

static const PartitionCmd *
detach_command(const AlterTableStmt *stmt)
{
	return castNode(PartitionCmd, linitial_node(AlterTableCmd, stmt->cmds)->def);
}

/* Body: OIDs of what the statement will drop, detach, or replace, to *arg. */
static ZdmVerdict
objects_body(ZdmRun *base, void *arg)
{
	ZdmDdlRun  *run = (ZdmDdlRun *) base;
	List	  **objects = arg;
	MemoryContext old = MemoryContextSwitchTo(base->run_mcxt);
	Node	   *tree = run->statement->tree;
	const RangeVar *rv = NULL;

	*objects = NIL;
	if (IsA(tree, ReindexStmt))
		*objects = objects_of_reindex(run);
	else if (IsA(tree, DropStmt))
		rv = makeRangeVarFromNameList(linitial_node(List, ((DropStmt *) tree)->objects));
	else if (IsA(tree, AlterTableStmt))
		rv = detach_command((AlterTableStmt *) tree)->name;
	if (rv)
	{
		Oid			relid = RangeVarGetRelid(rv, NoLock, true);

		if (OidIsValid(relid))
			*objects = list_make1_oid(relid);
	}
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

/* ---------- what has become of it ---------- */

static char *
quoted_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void
look_for_unfinished(Look *look, Leftover leftover)
{
	ListCell   *lc;

	foreach(lc, look->objects)
	{
		if (!index_is_unfinished(lfirst_oid(lc)))
			continue;
		look->leftover = leftover;
		look->statements = lappend(look->statements,
								   psprintf("DROP INDEX CONCURRENTLY %s", quoted_name(lfirst_oid(lc))));
	}
}

static void
look_for_made(Look *look)
{
	look_for_unfinished(look, LEFT_INVALID_INDEXES);
	if (look->objects != NIL && index_is_valid(llast_oid(look->objects)))
		look->leftover = LEFT_DONE;
}

static void
look_for_dropped(Look *look)
{
	look_for_unfinished(look, LEFT_HALF_DROPPED);
	if (look->objects != NIL && get_rel_relkind(linitial_oid(look->objects)) == '\0')
		look->leftover = LEFT_DONE;
}

static void
look_for_detached(const AlterTableStmt *stmt, Look *look)
{
	Oid			partition = look->objects == NIL ? InvalidOid : linitial_oid(look->objects);
	Oid			parent = RangeVarGetRelid(stmt->relation, NoLock, true);

	if (get_rel_relkind(partition) == '\0')
		return;
	if (!get_rel_relispartition(partition))
		look->leftover = LEFT_DONE;
	else if (OidIsValid(parent) && PartitionHasPendingDetach(partition))
	{
		look->leftover = LEFT_PENDING_DETACH;
		look->statements = list_make1(psprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE",
											   quoted_name(parent), quoted_name(partition)));
	}
}

/* Body: what is there of the work of a statement that was started. */
static ZdmVerdict
look_body(ZdmRun *base, void *arg)
{
	ZdmDdlRun  *run = (ZdmDdlRun *) base;
	Look	   *look = arg;
	MemoryContext old = MemoryContextSwitchTo(base->run_mcxt);
	Node	   *tree = run->statement->tree;

	look->objects = zdm_ddl_spec_objects(base->job->id);
	look->leftover = LEFT_NOTHING;
	look->statements = NIL;
	if (IsA(tree, IndexStmt))
		look_for_made(look);
	else if (IsA(tree, ReindexStmt))
		look_for_unfinished(look, LEFT_INVALID_INDEXES);
	else if (IsA(tree, DropStmt))
		look_for_dropped(look);
	else if (IsA(tree, AlterTableStmt))
		look_for_detached((AlterTableStmt *) tree, look);
	MemoryContextSwitchTo(old);
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

/* ---------- executing ---------- */

/* Called for each index that the statement makes. */
static void
remember_index(Oid index, void *arg)
{
	zdm_ddl_spec_add_object(((ZdmRun *) arg)->job->id, index);
}

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	zdm_ddl_execute_toplevel(arg);
	return ZDM_DONE;
}

/* Settings of transactions that the statement begins by itself. */
static void
set_session_settings(void)
{
	(void) zdm_try_session_setting("lock_timeout", "0");
	(void) zdm_try_session_setting("deadlock_timeout", "1s");
	(void) zdm_try_session_setting("synchronous_commit", "local");
}

/* Execute sql at top level, once. */
static ZdmVerdict
execute(ZdmDdlRun *run, char *sql, ZdmError **error)
{
	ZdmVerdict	verdict;

	set_session_settings();
	zdm_made_watch(remember_index, &run->base);
	zdm_watch_begin(zdm_lock_timeout);
	verdict = zdm_txn(&run->base, 0, execute_body, sql, error);
	if (zdm_watch_end() && verdict == ZDM_CANCELLED)
		verdict = ZDM_ROWS_LOCKED;
	zdm_made_end();
	zdm_identity_leave();
	return verdict;
}

static ZdmVerdict
finalize_body(ZdmRun *base, void *arg)
{
	zdm_ddl_execute(arg);
	return ZDM_DONE;
}

/* The last part of a DETACH takes a strong lock: by the policy, as long as it takes. */
static bool
finalize_detach(ZdmDdlRun *run, char *sql)
{
	MemoryContextSwitchTo(run->base.run_mcxt);
	run->statement = zdm_statement_parse(sql);
	run->spec->deadline_ms = 0;
	return zdm_ddl_find_targets(run) &&
		zdm_ddl_do_locked(run, -1, run->targets, finalize_body, sql) == ZDM_DONE;
}

static void
finish(ZdmDdlRun *run)
{
	if (zdm_ddl_set_phase(run, ZDM_DDL_EXECUTED))
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
}

/* Is an unsuccessful execution to be tried again?  False: the run has ended. */
static bool
try_again(ZdmDdlRun *run, ZdmVerdict verdict, ZdmError *error)
{
	if (run->base.ended)
		return false;
	if (verdict == ZDM_ROW_ERROR || verdict == ZDM_FAILED)
	{
		zdm_ddl_fail(run, error);
		return false;
	}
	return zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error);
}

/* Drop indexes, each as often as it takes.  False when the run has ended. */
static bool
drop_indexes(ZdmDdlRun *run, List *statements)
{
	ListCell   *lc;

	foreach(lc, statements)
	{
		ZdmError   *error;
		ZdmVerdict	verdict;

		while ((verdict = execute(run, lfirst(lc), &error)) != ZDM_DONE)
		{
			/* somebody else has dropped it */
			if (verdict == ZDM_FAILED && error->sqlerrcode == ERRCODE_UNDEFINED_OBJECT)
				break;
			if (!try_again(run, verdict, error))
				return false;
		}
	}
	return true;
}

/*
 * Take away what an interrupted or failed execution has left; or finish it,
 * where that is all that can be done.  True: the job is as before its start.
 * False: the statement's work is done after all, or the run has ended.
 */
static bool
clear_leftover(ZdmDdlRun *run)
{
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
		case LEFT_INVALID_INDEXES:
			if (!drop_indexes(run, look.statements))
				return false;
			break;
		case LEFT_HALF_DROPPED:
			if (drop_indexes(run, look.statements))
				finish(run);
			return false;
		case LEFT_PENDING_DETACH:
			if (finalize_detach(run, linitial(look.statements)))
				finish(run);
			return false;
	}
	return zdm_ddl_set_phase(run, ZDM_DDL_WAITING);
}

/* ---------- the job ---------- */

/* What a statement locks in its first transaction: nothing strong. */
static List *
first_locks(const ZdmDdlRun *run)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, run->targets)
	{
		const ZdmLockTarget *target = lfirst(lc);

		result = lappend(result, zdm_lock_target(target->relid, Min(target->mode, ShareUpdateExclusiveLock)));
	}
	return result;
}

/* Wait for what would hold the statement up; then mark it as started. */
static bool
start(ZdmDdlRun *run)
{
	ZdmLockOptions options = {.deadline_ms = run->spec->deadline_ms,.since = run->spec->since};
	ZdmError   *error = NULL;
	List	   *objects;

	/* rights and names, which some statements look at only after locking */
	if (!zdm_ddl_find_targets(run))
		return false;
	MemoryContextSwitchTo(run->base.run_mcxt);
	if (zdm_ddl_wait_for_old(&run->base, &options, first_locks(run), &error) != ZDM_DONE)
	{
		if (!run->base.ended)
			zdm_ddl_fail(run, error);
		return false;
	}
	return do_body(run, objects_body, &objects) && zdm_ddl_set_started(run, objects);
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

	do
	{
		if (run->spec->phase == ZDM_DDL_STARTED && !clear_leftover(run))
			return;
		if (!start(run))
			return;
		verdict = execute(run, run->spec->statement, &error);
		if (verdict == ZDM_DONE)
		{
			finish(run);
			return;
		}

		/*
		 * nobody looks at what a stopped run has left before it goes on, or
		 * is cancelled
		 */
		if (verdict != ZDM_STOP && verdict != ZDM_CANCELLED && !clear_leftover(run))
			return;
	} while (try_again(run, verdict, error));
}

/* After a cancel: deal with what an interrupted execution has left. */
void
zdm_ddl_clean_up_toplevel(ZdmDdlRun *run)
{
	(void) clear_leftover(run);
}
