/*
 * steps.c
 *	  Steps of which jobs on indexes consist: a look at what is there, a
 *	  statement, a drop of an index.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "ddl/lock.h"
#include "index/definition.h"
#include "index/mark.h"
#include "index/run.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static ZdmVerdict
look_body(ZdmRun *base, void *arg)
{
	ZdmIndexRun *run = (ZdmIndexRun *) base;
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(base->job->target));
	MemoryContext old;
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return ZDM_GONE;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	run->is_partitioned = ((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_PARTITIONED_TABLE;
	ReleaseSysCache(tuple);
	if (owner != base->owner)
		return ZDM_OTHER_OWNER;

	MemoryContextReset(run->look_mcxt);
	old = MemoryContextSwitchTo(run->look_mcxt);
	run->parts = zdm_index_list_parts(base->job->id, run->spec->index_name);
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

/*
 * See what there is of the job's own indexes: run->parts.  False when the run
 * has ended, because the table is gone or has another owner.
 */
bool
zdm_index_look(ZdmIndexRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	run->parts = NIL;
	while ((verdict = zdm_txn(&run->base, 0, look_body, NULL, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_GONE && zdm_run_target_is_gone(&run->base))
			return false;
		if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
			return false;
	}
	return true;
}

/* The job's own index on that table, as of the last look; NULL when there is none. */
const ZdmIndexPart *
zdm_index_part_of(const ZdmIndexRun *run, Oid table)
{
	ListCell   *lc;

	foreach(lc, run->parts)
	{
		const ZdmIndexPart *part = lfirst(lc);

		if (part->table == table)
			return part;
	}
	return NULL;
}

typedef struct Phase
{
	ZdmIndexRun *run;
	const char *phase;
	Oid			leaf;
} Phase;

static void
say_phase_step(void *arg)
{
	Phase	   *phase = arg;

	zdm_index_set_phase(phase->run->base.job->id, phase->phase, phase->leaf,
						phase->run->leaves_done, phase->run->leaves_total);
}

/* Show in zdm.indexes what the job does now, on which table. */
void
zdm_index_say_phase(ZdmIndexRun *run, const char *phase, Oid leaf)
{
	Phase		what = {run, phase, leaf};

	(void) zdm_run_try_bookkeep(&run->base, say_phase_step, &what);
}

/* NULL when the index is gone. */
static char *
index_name(Oid index)
{
	char	   *name = get_rel_name(index);

	if (name == NULL)
		return NULL;
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(index)), name);
}

/*
 * What is dropped in an instant, with its table locked, is locked before it is
 * named; where that is concurrent, the hook sees to it (mark.c).
 */
static char *
drop_sql(const ZdmIndexStatement *statement)
{
	char	   *name;

	if (statement->targets)
		LockRelationOid(statement->drops, AccessExclusiveLock);
	name = index_name(statement->drops);
	return name ? psprintf("DROP INDEX %s%s", statement->targets ? "" : "CONCURRENTLY ", name) : NULL;
}

/* The index is locked before its name is looked at again by the hook (mark.c). */
static char *
reindex_sql(const ZdmIndexStatement *statement)
{
	char	   *name = index_name(statement->replaces);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the index was dropped"),
				 errhint("There is nothing left to do; zdm.cancel_job() ends the job.")));
	return psprintf("REINDEX INDEX CONCURRENTLY %s", name);
}

/* On the table that is meant, under the name that it has now. */
static void
execute_tree(const ZdmIndexStatement *statement, int64 job_id)
{
	IndexStmt  *tree = copyObject(unconstify(IndexStmt *, statement->tree));
	RangeVar   *relation;

	if (get_rel_name(statement->table) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the table was dropped"),
				 errhint("There is nothing left to do; zdm.cancel_job() ends the job.")));
	relation = zdm_index_range_var(statement->table);
	relation->inh = tree->relation->inh;
	tree->relation = relation;
	zdm_ddl_execute_tree_toplevel((const Node *) tree,
								  psprintf("zdm job " INT64_FORMAT ": create index on %s",
										   job_id, relation->relname));
}

/*
 * The lock that a concurrent statement begins with is waited for no longer than a batch
 * waits for a row, and again after a pause: nobody queues behind us.  The
 * waits that follow block nobody and have no limit.
 */
static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	const ZdmIndexStatement *statement = arg;
	const char *sql = statement->sql;

	if (statement->tree)
	{
		execute_tree(statement, base->job->id);
		return ZDM_DONE;
	}
	if (OidIsValid(statement->drops))
		sql = drop_sql(statement);
	else if (OidIsValid(statement->replaces))
		sql = reindex_sql(statement);
	if (sql)
		zdm_ddl_execute_toplevel(sql);
	if (sql && OidIsValid(statement->drops))
		((ZdmIndexRun *) base)->has_dropped = true;
	return ZDM_DONE;
}

/*
 * Execute a statement: a concurrent one once, one that is done in an instant
 * as often as it takes to get its locks without stalling anyone.  The run may
 * have ended then.
 */
