/*
 * stripes.c
 *	  Windows and stripes: in which order the rows of a leaf are taken.
 *
 * Updating every row of a full page in one transaction forces every new
 * version onto another page: no HOT update, an entry more in every index, a
 * table twice as large.  So a window of pages is gone through several times,
 * each time updating the rows of one stripe (offset number modulo the number
 * of stripes).  When a stripe's transactions are below the xmin horizon,
 * reading a page prunes it: the room of the old versions takes the new
 * versions of the next stripe, in place and HOT.
 *
 * It pays only while the horizon moves.  Before the next stripe begins, the
 * first transaction of the stripe before must be below it; if it is not, the
 * next windows are made larger, so that more time passes between two stripes,
 * and when waiting does not help, the rest of the window is done in one go.
 *
 * The stripe never decides what is done.  Offsets are physical, rows move; the
 * predicate decides, and the last sweep takes no stripes.
 */
#include "postgres.h"

#include "access/transam.h"
#include "backfill/leaf.h"
#include "run/horizon.h"
#include "run/pause.h"
#include "backfill/stripes.h"
#include "core/catalog.h"
#include "access/relation.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/rel.h"

#define FIRST_WINDOW_BLOCKS 512
#define LARGEST_WINDOW_BLOCKS 8192

#define HORIZON_POLL_MS 5.0
#define HORIZON_PATIENCE_MS 200.0

/* so few rows to convert find room on their page without stripes */
#define FEW_ROWS_PER_PAGE 2

/* a window with at least this many later rows tells whether HOT works */
#define HOT_SAMPLE_ROWS 1000
#define HOT_USELESS_SHARE 0.1

/* At the start of a run. */
void
zdm_stripes_init(ZdmBackfillRun *run)
{
	run->window_blocks = FIRST_WINDOW_BLOCKS;
	run->stripe_xid = run->this_stripe_xid = InvalidTransactionId;
	run->stuck_xid = InvalidTransactionId;
}

/* The sweep has entered a leaf that is worth that many stripes. */
void
zdm_stripes_begin_leaf(ZdmBackfillRun *run, int leaf_stripes)
{
	run->leaf_stripes = run->cursor.sweep > 1 ? 1 : leaf_stripes;
	run->stripe_xid = run->this_stripe_xid = InvalidTransactionId;
}

typedef struct HorizonState
{
	Oid			leaf;
	TransactionId xid;
	bool		passed;
} HorizonState;

static void
compare_horizon(void *arg)
{
	HorizonState *state = arg;
	Relation	rel = NULL;

	if (ConditionalLockRelationOid(state->leaf, AccessShareLock))
		rel = try_relation_open(state->leaf, NoLock);
	state->passed = TransactionIdFollows(GetOldestNonRemovableTransactionId(rel), state->xid);
	if (rel)
		relation_close(rel, NoLock);
}

static bool
horizon_has_passed(ZdmBackfillRun *run, TransactionId xid)
{
	HorizonState state = {.leaf = run->cursor.leaf,.xid = xid};

	return zdm_run_try_bookkeep(&run->base, compare_horizon, &state) && state.passed;
}

static void
set_note(ZdmBackfillRun *run, const char *note)
{
	run->cursor.note = note ? MemoryContextStrdup(run->base.run_mcxt, note) : NULL;
	zdm_note_event(&run->base, "striping", note ? note : "on again: the xmin horizon moves");
}

/*
 * Choose the next window, in memory: the next batch stores it.  Needs no
 * transaction.
 */
bool
zdm_stripes_begin_window(ZdmBackfillRun *run)
{
	ZdmCursor  *cursor = &run->cursor;
	BlockNumber left = cursor->leaf_blocks - cursor->window_start;

	if (TransactionIdIsValid(run->stuck_xid) &&
		horizon_has_passed(run, run->stuck_xid))
	{
		run->stuck_xid = InvalidTransactionId;
		set_note(run, NULL);
	}
	cursor->window_end = cursor->window_start + Min(run->window_blocks, left);
	cursor->next_block = cursor->window_start;
	cursor->stripe = 0;
	cursor->stripes = TransactionIdIsValid(run->stuck_xid) ? 1 : run->leaf_stripes;
	run->stripe_xid = run->this_stripe_xid = InvalidTransactionId;
	run->horizon_wait_ms = 0;
	run->window_rows = run->late_rows = run->late_hot = 0;
	return true;
}

/* Does the next batch begin a stripe that follows another? */
bool
zdm_stripes_must_check_horizon(const ZdmBackfillRun *run)
{
	return run->cursor.stripe > 0 &&
		run->cursor.next_block == run->cursor.window_start &&
		TransactionIdIsValid(run->stripe_xid);
}

static const char *
describe_horizon(ZdmBackfillRun *run)
{
	const char *holder = zdm_run_horizon_holder(&run->base);

	return holder ? psprintf("off: the xmin horizon is held by %s", holder) : "off: the xmin horizon does not move";
}

/* Do the rest of the window without stripes: more rows a page than before. */
static void
unstripe_window(ZdmBackfillRun *run)
{
	zdm_pace_shrink(&run->pace, run->cursor.stripes);
	run->cursor.stripes = 1;
	run->cursor.stripe = 0;
	run->cursor.next_block = run->cursor.window_start;
	run->stripe_xid = InvalidTransactionId;
}

/*
 * The stripe before is not below the horizon yet.  Wait a little, or give
 * striping up for now.  False when the run has to end.
 */
bool
zdm_stripes_wait_for_horizon(ZdmBackfillRun *run)
{
	if (run->horizon_wait_ms == 0)
		run->window_blocks = Min(run->window_blocks * 2, LARGEST_WINDOW_BLOCKS);
	if (run->horizon_wait_ms >= HORIZON_PATIENCE_MS)
	{
		run->stuck_xid = run->stripe_xid;
		set_note(run, describe_horizon(run));
		unstripe_window(run);
		return true;
	}
	run->horizon_wait_ms += HORIZON_POLL_MS;
	return zdm_pause(&run->base, HORIZON_POLL_MS);
}

/* What the window has shown about the leaf. */
static void
judge_window(ZdmBackfillRun *run)
{
	if (run->late_rows < HOT_SAMPLE_ROWS ||
		run->late_hot >= run->late_rows * HOT_USELESS_SHARE)
		return;
	run->leaf_stripes = 1;
	set_note(run, "off: updates of this table are not HOT (does a trigger change an indexed column?)");
}

/*
 * Take a batch into account that has moved the cursor from stripe_before of
 * the window that began at window_before.
 */
void
zdm_stripes_after_batch(ZdmBackfillRun *run, const ZdmBatch *batch, int stripe_before,
						BlockNumber window_before)
{
	ZdmCursor  *cursor = &run->cursor;

	run->window_rows += batch->rows;
	if (stripe_before > 0)
	{
		run->late_rows += batch->rows;
		run->late_hot += batch->hot;
	}
	if (batch->from == window_before)
		run->this_stripe_xid = batch->xid;

	if (cursor->window_start != window_before)
		judge_window(run);
	else if (cursor->stripe != stripe_before)
	{
		double		pages = cursor->window_end - cursor->window_start;

		run->stripe_xid = run->this_stripe_xid;
		run->horizon_wait_ms = 0;
		if (stripe_before == 0 &&
			run->window_rows * cursor->stripes < pages * FEW_ROWS_PER_PAGE)
			unstripe_window(run);
	}
}
