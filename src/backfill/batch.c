/*
 * batch.c
 *	  One batch: some pages, one stripe of them, one transaction.
 *
 * The direct form updates what the scan finds and waits at most
 * zdm.row_lock_timeout for a row.  The listed form is for when that was not
 * enough: it collects the rows, locks those that are free (never waiting, so
 * it can be in no row deadlock), and updates what it has locked.
 *
 * Data, cursor and counters commit together.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "backfill/batch.h"
#include "backfill/leaf.h"
#include "core/clock.h"
#include "core/settings.h"
#include "executor/instrument.h"
#include "compat/tree.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "throttle/wal_flush.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* the cursor of a batch that changed nothing is written this often */
#define STORE_IDLE_MS 500.0

/* a batch of one row may take this many times zdm.max_batch_time */
#define ROW_CAP_FACTOR 10

typedef struct RowVector
{
	MemoryContext mcxt;			/* of rows; not the executor's */
	ZdmRowVersion *rows;
	int			nrows;
	int			allocated;
} RowVector;

static bool
collect_row(ItemPointer tid, TransactionId xmin, void *arg)
{
	RowVector  *vector = arg;

	if (vector->nrows == vector->allocated)
	{
		vector->allocated = Max(vector->allocated * 2, 64);
		vector->rows = vector->rows ?
			repalloc(vector->rows, vector->allocated * sizeof(ZdmRowVersion)) :
			MemoryContextAlloc(vector->mcxt, vector->allocated * sizeof(ZdmRowVersion));
	}
	vector->rows[vector->nrows].tid = *tid;
	vector->rows[vector->nrows].xmin = xmin;
	vector->nrows++;
	return true;
}

static void
block_range(ZdmRange *range, BlockNumber from, BlockNumber to, const ZdmCursor *cursor)
{
	ItemPointerSet(&range->from, from, 0);
	ItemPointerSet(&range->to, to, 0);
	range->stripes = cursor->stripes;
	range->stripe = cursor->stripe;
}

static LockTupleMode
row_lock_mode(ZdmBackfillRun *run, Relation rel)
{
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_KEY);

	return bms_overlap(key, run->statements->assigned) ?
		LockTupleExclusive : LockTupleNoKeyExclusive;
}

/* Lock the free ones of the rows; the vector keeps those. */
static void
lock_rows(ZdmBackfillRun *run, ZdmBatch *batch, Relation rel, RowVector *vector)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	LockTupleMode mode = row_lock_mode(run, rel);
	int			locked = 0;

	for (int i = 0; i < vector->nrows; i++)
	{
		TM_FailureData failure;
		TM_Result	result;

		result = table_tuple_lock(rel, &vector->rows[i].tid, GetActiveSnapshot(),
								  slot, GetCurrentCommandId(false), mode,
								  LockWaitSkip, 0, &failure);
		if (result == TM_Ok)
			vector->rows[locked++] = vector->rows[i];
		else
			batch->skipped++;
		ExecClearTuple(slot);
	}
	vector->nrows = locked;
	ExecDropSingleTupleTableSlot(slot);
}

/* A snapshot that sees what this transaction has done so far, and others. */
static void
renew_snapshot(void)
{
	CommandCounterIncrement();
	PopActiveSnapshot();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Rows that this run has written and that match again. */
static void
count_rewrites(ZdmBackfillRun *run, const RowVector *vector)
{
	for (int i = 0; i < vector->nrows; i++)
	{
		if (zdm_xids_contain(&run->own_xids, vector->rows[i].xmin))
			run->sweep_rewrites++;
	}
}

/*
 * Fewer rows were updated than were locked.  That is right for a row that has
 * ceased to match (a table that the clauses read has changed), and an error
 * for one that still does.
 */
static void
check_suppressed(ZdmBackfillRun *run, const ZdmRange *range)
{
	RowVector	left = {.mcxt = CurrentMemoryContext};

	renew_snapshot();
	zdm_statement_select(run->statements, range, collect_row, &left);
	if (left.nrows > 0)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("the update of the row was suppressed by a trigger"),
				 errhint("Look at the BEFORE UPDATE triggers of the table.")));
}

/* The listed form: returns the rows updated. */
static uint64
update_listed(ZdmBackfillRun *run, ZdmBatch *batch, Relation rel, const ZdmRange *range)
{
	RowVector	vector = {.mcxt = CurrentMemoryContext};
	uint64		updated = 0;

	if (batch->row)
		zdm_predicate_take_only(batch->row, 1);
	else
		zdm_predicate_take_all();
	zdm_statement_select(run->statements, range, collect_row, &vector);
	lock_rows(run, batch, rel, &vector);
	if (vector.nrows == 0)
		return 0;

	count_rewrites(run, &vector);
	renew_snapshot();
	zdm_predicate_take_only(vector.rows, vector.nrows);
	updated = zdm_statement_update(run->statements, range);
	if (updated < (uint64) vector.nrows)
		check_suppressed(run, range);
	return updated;
}

static void
restrict_to_row(ZdmRange *range, const ZdmRowVersion *row)
{
	range->from = row->tid;
	range->to = row->tid;
	ItemPointerSetOffsetNumber(&range->to, ItemPointerGetOffsetNumber(&row->tid) + 1);
	range->stripes = 1;
	range->stripe = 0;
}

static bool
must_store(const ZdmBackfillRun *run, const ZdmBatch *batch)
{
	if (batch->rows > 0 || batch->skipped > 0 || batch->pass)
		return true;
	return zdm_ms_since(run->stored_at) >= STORE_IDLE_MS;
}

