/*
 * guard.c
 *	  The guard of a scan by pages: a trigger that records which pages rows move
 *	  to, while the scan lasts.
 *
 * It records, and never rejects; it fires for every role and for replication,
 * too (ENABLE ALWAYS), and costs a comparison when the new version of the row
 * is on the page of the old one.  It is an internal trigger: pg_dump leaves it
 * out, and neither a restore nor a new partition gets a copy.
 *
 * Installing takes SHARE ROW EXCLUSIVE, which waits for writers to end and so is
 * the fence between those who did not record and those who do; removing takes
 * ACCESS EXCLUSIVE.  Nobody is stalled for either: both follow the lock policy
 * of ddl/.
 *
 * A run that ends for good removes all guards of its job, wherever they are: a
 * worker may have died between the mark of a table and the removal of its guard.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "constraint/guard.h"
#include "core/catalog.h"
#include "ddl/lock.h"
#include "job/job.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(zdm_guard_moved_row);

/* ---- the trigger ---- */

/* What was recorded last in this subtransaction: rows tend to move together. */
static struct
{
	FullTransactionId xid;
	SubTransactionId subxid;
	int64		job_id;
	Oid			leaf;
	BlockNumber block;
}			last_noted;

static bool
was_noted_last(int64 job_id, Oid leaf, BlockNumber block)
{
	FullTransactionId xid = GetTopFullTransactionId();
	SubTransactionId subxid = GetCurrentSubTransactionId();

	if (FullTransactionIdEquals(last_noted.xid, xid) && last_noted.subxid == subxid &&
		last_noted.job_id == job_id && last_noted.leaf == leaf && last_noted.block == block)
		return true;
	last_noted.xid = xid;
	last_noted.subxid = subxid;
	last_noted.job_id = job_id;
	last_noted.leaf = leaf;
	last_noted.block = block;
	return false;
}

/*
 * Record a page of a table, in the current transaction, as whatever role.  The
 * table has no index, so this is one short record of WAL.
 */
void
zdm_guard_note_block(int64 job_id, Oid leaf, BlockNumber block)
{
	Relation	rel = table_open(zdm_own_relation("moved_block", false), RowExclusiveLock);
	Datum		values[3] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf), Int64GetDatum((int64) block)};
	bool		nulls[3] = {false, false, false};
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	simple_heap_insert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
}

/* AFTER UPDATE FOR EACH ROW; its argument is the job. */
Datum
zdm_guard_moved_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	BlockNumber block;
	int64		job_id;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) || !TRIGGER_FIRED_BY_UPDATE(data->tg_event) ||
		data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"zdm.guard_moved_row\" was not called by the guard of a validation")));

	block = ItemPointerGetBlockNumber(&data->tg_newtuple->t_self);
	if (block == ItemPointerGetBlockNumber(&data->tg_trigtuple->t_self))
		PG_RETURN_POINTER(NULL);
	job_id = pg_strtoint64(data->tg_trigger->tgargs[0]);
	if (!was_noted_last(job_id, RelationGetRelid(data->tg_relation), block))
		zdm_guard_note_block(job_id, RelationGetRelid(data->tg_relation), block);
	PG_RETURN_POINTER(NULL);
}

/* ---- finding it ---- */

typedef struct Guard
{
	Oid			oid;			/* invalid: there is none */
	char		enabled;
	char	   *version;
} Guard;

static Oid
guard_function(void)
{
	return zdm_own_function("guard_moved_row", 0, NULL);
}

/* Internal triggers get their OID behind the name. */
static char *
guard_name(int64 job_id)
{
	return psprintf("zdm_guard_" INT64_FORMAT, job_id);
}

/* The guard of a job on a table. */
static Guard
find_guard(Oid leaf, int64 job_id)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	Oid			function = guard_function();
	char	   *prefix = psprintf("%s_", guard_name(job_id));
	Guard		guard = {0};
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(leaf));
	scan = systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (trigger->tgfoid != function)
			continue;
		if (strncmp(NameStr(trigger->tgname), prefix, strlen(prefix)) != 0)
			continue;
		guard.oid = trigger->oid;
		guard.enabled = trigger->tgenabled;
		guard.version = psprintf("guard %u%c:%u", trigger->oid, trigger->tgenabled,
								 HeapTupleHeaderGetRawXmin(tuple->t_data));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return guard;
}

/*
 * Which guard the job has at work on the table: another text when it was
 * dropped or disabled and made again meanwhile; NULL when there is none.  In a
 * transaction.
 */
