/*
 * sweep.c
 *	  One pass over all leaves of the target.
 *
 * The first sweep updates directly and in stripes.  Later sweeps take what is
 * left: rows that were locked, that moved past the cursor, that the
 * application wrote.  They list and lock rows first, so that they know which
 * row they could not convert and why.
 *
 * A batch that fails on a row is cut in half until it is one page, whose rows
 * are then done one by one; the one that fails goes into quarantine.
 */
#include "postgres.h"

#include "access/relation.h"
#include "backfill/batch.h"
#include "backfill/leaf.h"
#include "backfill/quarantine.h"
#include "backfill/stripes.h"
#include "backfill/sweep.h"
#include "catalog/pg_class.h"
#include "core/clock.h"
#include "core/settings.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/bufmgr.h"
#include "throttle/contention.h"
#include "throttle/waiters.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* a listed batch that meets a lock elsewhere is left for the next sweep */
#define LISTED_TRIES 3

/* how often the smoothed rates take in what was done */
#define RATE_INTERVAL_MS 250.0

/* after a cap was reached, size is divided by this */
#define TOO_LONG_DIVISOR 4

/* the next batch after one that others waited for */
#define WAITED_FOR_DIVISOR 4

/* the default duration of a batch times this, while no client is at work: what each costs once counts less */
#define ALONE_FACTOR 10

typedef struct EnterState
{
	Oid			leaf;
	bool		again;			/* its storage has changed */
	int			stripes;
} EnterState;

static ZdmVerdict
enter_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	EnterState *enter = arg;
	ZdmCursor	next = run->cursor;
	Relation	rel;
	ZdmVerdict	verdict;

	run->cursor.leaf_filenode = InvalidOid;
	verdict = zdm_leaf_open(run, enter->leaf, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	if (!enter->again)
		next.blocks_done += next.leaf_blocks;
	zdm_cursor_begin_leaf(&next, enter->leaf, rel->rd_rel->relfilenode,
						  RelationGetNumberOfBlocks(rel));
	zdm_cursor_store(&next);
	enter->stripes = zdm_leaf_stripes(run, rel);
	relation_close(rel, NoLock);
	run->cursor = next;
	return ZDM_DONE;
}

/*
 * Let the cursor enter a leaf; false when the run has ended.  A leaf that is
 * gone is entered as an empty one.
 */
static bool
enter_leaf(ZdmBackfillRun *run, Oid leaf, bool again)
{
	EnterState	enter = {.leaf = leaf,.again = again};
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		verdict = zdm_txn(&run->base, 0, enter_body, &enter, &error);
		if (verdict == ZDM_DONE)
			break;
		if (verdict == ZDM_GONE)
		{
			zdm_cursor_begin_leaf(&run->cursor, leaf, InvalidOid, 0);
			return true;
		}
		if (!zdm_verdict_try_again(&run->base, leaf, verdict, error))
			return false;
	}
	zdm_run_progressed(&run->base);
	zdm_quarantine_load(run);
	zdm_stripes_begin_leaf(run, enter.stripes);
	return true;
}

static ZdmVerdict
stripes_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	Relation	rel;
	ZdmVerdict	verdict = zdm_leaf_open(run, run->cursor.leaf, &rel);

	if (verdict == ZDM_DONE)
	{
		*(int *) arg = zdm_leaf_stripes(run, rel);
		relation_close(rel, NoLock);
	}
	return verdict;
}

/* A new process goes on inside a leaf that another one has entered. */
static bool
resume_leaf(ZdmBackfillRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;
	int			stripes = 1;

	for (;;)
	{
		verdict = zdm_txn(&run->base, 0, stripes_body, &stripes, &error);
		if (verdict == ZDM_DONE)
			break;
		if (verdict == ZDM_REWRITTEN)
			return enter_leaf(run, run->cursor.leaf, true);
		if (verdict == ZDM_GONE)
			break;				/* the next batch finds out, too */
		if (!zdm_verdict_try_again(&run->base, run->cursor.leaf, verdict, error))
			return false;
	}
	zdm_quarantine_load(run);
	zdm_stripes_begin_leaf(run, stripes);
	return true;
}