/* state of zdm_batch() that its transaction's body needs */
typedef struct BatchState
{
	ZdmBatch   *batch;
	ZdmCursor	next;			/* the cursor after the batch */
	uint64		wal_before;
	instr_time	start;
	bool		stored;
} BatchState;

static void
advance(ZdmBackfillRun *run, BatchState *state)
{
	ZdmBatch   *batch = state->batch;
	ZdmCursor  *next = &state->next;

	next->rows_done += batch->rows;
	next->rows_hot += batch->hot;
	next->sweep_rows += batch->rows;
	next->sweep_skipped += batch->skipped;
	next->batches++;
	next->retries = run->base.retries;
	if (!batch->row)
		zdm_cursor_advance(next, batch->to);
	state->stored = must_store(run, batch);
	if (state->stored)
		zdm_cursor_store(next);
}

static ZdmVerdict
batch_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	BatchState *state = arg;
	ZdmBatch   *batch = state->batch;
	Relation	rel;
	ZdmRange	range;
	int64		hot_before;
	ZdmVerdict	verdict = zdm_leaf_open(run, batch->leaf, &rel);

	if (verdict != ZDM_DONE)
		return verdict;
	if (batch->check_horizon && TransactionIdIsValid(run->stripe_xid) &&
		!TransactionIdFollows(GetOldestNonRemovableTransactionId(rel), run->stripe_xid))
	{
		relation_close(rel, NoLock);
		return ZDM_HORIZON;
	}

	block_range(&range, batch->from, batch->to, &run->cursor);
	if (batch->row)
		restrict_to_row(&range, batch->row);
	hot_before = zdm_compat_hot_updates(rel);
	run->base.at_rows = true;
	if (batch->pass)
		batch->rows = 0;
	else if (batch->listed || batch->row)
		batch->rows = update_listed(run, batch, rel, &range);
	else
	{
		zdm_predicate_take_all();
		batch->rows = zdm_statement_update(run->statements, &range);
	}
	run->base.at_rows = false;
	batch->hot = zdm_compat_hot_updates(rel) - hot_before;
	advance(run, state);
	batch->xid = GetCurrentTransactionIdIfAny();
	relation_close(rel, NoLock);
	zdm_wal_flush_before_commit();
	return ZDM_DONE;
}

/* What the commit made true. */
static void
keep(ZdmBackfillRun *run, BatchState *state)
{
	ZdmBatch   *batch = state->batch;

	batch->ms = zdm_ms_since(state->start);
	batch->wal_bytes = pgWalUsage.wal_bytes - state->wal_before;
	run->cursor = state->next;
	if (batch->rows > 0)
		zdm_xids_add(&run->own_xids, batch->xid);
	run->cursor.work_ms += batch->ms;
	run->cursor.wal_bytes += batch->wal_bytes;
	if (state->stored)
		INSTR_TIME_SET_CURRENT(run->stored_at);
}

/*
 * Do one batch.  On ZDM_DONE the cursor has moved on and the batch says what
 * was done; on any other verdict nothing has changed.
 */
ZdmVerdict
zdm_batch(ZdmBackfillRun *run, ZdmBatch *batch, ZdmError **error)
{
	BatchState	state = {.batch = batch,.next = run->cursor,.wal_before = pgWalUsage.wal_bytes};
	ZdmVerdict	verdict;
	int			cap = zdm_max_batch_time;

	batch->rows = 0;
	batch->hot = 0;
	if (!batch->pass)
		batch->skipped = 0;
	if (batch->row)
		cap *= ROW_CAP_FACTOR;
	INSTR_TIME_SET_CURRENT(state.start);
	verdict = zdm_txn(&run->base, cap, batch_body, &state, error);
	if (verdict == ZDM_DONE)
		keep(run, &state);
	return verdict;
}

typedef struct ListState
{
	BlockNumber block;
	RowVector	vector;
} ListState;

static void
collect_page(Relation rel, ListState *list)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, list->block, FirstOffsetNumber);
	ItemPointerSet(&last, list->block, MaxOffsetNumber);
	scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &first, &last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		TransactionId xmin;

		xmin = DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber,
													 &isnull));
		if (zdm_predicate_takes(&slot->tts_tid, xmin))
			collect_row(&slot->tts_tid, xmin, &list->vector);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

static ZdmVerdict
list_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	ListState  *list = arg;
	Relation	rel;
	ZdmVerdict	verdict = zdm_leaf_open(run, run->cursor.leaf, &rel);

	if (verdict != ZDM_DONE)
		return verdict;
	zdm_predicate_take_all();
	zdm_predicate_set_stripe(run->cursor.stripes, run->cursor.stripe);
	collect_page(rel, list);
	relation_close(rel, NoLock);
	return ZDM_DONE;
}

/*
 * The rows of one page, in the cursor's stripe, whether they are still to be
 * converted or not: on one of them even the predicate may fail.  The list is
 * in run->base.batch_mcxt.
 */
ZdmVerdict
zdm_batch_list_rows(ZdmBackfillRun *run, BlockNumber block, ZdmRowVersion **rows,
					int *nrows, ZdmError **error)
{
	ListState	list = {.block = block,.vector.mcxt = run->base.batch_mcxt};
	ZdmVerdict	verdict = zdm_txn(&run->base, 0, list_body, &list, error);

	*rows = list.vector.rows;
	*nrows = list.vector.nrows;
	return verdict;
}
