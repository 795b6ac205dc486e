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
 * A snapshot holds back the xmin horizon, so its age is limited
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

#define STEP_BLOCKS 256

typedef struct ProofState
{
	instr_time	start;
	bool		found;
	Oid			leaf;			/* being read, for a message */
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

static ZdmVerdict
read_leaf(ZdmBackfillRun *run, ProofState *state, Relation rel)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);

	/* a row in quarantine is not right, but it is known */
	zdm_quarantine_hold_back(run, RelationGetRelid(rel), rel->rd_rel->relfilenode);
	for (BlockNumber block = 0; block < blocks; block += STEP_BLOCKS)
	{
		ZdmRange	range = {.stripes = 1,.stripe = 0};

		ItemPointerSet(&range.from, block, 0);
		ItemPointerSet(&range.to, Min(block + STEP_BLOCKS, blocks), 0);
		run->base.at_rows = true;
		zdm_statement_select(run->statements, &range, found_row, state);
		run->base.at_rows = false;
		if (state->found)
			return ZDM_FOUND;
		if (snapshot_is_old(state))
			return ZDM_SLOW;
		if (zdm_database_is_wanted())
			return ZDM_STOP;
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

	if (zdm_max_snapshot_age == 0)
		return ZDM_PROOF_TOO_LONG;
	for (;;)
	{
		memset(&state, 0, sizeof(state));
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
			default:
				if (!zdm_verdict_try_again(&run->base, state.leaf, verdict, error))
					return ZDM_PROOF_ENDED;
		}
	}
}