char *
zdm_guard_version(int64 job_id, Oid leaf)
{
	Guard		guard = find_guard(leaf, job_id);

	return OidIsValid(guard.oid) && guard.enabled == TRIGGER_FIRES_ALWAYS ? guard.version : NULL;
}

/* ---- installing and removing ---- */

static void
drop_trigger(Oid oid)
{
	ObjectAddress object = {.classId = TriggerRelationId,.objectId = oid};

	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

static void
create_trigger(Oid leaf, int64 job_id)
{
	CreateTrigStmt *stmt = makeNode(CreateTrigStmt);

	stmt->trigname = guard_name(job_id);
	stmt->relation = makeRangeVar(get_namespace_name(get_rel_namespace(leaf)), get_rel_name(leaf), -1);
	stmt->funcname = list_make2(makeString("zdm"), makeString("guard_moved_row"));
	stmt->args = list_make1(makeString(psprintf(INT64_FORMAT, job_id)));
	stmt->row = true;
	stmt->timing = TRIGGER_TYPE_AFTER;
	stmt->events = TRIGGER_TYPE_UPDATE;
	(void) CreateTriggerFiringOn(stmt, NULL, leaf, InvalidOid, InvalidOid, InvalidOid,
								 guard_function(), InvalidOid, NULL, true, false, TRIGGER_FIRES_ALWAYS);
	CommandCounterIncrement();
}

/* Those of one table, or of all (InvalidOid). */
static void
forget_moved_blocks(int64 job_id, Oid leaf)
{
	ZdmCatalogScope scope;
	Oid			argtypes[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf)};

	zdm_catalog_begin(&scope);
	(void) zdm_catalog_execute("DELETE FROM zdm.moved_block WHERE job_id = $1 AND (leaf = $2 OR $2 = 0)",
							   2, argtypes, values, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/*
 * With the table locked.  What was recorded for an earlier scan is forgotten: it
 * was before the first chunk of this one.
 */
static ZdmVerdict
install_body(ZdmRun *run, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) run;
	Oid			leaf = v->cursor.leaf;
	int64		job_id = run->job->id;
	Guard		guard;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(leaf)))
		return ZDM_GONE;
	guard = find_guard(leaf, job_id);
	if (OidIsValid(guard.oid) && guard.enabled != TRIGGER_FIRES_ALWAYS)
	{
		if (!ConditionalLockRelationOid(leaf, AccessExclusiveLock))
			return ZDM_BUSY;
		drop_trigger(guard.oid);
		guard.oid = InvalidOid;
	}
	zdm_job_set_cleanup(job_id, true);
	if (!OidIsValid(guard.oid))
		create_trigger(leaf, job_id);
	if (v->cursor.fresh)
		forget_moved_blocks(job_id, leaf);
	return ZDM_DONE;
}

/*
 * Outside of any transaction: have the guard on v->cursor.leaf.  False when
 * the run has ended.
 */
bool
zdm_guard_install(ZdmValidation *v)
{
	ZdmLockOptions options = {.stall_ms = -1,.deadline_ms = 0};
	ZdmError   *error;
	ZdmVerdict	verdict;

	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(v->base.run_mcxt);
		List	   *targets = list_make1(zdm_lock_target(v->cursor.leaf, ShareRowExclusiveLock));

		MemoryContextSwitchTo(old);
		verdict = zdm_ddl_locked_with(&v->base, &options, targets, install_body, NULL, &error);
		if (verdict == ZDM_DONE || verdict == ZDM_GONE)
			return true;
		if (v->base.ended || !zdm_verdict_try_again(&v->base, v->cursor.leaf, verdict, error))
			return false;
	}
}

/* Tables with a guard of the job. */
typedef struct Search
{
	const ZdmRun *run;
	List	   *leaves;			/* in run_mcxt */
} Search;

