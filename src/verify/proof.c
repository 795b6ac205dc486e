/*
 * proof.c
 *	  The end of a verification: what can be said when all leaves were scanned
 *	  and no row was found to be inconsistent.
 *
 * The scan is chunk by chunk, each under a snapshot of its own, and the sync
 * trigger lets an inconsistent row stay as it is when an UPDATE changes
 * neither side of it.  Such an UPDATE may move the row from a page that the
 * scan has not read to one that it has.  Seen under one snapshot no row
 * moves.  So the rows of all leaves are looked at once more, under one snapshot:
 * but for those that the scan has seen as they are, which page_scan.c tells by
 * marks that were taken before the scan began with each leaf.  What it leaves
 * out was consistent then, and is the same now; what the verdict on a row
 * rests on (the mapping, the versions of functions, the storage) is compared
 * with what it was in the scan, under the locks that the snapshot is taken
 * under.  A leaf for which it is not the same, or that was not scanned (a
 * partition that was attached), is scanned before this is tried again.  So
 * "proved" means: at the instant of that snapshot, no row of the target was
 * inconsistent.
 *
 * A snapshot holds back the xmin horizon, so its age is limited
 * (zdm.max_snapshot_age).  A target of which not even the pages can be read in
 * that time gets a second pass in chunks, which looks at what was written
 * since the first one began.  What that shows is less: no row was inconsistent
 * that was there when the second pass began with its leaf and was not
 * written since.  Missed may be a row that was inconsistent before, and that in
 * each of the two passes an UPDATE has moved to a page that was behind the scan
 * already.
 *
 * The locks are ACCESS SHARE on all leaves.  Who waits for a stronger one is
 * not kept waiting: everything is given back, and tried again.
 */
#include "postgres.h"

#include "access/relation.h"
#include "core/settings.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "run/verdict.h"
#include "scan/leaves.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verify/run.h"

/* how often to look for those who wait for a lock */
#define WAITERS_MS 10.0

/* given way to others so often in a row, it takes too long */
#define MOST_INTERRUPTIONS 10

typedef struct ProofLeaf
{
	Relation	rel;
	ZdmPageMark seen;
} ProofLeaf;

typedef struct Proof
{
	ZdmVerify  *v;
	instr_time	start;			/* of the snapshot */
	double		waiters_at;		/* ms since start at which to look again */
	Oid			leaf;			/* being locked or read, for a message */
	List	   *leaves;			/* of ProofLeaf */
	bool		opened;			/* all leaves are, and were scanned */
	ZdmVerdict	stopped_by;		/* ZDM_DONE: not stopped */
	int			interruptions;
	ZdmVerifyCursor next;
} Proof;

static bool
somebody_waits(const Proof *proof)
{
	ListCell   *lc;

	foreach(lc, proof->leaves)
	{
		if (zdm_relation_is_wanted(RelationGetRelid(((ProofLeaf *) lfirst(lc))->rel), AccessShareLock))
			return true;
	}
	return false;
}

static bool
must_stop(void *arg)
{
	Proof	   *proof = arg;
	double		ms;
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, proof->start);
	ms = INSTR_TIME_GET_MILLISEC(now);
	if (ms >= zdm_max_snapshot_age)
		proof->stopped_by = ZDM_SLOW;
	else if (ms >= proof->waiters_at)
	{
		proof->waiters_at = ms + WAITERS_MS;
		if (zdm_database_is_wanted())
			proof->stopped_by = ZDM_STOP;
		else if (somebody_waits(proof))
			proof->stopped_by = ZDM_BUSY;
	}
	return proof->stopped_by != ZDM_DONE;
}

/*
 * Is the leaf as the scan has seen it?  If so it is one of proof->leaves; if
 * not, what is known of it is forgotten.
 */
static bool
is_scanned(Proof *proof, Relation rel)
{
	ZdmVerify  *v = proof->v;
	ZdmVerifiedLeaf known;
	ProofLeaf  *leaf;

	if (!zdm_verified_leaf_load(v->base.job->id, RelationGetRelid(rel), &known))
		return false;
	if (known.filenode != rel->rd_rel->relfilenode ||
		strcmp(known.premises, zdm_verify_premises(v, rel)) != 0)
	{
		zdm_verified_leaf_forget(v->base.job->id, RelationGetRelid(rel));
		return false;
	}
	leaf = palloc(sizeof(ProofLeaf));
	leaf->rel = rel;
	leaf->seen = known.mark;
	proof->leaves = lappend(proof->leaves, leaf);
	return true;
}