static void
note_rate(ZdmBackfillRun *run, double rows, double blocks)
{
	double		ms;
	ZdmCursor  *cursor = &run->cursor;

	run->rate_rows += rows;
	run->rate_blocks += blocks;
	ms = zdm_ms_since(run->rate_since);
	if (ms < RATE_INTERVAL_MS)
		return;
	zdm_pace_note_rate(&run->pace, run->rate_rows, run->rate_blocks, ms);
	run->rate_rows = run->rate_blocks = 0;
	INSTR_TIME_SET_CURRENT(run->rate_since);

	cursor->rows_per_second = run->pace.rows_per_second;
	cursor->seconds_left = run->pace.units_per_second > 0 ?
		cursor->blocks_total * (1.0 - zdm_cursor_fraction(cursor)) / run->pace.units_per_second : -1;
}

/* Nobody waits for the rows of a longer batch while no client is at work. */
static void
batch_target(const ZdmRun *run, ZdmPaceTarget *target)
{
	zdm_pause_target(run, target);
	if (target->batch_time == zdm_batch_time && !zdm_clients_at_work())
		target->batch_time = Max(zdm_batch_time, Min(zdm_batch_time * ALONE_FACTOR, zdm_max_batch_time / 4));
}

/* After a batch that was committed: bookkeeping in memory, then the pause. */
static void
after_batch(ZdmBackfillRun *run, const ZdmBatch *batch, int stripe_before,
			BlockNumber window_before)
{
	ZdmPaceSample sample = {.units = batch->to - batch->from,.rows = batch->rows,
	.work_ms = batch->ms,.wal_kb = batch->wal_bytes / 1024.0};
	ZdmPaceTarget target;
	int			stripes = run->cursor.stripes;

	zdm_run_progressed(&run->base);
	zdm_say_progress(&run->base);
	batch_target(&run->base, &target);
	if (run->suspect_blocks > 0)
		run->suspect_blocks = run->suspect_blocks * 2 < run->pace.size ?
			run->suspect_blocks * 2 : 0;
	else
		zdm_pace_adjust(&run->pace, &sample, &target);
	if (zdm_waiters_last())
		zdm_pace_shrink(&run->pace, WAITED_FOR_DIVISOR);
	zdm_stripes_after_batch(run, batch, stripe_before, window_before);
	note_rate(run, batch->rows, (double) (batch->to - batch->from) / stripes);
	(void) zdm_pause_for_duty(&run->base, &sample);
}

/* Put a row into quarantine. */
static void
quarantine(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row, const ZdmError *cause)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	while ((verdict = zdm_quarantine_add(run, leaf, row, cause, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_GONE || verdict == ZDM_REWRITTEN)
			return;
		if (!zdm_verdict_try_again(&run->base, leaf, verdict, error))
			return;
	}
}

typedef enum RowFate
{
	ROW_SETTLED,				/* converted, gone, or left to the next sweep */
	ROW_QUARANTINED,
	ROW_AGAIN					/* unless the run has ended */
} RowFate;

/* One row by itself. */
static RowFate
try_row(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row)
{
	ZdmBatch	batch = {.leaf = leaf,.from = ItemPointerGetBlockNumber(&row->tid),.row = row};
	ZdmVerdict	verdict;
	ZdmError   *error;

	batch.to = batch.from + 1;
	verdict = zdm_batch(run, &batch, &error);
	switch (verdict)
	{
		case ZDM_DONE:
			zdm_run_progressed(&run->base);
			return ROW_SETTLED;
		case ZDM_TOO_LONG:
			if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
				error->message = "the row took longer than ten times zdm.max_batch_time";
			quarantine(run, leaf, row, error);
			return ROW_QUARANTINED;
		case ZDM_ROW_ERROR:
			quarantine(run, leaf, row, error);
			return ROW_QUARANTINED;
		case ZDM_GONE:
		case ZDM_REWRITTEN:
			return ROW_SETTLED;
		case ZDM_ROWS_LOCKED:
			if (run->base.tries >= LISTED_TRIES)
			{
				run->base.tries = 0;
				run->cursor.sweep_skipped++;
				return ROW_SETTLED;
			}
			break;
		default:
			break;
	}
	(void) zdm_verdict_try_again(&run->base, leaf, verdict, error);
	return ROW_AGAIN;
}