ZdmVerdict
zdm_index_execute(ZdmIndexRun *run, const ZdmIndexStatement *statement, ZdmError **error)
{
	ZdmLockOptions options = {.stall_ms = -1,.deadline_ms = 0};
	void	   *arg = unconstify(ZdmIndexStatement *, statement);
	ZdmVerdict	verdict;

	*error = NULL;
	if (OidIsValid(statement->table))
		zdm_index_mark_created(run->base.job->id, run->spec->index_name, statement->table, statement->replaces,
							   statement->tree ? statement->tree->idxname : NULL);
	if (OidIsValid(statement->drops) && statement->targets == NIL)
		zdm_index_mark_dropped(statement->drops);
	if (statement->targets)
		verdict = zdm_ddl_locked_with(&run->base, &options, statement->targets, execute_body, arg, error);
	else
		verdict = zdm_txn(&run->base, 0, execute_body, arg, error);
	zdm_index_mark_end();
	if (verdict != ZDM_ROWS_LOCKED && OidIsValid(run->lock_wait.told_relid))
		zdm_lock_wait_over(&run->lock_wait);
	return verdict;
}

/* The lock that a concurrent statement begins with was not to be had. */
static void
tell_of_lock(ZdmIndexRun *run, Oid table, ZdmError *error)
{
	ZdmLockTarget target = {table, ShareUpdateExclusiveLock};

	zdm_lock_wait_note(&run->lock_wait, &target);
	error->message = (char *)
		zdm_run_ask(&run->base,
					"SELECT format('%s on table %s: %s %s it', l.mode, $1::regclass,"
					" CASE WHEN l.pid IS NULL THEN concat_ws(' ', 'prepared transaction',"
					"  (SELECT x.gid FROM pg_prepared_xacts x JOIN pg_locks t ON t.transactionid = x.transaction"
					"    WHERE t.pid IS NULL AND t.virtualtransaction = l.virtualtransaction LIMIT 1))"
					" ELSE format('process %s (%s)', l.pid, coalesce(nullif(a.application_name, ''), a.backend_type)) END,"
					" CASE WHEN l.granted THEN 'holds' ELSE 'waits for' END)"
					" FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
					" WHERE l.locktype = 'relation' AND l.relation = $1"
					" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
					" AND l.pid IS DISTINCT FROM pg_backend_pid()"
					" AND l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')"
					" ORDER BY l.granted DESC, l.waitstart LIMIT 1",
					table, error->message);
}

/*
 * After a statement that was rolled back: true when it is to be tried again,
 * after a wait; false when the run has ended.
 */
bool
zdm_index_try_again(ZdmIndexRun *run, Oid table, ZdmVerdict verdict, ZdmError *error)
{
	if (run->base.ended)
		return false;
	if (verdict == ZDM_ROWS_LOCKED)
		tell_of_lock(run, table, error);
	return zdm_verdict_try_again(&run->base, table, verdict, error);
}

typedef struct Existence
{
	Oid			relid;
	bool		exists;
} Existence;

static void
look_for_relation(void *arg)
{
	Existence  *existence = arg;

	existence->exists = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(existence->relid));
}

/* Is that relation there?  False when the run has ended. */
bool
zdm_index_exists(ZdmIndexRun *run, Oid relid, bool *exists)
{
	Existence	existence = {.relid = relid};
	bool		ok = zdm_run_bookkeep(&run->base, look_for_relation, &existence);

	*exists = existence.exists;
	return ok;
}

typedef struct DropTargets
{
	ZdmIndexRun *run;
	Oid			table;
	List	   *targets;
} DropTargets;

/* Step: the index of a partitioned table goes with those of its partitions. */
static void
list_drop_targets(void *arg)
{
	DropTargets *drop = arg;
	MemoryContext old = MemoryContextSwitchTo(drop->run->base.run_mcxt);
	ListCell   *lc;

	drop->targets = NIL;
	foreach(lc, find_all_inheritors(drop->table, NoLock, NULL))
		drop->targets = lappend(drop->targets, zdm_lock_target(lfirst_oid(lc), AccessExclusiveLock));
	MemoryContextSwitchTo(old);
}

/*
 * Drop an index of that table; nothing happens when it is gone.  at_once is
 * for the index of a partitioned table, which is nothing but a row in the
 * catalogs.  False when the run has ended before.
 */
bool
zdm_index_drop(ZdmIndexRun *run, Oid index, Oid table, bool at_once)
{
	ZdmIndexStatement statement = {.drops = index};
	DropTargets drop = {.run = run,.table = table};
	ZdmVerdict	verdict;
	ZdmError   *error;

	if (at_once && !zdm_run_bookkeep(&run->base, list_drop_targets, &drop))
		return false;
	statement.targets = drop.targets;
	while ((verdict = zdm_index_execute(run, &statement, &error)) != ZDM_DONE)
	{
		if (!zdm_index_try_again(run, table, verdict, error))
			return false;
	}
	zdm_run_progressed(&run->base);
	return true;
}