/* Lock and open all leaves.  ZDM_FOUND when the scan has to look at one of them. */
static ZdmVerdict
open_leaves(Proof *proof)
{
	ZdmVerdict	result = ZDM_DONE;
	ListCell   *lc;

	foreach(lc, zdm_leaf_list(proof->v->spec->target))
	{
		Relation	rel;
		ZdmVerdict	verdict;

		CHECK_FOR_INTERRUPTS();
		proof->leaf = lfirst_oid(lc);
		verdict = zdm_verify_leaf_lock(proof->v, proof->leaf, &rel);
		if (verdict == ZDM_GONE)
			continue;
		if (verdict != ZDM_DONE)
			return verdict;
		if (is_scanned(proof, rel))
			continue;
		relation_close(rel, NoLock);
		result = ZDM_FOUND;
	}
	return result;
}

static void
close_leaves(Proof *proof)
{
	ListCell   *lc;

	foreach(lc, proof->leaves)
		relation_close(((ProofLeaf *) lfirst(lc))->rel, NoLock);
}

static void
read_leaf(Proof *proof, const ProofLeaf *leaf)
{
	ZdmVerify  *v = proof->v;
	ZdmLook		look = {.to = RelationGetNumberOfBlocks(leaf->rel),.seen = leaf->seen,
	.stop = must_stop,.stop_arg = proof};

	proof->leaf = RelationGetRelid(leaf->rel);
	zdm_verify_look(v, leaf->rel, &look);
	proof->next.rows_again += look.rows;
	proof->next.inconsistent += look.inconsistent;
	v->listed += look.listed;
}

static ZdmVerdict
read_leaves(Proof *proof)
{
	ListCell   *lc;

	if (zdm_max_snapshot_age == 0)
		return ZDM_SLOW;
	INSTR_TIME_SET_CURRENT(proof->start);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, proof->leaves)
	{
		read_leaf(proof, lfirst(lc));
		if (proof->stopped_by != ZDM_DONE)
			break;
	}
	PopActiveSnapshot();
	return proof->next.inconsistent > 0 ? ZDM_DONE : proof->stopped_by;
}

static ZdmVerdict
proof_body(ZdmRun *base, void *arg)
{
	Proof	   *proof = arg;
	ZdmVerdict	verdict;

	PushActiveSnapshot(GetTransactionSnapshot());
	verdict = open_leaves(proof);
	PopActiveSnapshot();

	/*
	 * a younger one: what an older one sees of a table rewritten meanwhile is
	 * nothing
	 */
	proof->opened = verdict == ZDM_DONE;
	if (proof->opened)
		verdict = read_leaves(proof);
	close_leaves(proof);
	if (verdict == ZDM_DONE)
		zdm_verify_cursor_store(&proof->next);
	return verdict;
}

static ZdmVerdict
attempt(ZdmVerify *v, Proof *proof, ZdmError **error)
{
	int			listed = v->listed;
	ZdmVerdict	verdict;

	MemoryContextReset(v->base.batch_mcxt);
	proof->leaves = NIL;
	proof->opened = false;
	proof->stopped_by = ZDM_DONE;
	proof->waiters_at = 0;
	proof->next = v->cursor;
	proof->next.retries = v->base.retries;
	ItemPointerSetInvalid(&v->error_row);
	verdict = zdm_txn(&v->base, 0, proof_body, proof, error);
	if (verdict == ZDM_DONE)
		v->cursor = proof->next;
	else
		v->listed = listed;
	return verdict;
}

/* All leaves were scanned, and nothing was found. */
ZdmVerifyProof
zdm_verify_proof(ZdmVerify *v)
{
	Proof		proof = {.v = v};
	ZdmError   *error;
	ZdmVerdict	verdict;

	v->row_by_row = false;
	for (;;)
	{
		verdict = attempt(v, &proof, &error);
		switch (verdict)
		{
			case ZDM_DONE:
				zdm_run_progressed(&v->base);
				return v->cursor.inconsistent > 0 ? ZDM_VERIFY_FOUND : ZDM_VERIFY_PROVED;
			case ZDM_FOUND:
				zdm_run_progressed(&v->base);
				return ZDM_VERIFY_LEAF_LEFT;
			case ZDM_SLOW:
				return ZDM_VERIFY_TOO_LONG;
			default:
				break;
		}
		if (verdict == ZDM_TOO_LONG && proof.opened)
			return ZDM_VERIFY_TOO_LONG; /* "snapshot too old" */
		if (proof.stopped_by == ZDM_BUSY && ++proof.interruptions >= MOST_INTERRUPTIONS)
			return ZDM_VERIFY_TOO_LONG;
		if (verdict == ZDM_ROW_ERROR && !v->row_by_row && ItemPointerIsValid(&v->error_row))
			v->row_by_row = true;
		else if (!zdm_verdict_try_again(&v->base, proof.leaf, verdict, error))
			return ZDM_VERIFY_RUN_ENDED;
	}
}