static void
search_step(void *arg)
{
	Search	   *search = arg;
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	Oid			function = guard_function();
	char	   *prefix = psprintf("%s_", guard_name(search->run->job->id));
	HeapTuple	tuple;

	search->leaves = NIL;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		MemoryContext old;

		if (trigger->tgfoid != function ||
			strncmp(NameStr(trigger->tgname), prefix, strlen(prefix)) != 0)
			continue;
		old = MemoryContextSwitchTo(search->run->run_mcxt);
		search->leaves = lappend_oid(search->leaves, trigger->tgrelid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* With the table *arg locked: drop the guard.  Nothing else, as all others wait. */
static ZdmVerdict
remove_body(ZdmRun *run, void *arg)
{
	Guard		guard = find_guard(*(Oid *) arg, run->job->id);

	if (OidIsValid(guard.oid))
		drop_trigger(guard.oid);
	return ZDM_DONE;
}

/* Step, when no guard is left: nor are its records. */
static void
forget_step(void *arg)
{
	const ZdmJob *job = arg;

	forget_moved_blocks(job->id, InvalidOid);
	if (strcmp(job->kind, "validation") == 0)	/* others have more to clean
												 * up */
		zdm_job_set_cleanup(job->id, false);
}

static bool
remove_from(ZdmRun *run, Oid leaf)
{
	ZdmLockOptions options = {.stall_ms = 0,.deadline_ms = 0};
	MemoryContext old = MemoryContextSwitchTo(run->run_mcxt);
	List	   *targets = list_make1(zdm_lock_target(leaf, AccessExclusiveLock));
	ZdmError   *error;
	ZdmVerdict	verdict;

	MemoryContextSwitchTo(old);
	verdict = zdm_ddl_locked_with(run, &options, targets, remove_body, &leaf, &error);
	if (verdict != ZDM_DONE && !run->ended)
		zdm_run_end(run, ZDM_RUN_FAILED, error);
	return verdict == ZDM_DONE;
}

/*
 * Outside of any transaction: remove all guards of the job and what they have
 * recorded, as long as it takes to get the locks.  False when the run has
 * ended before: somebody has paused or cancelled the job, the process has to
 * leave, or by an error.  Then it is the business of the next run, or of
 * zdm_guard_clean_up().
 */
bool
zdm_guard_remove_all(ZdmRun *run)
{
	Search		search = {.run = run};
	ListCell   *lc;

	if (!zdm_run_bookkeep(run, search_step, &search))
		return false;
	foreach(lc, search.leaves)
	{
		if (!remove_from(run, lfirst_oid(lc)))
			return false;
	}
	return zdm_run_bookkeep(run, forget_step, unconstify(ZdmJob *, run->job));
}

/*
 * Remove what a validation that was cancelled, or whose worker died after the
 * mark, has left behind.  As clean_up() in kind.h.
 */
ZdmRunOutcome
zdm_guard_clean_up(const ZdmJob *job)
{
	ZdmRun		run = {0};

	zdm_run_init(&run, job, AllocSetContextCreate(TopMemoryContext, "zdm guard", ALLOCSET_DEFAULT_SIZES));
	zdm_txn_init();
	if (zdm_guard_remove_all(&run))
		zdm_run_end(&run, ZDM_RUN_DONE, NULL);
	return run.outcome;
}

/* ---- what it has recorded ---- */

/* A query's pages and number of records, as a list of int. */
static List *
list_blocks(const char *sql, int64 job_id, Oid leaf, int limit, int64 *records)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	Oid			argtypes[] = {INT8OID, OIDOID, INT4OID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf), Int32GetDatum(limit)};
	List	   *blocks = NIL;
	int			found;

	*records = 0;
	zdm_catalog_begin(&scope);
	found = zdm_catalog_execute(sql, 3, argtypes, values, NULL, SPI_OK_SELECT);
	for (int i = 0; i < found; i++)
	{
		bool		isnull;
		int64		block = DatumGetInt64(zdm_catalog_value(i, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		blocks = lappend_int(blocks, (int) (BlockNumber) block);
		*records += DatumGetInt64(zdm_catalog_value(i, 2, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return blocks;
}

/*
 * Take up to limit records of a job and table, deleting them in the current
 * transaction: their pages, each once, as a list of int.  *all says that no
 * record is left; a page may have any number of them.  Rows that a snapshot
 * taken afterwards sees elsewhere have other records.
 */
List *
zdm_guard_take_blocks(int64 job_id, Oid leaf, int limit, bool *all)
{
	int64		records;
	List	   *blocks = list_blocks("WITH taken AS (DELETE FROM zdm.moved_block WHERE ctid = ANY (ARRAY("
									 "SELECT ctid FROM zdm.moved_block WHERE job_id = $1 AND leaf = $2 LIMIT $3))"
									 " RETURNING block) SELECT block, count(*) FROM taken GROUP BY block ORDER BY block",
									 job_id, leaf, limit, &records);

	*all = records < limit;
	return blocks;
}

/*
 * The pages that are recorded, each once, as a list of int.  As many as limit:
 * there may be more.
 */
List *
zdm_guard_moved_blocks(int64 job_id, Oid leaf, int limit)
{
	int64		records;

	return list_blocks("SELECT block, count(*) FROM zdm.moved_block WHERE job_id = $1 AND leaf = $2"
					   " GROUP BY block LIMIT $3",
					   job_id, leaf, limit, &records);
}
