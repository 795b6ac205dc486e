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
 * ACCESS EXCLUSIVE.  Nobody is stalled for either: installing follows the lock
 * policy of ddl/, removing polls and waits in the queue for fractions of a
 * second only.  (It cannot follow the policy, which is for running jobs.)
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
#include "core/bookkeeping.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "ddl/lock.h"
#include "job/job.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

/* an attempt to lock for removal: polls without waiting, then one short wait in the queue */
#define POLLS 20
#define POLL_MS 10

#define REMOVE_RETRY_MS 500
#define TELL_AFTER_TRIES 3

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

static void
forget_moved_blocks(int64 job_id, Oid leaf)
{
	ZdmCatalogScope scope;
	Oid			argtypes[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf)};

	zdm_catalog_begin(&scope);
	(void) zdm_catalog_execute("DELETE FROM zdm.moved_block WHERE job_id = $1 AND leaf = $2",
							   2, argtypes, values, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/* Poll for a lock, then wait for it as long as lock_timeout says. */
static void
lock_politely(Oid relid, LOCKMODE mode)
{
	for (int i = 0; i < POLLS; i++)
	{
		if (ConditionalLockRelationOid(relid, mode))
			return;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(POLL_MS * 1000L);
	}
	LockRelationOid(relid, mode);
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

/* The guard of a job on a table, to be removed. */
typedef struct Removal
{
	int64		job_id;
	Oid			leaf;
} Removal;

static void
remove_step(void *arg)
{
	Removal    *removal = arg;
	ZdmJob	   *job;

	if (OidIsValid(find_guard(removal->leaf, removal->job_id).oid))
	{
		Oid			guard;

		zdm_pin_setting("lock_timeout", "50ms");
		lock_politely(removal->leaf, AccessExclusiveLock);
		guard = find_guard(removal->leaf, removal->job_id).oid;
		if (OidIsValid(guard))
			drop_trigger(guard);
	}
	forget_moved_blocks(removal->job_id, removal->leaf);
	job = zdm_job_load(removal->job_id, true);
	if (job && strcmp(job->kind, "validation") == 0)	/* others have more to
														 * clean up */
		zdm_job_set_cleanup(removal->job_id, false);
}

/*
 * Go on until the lock is there.  NULL, or why it cannot be.  run, to say what
 * it waits for, may be NULL.  A process that has to leave meanwhile leaves the
 * guard to the next one.
 */
static ZdmError *
remove_guard(int64 job_id, Oid leaf, ZdmRun *run)
{
	Removal		removal = {.job_id = job_id,.leaf = leaf};
	ZdmError   *error;
	int			tries = 0;

	while ((error = zdm_bookkeeping_try(remove_step, &removal)) != NULL)
	{
		if (!zdm_bookkeeping_is_passing(error))
			return error;
		if (++tries == TELL_AFTER_TRIES && run)
			zdm_say_waiting(run, "a lock on the table, to remove the guard trigger");
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 REMOVE_RETRY_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return NULL;
}

/*
 * Outside of any transaction, when the scan of a relation is over: take the
 * guard away, in whatever state the job is.
 */
void
zdm_guard_remove(ZdmValidation *v, Oid leaf)
{
	ZdmError   *error = remove_guard(v->base.job->id, leaf, &v->base);

	if (error)
		ereport(WARNING,
				(errmsg("the guard of job " INT64_FORMAT " could not be removed: %s",
						v->base.job->id, error->message)));
}

/* What clean_up looks for: tables with a guard of the job. */
typedef struct Search
{
	int64		job_id;
	MemoryContext mcxt;
	List	   *leaves;
} Search;

static void
search_step(void *arg)
{
	Search	   *search = arg;
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	Oid			function = guard_function();
	char	   *prefix = psprintf("%s_", guard_name(search->job_id));
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		MemoryContext old;

		if (trigger->tgfoid != function ||
			strncmp(NameStr(trigger->tgname), prefix, strlen(prefix)) != 0)
			continue;
		old = MemoryContextSwitchTo(search->mcxt);
		search->leaves = lappend_oid(search->leaves, trigger->tgrelid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Remove what a cancelled validation has left behind: when it was cancelled
 * while no worker had it.  As clean_up() in kind.h.
 */
ZdmRunOutcome
zdm_guard_clean_up(const ZdmJob *job)
{
	Search		search = {.job_id = job->id,.mcxt = TopMemoryContext};
	ZdmRunOutcome outcome = {.result = ZDM_RUN_DONE};
	ListCell   *lc;

	outcome.error = zdm_bookkeeping_try(search_step, &search);
	foreach(lc, search.leaves)
	{
		if (outcome.error == NULL)
			outcome.error = remove_guard(job->id, lfirst_oid(lc), NULL);
	}
	if (outcome.error)
		outcome.result = ZDM_RUN_FAILED;
	return outcome;
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