static RowFate
do_row(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row)
{
	RowFate		fate = ROW_AGAIN;

	while (fate == ROW_AGAIN && !run->base.ended)
		fate = try_row(run, leaf, row);
	return fate;
}

/* End the run when more rows are in quarantine than it may hold. */
static void
enforce_quarantine_limit(ZdmBackfillRun *run)
{
	if (run->base.ended || run->quarantined <= run->spec->max_quarantine)
		return;
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_DATA_EXCEPTION,
							   "The rows and their errors are in zdm.quarantine. Mend them or the expression, then use zdm.retry_job(). The limit is max_quarantine of zdm.start_backfill().",
							   "%d rows could not be converted, more than max_quarantine = %d",
							   run->quarantined, run->spec->max_quarantine));
}

/* Move the cursor over a batch's pages, with skipped rows left behind. */
static ZdmVerdict
pass_over(ZdmBackfillRun *run, ZdmBatch *batch, uint64 skipped, ZdmError **error)
{
	batch->pass = true;
	batch->check_horizon = false;
	batch->skipped = skipped;
	return zdm_batch(run, batch, error);
}

/* A page on which a batch fails: each row by itself, then past it. */
static ZdmVerdict
do_page_by_rows(ZdmBackfillRun *run, ZdmBatch *batch, ZdmError **error)
{
	ZdmRowVersion *rows;
	int			nrows;
	ZdmVerdict	verdict = zdm_batch_list_rows(run, batch->from, &rows, &nrows, error);

	if (verdict != ZDM_DONE)
		return verdict;
	for (int i = 0; i < nrows && !run->base.ended; i++)
	{
		if (do_row(run, run->cursor.leaf, &rows[i]) != ROW_QUARANTINED || run->base.ended)
			continue;
		zdm_quarantine_load(run);
		enforce_quarantine_limit(run);
	}
	if (run->base.ended)
		return ZDM_STOP;
	return pass_over(run, batch, 0, error);
}

static void
next_batch(ZdmBackfillRun *run, ZdmBatch *batch)
{
	ZdmCursor  *cursor = &run->cursor;
	int			size = run->pace.size;

	if (run->suspect_blocks > 0)
		size = Min(size, run->suspect_blocks);
	memset(batch, 0, sizeof(ZdmBatch));
	batch->leaf = cursor->leaf;
	batch->from = cursor->next_block;
	batch->to = batch->from + Min((BlockNumber) size, cursor->window_end - batch->from);
	batch->listed = cursor->sweep > 1;
	batch->check_horizon = zdm_stripes_must_check_horizon(run);
}

/*
 * Make of a batch that was rolled back what can be made of it.  Returns the
 * verdict of that.
 */
static ZdmVerdict
mend_batch(ZdmBackfillRun *run, ZdmBatch *batch, ZdmVerdict verdict, ZdmError **error)
{
	BlockNumber blocks = batch->to - batch->from;

	switch (verdict)
	{
		case ZDM_ROWS_LOCKED:
			run->base.retries++;
			if (!batch->listed)
			{
				batch->listed = true;
				verdict = zdm_batch(run, batch, error);
				return verdict == ZDM_DONE ? ZDM_DONE : mend_batch(run, batch, verdict, error);
			}
			if (run->base.tries >= LISTED_TRIES)
				return pass_over(run, batch, 1, error);
			return verdict;
		case ZDM_TOO_LONG:
		case ZDM_ROW_ERROR:
			run->base.retries++;
			if (blocks == 1)
				return do_page_by_rows(run, batch, error);
			if (verdict == ZDM_TOO_LONG)
				zdm_pace_shrink(&run->pace, TOO_LONG_DIVISOR);
			run->suspect_blocks = verdict == ZDM_ROW_ERROR ? blocks / 2 : run->suspect_blocks;
			return verdict;
		default:
			return verdict;
	}
}

