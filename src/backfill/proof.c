/*
 * proof.c
 *	  The proof that a backfill has left nothing.
 *
 * A sweep that finds nothing is no proof while the application writes: a row
 * that it updates may move from a page that the sweep has not read to one that
 * it has, and dodge any number of sweeps.  Seen under one snapshot no row
 * moves.  So all leaves are read under one snapshot, and "nothing found" holds
 * for the instant it was taken.
 *
 * The locks are given back as soon as somebody waits for one, and the proof
 * begins anew.  A snapshot holds back the xmin horizon, so its age is limited
 * (zdm.max_snapshot_age).  A target too large for that is left to sweeps: a
 * sweep that found nothing shows that no row matches which was there when it
 * began and was not updated since.
 */
#include "postgres.h"

#include "access/relation.h"
#include "backfill/leaf.h"
#include "backfill/proof.h"
#include "backfill/quarantine.h"
#include "core/clock.h"
#include "run/verdict.h"
#include "core/settings.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* read at a time: so many that it takes about STEP_MS */
#define FIRST_BLOCKS 16
#define MOST_BLOCKS 256
#define STEP_MS 10.0

/* how often to look for those who wait for a lock */
#define WAITERS_MS 10.0

/* given way to others so often in a row, it takes too long */
#define MOST_INTERRUPTIONS 10

typedef struct ProofState
{
	instr_time	start;
	bool		found;
	Oid			leaf;			/* being read, for a message */
	const List *leaves;			/* OIDs of those that are locked */
	double		waiters_at;		/* ms since start at which to look for waiters
								 * again */
	BlockNumber blocks;			/* to be read next */
} ProofState;

static bool
found_row(ItemPointer tid, TransactionId xmin, void *arg)
{
	((ProofState *) arg)->found = true;
	return false;
}

static bool
snapshot_is_old(const ProofState *state)
{
	return zdm_ms_since(state->start) >= zdm_max_snapshot_age;
}

static bool
somebody_waits(ProofState *state)
{
	double		ms = zdm_ms_since(state->start);
	ListCell   *lc;

	if (ms < state->waiters_at)
		return false;
	state->waiters_at = ms + WAITERS_MS;
	foreach(lc, state->leaves)
	{
		if (zdm_relation_is_wanted(lfirst_oid(lc), RowExclusiveLock))
			return true;
	}
	return false;
}

/* ZDM_DONE: there is nothing in these blocks, and the next may be read. */
static ZdmVerdict
read_blocks(ZdmBackfillRun *run, ProofState *state, BlockNumber from, BlockNumber to)
{
	ZdmRange	range = {.stripes = 1,.stripe = 0};
	instr_time	start;
	double		ms;

	INSTR_TIME_SET_CURRENT(start);
	ItemPointerSet(&range.from, from, 0);
	ItemPointerSet(&range.to, to, 0);
	run->base.at_rows = true;
	zdm_statement_select(run->statements, &range, found_row, state);
	run->base.at_rows = false;
	if (state->found)
		return ZDM_FOUND;
	if (snapshot_is_old(state))
		return ZDM_SLOW;
	if (zdm_database_is_wanted())
		return ZDM_STOP;
	if (somebody_waits(state))
		return ZDM_BUSY;
	ms = zdm_ms_since(start);
	state->blocks = ms > STEP_MS ? Max(state->blocks / 2, 1) : Min(state->blocks * 2, MOST_BLOCKS);
	return ZDM_DONE;
}

static ZdmVerdict
read_leaf(ZdmBackfillRun *run, ProofState *state, Relation rel)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);

	/* a row in quarantine is not right, but it is known */
	zdm_quarantine_hold_back(run, RelationGetRelid(rel), rel->rd_rel->relfilenode);
	for (BlockNumber block = 0; block < blocks;)
	{
		BlockNumber next = block + Min(state->blocks, blocks - block);
		ZdmVerdict	verdict = read_blocks(run, state, block, next);

		if (verdict != ZDM_DONE)
			return verdict;
		block = next;
		CHECK_FOR_INTERRUPTS();
	}
	return ZDM_DONE;
}

/*
 * Lock all leaves, and do something with each.
 */
static ZdmVerdict
for_each_leaf(ZdmBackfillRun *run, ProofState *state, const List *leaves,
			  ZdmVerdict (*step) (ZdmBackfillRun *run, ProofState *state, Relation rel))
{
	ListCell   *lc;

	foreach(lc, leaves)
	{
		Relation	rel;
		ZdmVerdict	verdict;

		state->leaf = lfirst_oid(lc);
		verdict = zdm_leaf_lock(run, state->leaf, &rel);
		if (verdict == ZDM_GONE)
			continue;
		if (verdict == ZDM_REWRITTEN)
			return ZDM_FOUND;	/* let a sweep look at what is there now */
		if (verdict != ZDM_DONE)
			return verdict;
		verdict = step(run, state, rel);
		relation_close(rel, NoLock);
		if (verdict != ZDM_DONE)
			return verdict;
	}
	return ZDM_DONE;
}

static ZdmVerdict
only_lock(ZdmBackfillRun *run, ProofState *state, Relation rel)
{
	return ZDM_DONE;
}

/*
 * Everything is locked before the snapshot is taken: a table that is
 * rewritten in between would look empty under it.
 */
static ZdmVerdict
proof_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	ProofState *state = arg;
	List	   *leaves = zdm_leaf_list(run->spec->target);
	ZdmVerdict	verdict = for_each_leaf(run, state, leaves, only_lock);

	if (verdict != ZDM_DONE)
		return verdict;
	state->leaves = leaves;
	PushActiveSnapshot(GetTransactionSnapshot());
	return for_each_leaf(run, state, leaves, read_leaf);
}

/* Look for rows that are left. */
ZdmProof
zdm_proof(ZdmBackfillRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;
	ProofState	state;
	int			interruptions = 0;

	if (zdm_max_snapshot_age == 0)
		return ZDM_PROOF_TOO_LONG;
	for (;;)
	{
		memset(&state, 0, sizeof(state));
		state.blocks = FIRST_BLOCKS;
		INSTR_TIME_SET_CURRENT(state.start);
		zdm_predicate_take_all();
		verdict = zdm_txn(&run->base, zdm_max_snapshot_age, proof_body, &state, &error);
		switch (verdict)
		{
			case ZDM_DONE:
			case ZDM_GONE:
				zdm_run_progressed(&run->base);
				return ZDM_PROOF_CLEAN;
			case ZDM_FOUND:
				zdm_run_progressed(&run->base);
				return ZDM_PROOF_LEFT;
			case ZDM_SLOW:
			case ZDM_TOO_LONG:
			case ZDM_ROW_ERROR:
				/* a row on which the predicate fails: a sweep finds out which */
				return verdict == ZDM_ROW_ERROR ? ZDM_PROOF_LEFT : ZDM_PROOF_TOO_LONG;
			case ZDM_BUSY:
				/* in the middle, and not for a lock that it could not have */
				if (state.leaves && ++interruptions >= MOST_INTERRUPTIONS)
					return ZDM_PROOF_TOO_LONG;
				/* fall through */
			default:
				if (!zdm_verdict_try_again(&run->base, state.leaf, verdict, error))
					return ZDM_PROOF_ENDED;
		}
	}
}