/* One batch, whatever comes.  False when the run has ended. */
static bool
sweep_batch(ZdmBackfillRun *run)
{
	int			stripe_before = run->cursor.stripe;
	BlockNumber window_before = run->cursor.window_start;
	ZdmBatch	batch;
	ZdmVerdict	verdict;
	ZdmError   *error;

	MemoryContextReset(run->base.batch_mcxt);
	if (!zdm_pause(&run->base, 0))
		return false;
	next_batch(run, &batch);
	verdict = zdm_batch(run, &batch, &error);
	if (verdict != ZDM_DONE)
		verdict = mend_batch(run, &batch, verdict, &error);

	switch (verdict)
	{
		case ZDM_DONE:
			after_batch(run, &batch, stripe_before, window_before);
			return !run->base.ended;
		case ZDM_TOO_LONG:
		case ZDM_ROW_ERROR:
			return !run->base.ended;
		case ZDM_HORIZON:
			return zdm_stripes_wait_for_horizon(run);
		case ZDM_REWRITTEN:
			zdm_note_event(&run->base, "rewritten", "the table has new storage; its sweep starts over");
			return enter_leaf(run, run->cursor.leaf, true);
		case ZDM_GONE:
			run->cursor.window_start = run->cursor.window_end = run->cursor.leaf_blocks;
			return !zdm_run_target_is_gone(&run->base);
		default:
			return !run->base.ended && zdm_verdict_try_again(&run->base, run->cursor.leaf, verdict, error);
	}
}

/* From the cursor to the end of its leaf. */
static bool
sweep_leaf(ZdmBackfillRun *run)
{
	ZdmCursor  *cursor = &run->cursor;

	while (cursor->window_start < cursor->leaf_blocks)
	{
		if (cursor->window_end <= cursor->window_start)
			(void) zdm_stripes_begin_window(run);
		if (!sweep_batch(run))
			return false;
	}
	return true;
}

static void
find_next_leaf(void *arg)
{
	ZdmBackfillRun *run = arg;

	run->next_leaf = zdm_leaf_next(run->spec->target, run->cursor.leaf);
}

static Oid
next_leaf(ZdmBackfillRun *run)
{
	return zdm_run_bookkeep(&run->base, find_next_leaf, run) ? run->next_leaf : InvalidOid;
}

/*
 * Go on with the sweep at the cursor, to its end.  False when the run has
 * ended before.
 */
bool
zdm_sweep(ZdmBackfillRun *run)
{
	Oid			leaf;

	INSTR_TIME_SET_CURRENT(run->rate_since);
	if (OidIsValid(run->cursor.leaf) &&
		(!resume_leaf(run) || !sweep_leaf(run)))
		return false;
	while (OidIsValid(leaf = next_leaf(run)))
	{
		if (!enter_leaf(run, leaf, false) || !sweep_leaf(run))
			return false;
	}
	return !run->base.ended && !zdm_run_target_is_gone(&run->base);
}

static void
remove_quarantined(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row)
{
	ZdmError   *error;
	ZdmVerdict	verdict;

	while ((verdict = zdm_quarantine_remove(run, leaf, row, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(&run->base, leaf, verdict, error))
			return;
	}
}

/*
 * Give every row in quarantine another try.  What is converted, gone or
 * changed leaves it; what still fails stays, with what is said of it now.
 */
void
zdm_retry_quarantined(ZdmBackfillRun *run)
{
	Oid			leaf = InvalidOid;
	ZdmRowVersion row = {0};

	zdm_predicate_hold_back(NULL, 0);
	while (!run->base.ended && zdm_quarantine_next(run, &leaf, &row))
	{
		MemoryContextReset(run->base.batch_mcxt);
		if (do_row(run, leaf, &row) == ROW_SETTLED)
			remove_quarantined(run, leaf, &row);
		(void) zdm_pause(&run->base, 0);
	}
	if (run->base.ended)
		return;
	zdm_quarantine_load(run);
	enforce_quarantine_limit(run);
}
