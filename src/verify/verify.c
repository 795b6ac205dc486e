/*
 * verify.c
 *	  The kind of job "verify", from start to end: scan all leaves in chunks,
 *	  then say what that shows (proof.c).  The same as a step of a job of
 *	  another kind.
 *
 * Nothing is changed.  Between two chunks nothing is held: no snapshot, no
 * lock.  A chunk, its counts and its place are one transaction.  A leaf whose
 * storage is another, or whose rows are to be judged otherwise, is scanned from
 * its start.  Rows that are not consistent are counted to the end of the scan;
 * then the job fails.
 */
#include "postgres.h"

#include "access/relation.h"
#include "core/settings.h"
#include "mapping/require.h"
#include "miscadmin.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "scan/leaves.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "verify/run.h"
#include "verify/sample.h"
#include "verify/verify.h"

/* duration that a chunk aims at, unless the job has one of its own */
#define CHUNK_MS 75
#define LONGEST_CHUNK_MS 500

#define FIRST_CHUNK_BLOCKS 256
#define LARGEST_CHUNK_BLOCKS (1 << 20)

/* pause after a leaf is gone that was listed a moment before */
#define GONE_MS 10.0

/* passes over a target that is too large for one snapshot */
#define MOST_PASSES 2

/* ---------- the run ---------- */

/* Step: load everything the run needs. */
static void
load_step(void *arg)
{
	ZdmVerify  *v = arg;
	MemoryContext old = MemoryContextSwitchTo(v->base.run_mcxt);

	v->spec = zdm_verify_load(v->base.job->id);
	if (v->spec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.verification", v->base.job->id),
				 errhint("Cancel the job and start it under another name.")));
	v->spec->target = v->base.job->target;
	zdm_verify_cursor_load(v->base.job->id, &v->cursor, v->base.run_mcxt);
	v->listed = zdm_sample_count(v->base.job->id);
	v->base.retries = v->cursor.retries;
	v->base.activity = psprintf("verify mapping " INT64_FORMAT " of %s.%s", v->spec->mapping_id,
								v->base.job->target_schema, v->base.job->target_name);
	MemoryContextSwitchTo(old);
}

static void
apply_settings(ZdmRun *base)
{
	ZdmVerify  *v = (ZdmVerify *) base;

	if (v->mapping)
		zdm_session_apply(&v->mapping->settings);
}

static ZdmVerify *
create_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm verification",
											   ALLOCSET_DEFAULT_SIZES);
	ZdmVerify  *v = MemoryContextAllocZero(mcxt, sizeof(ZdmVerify));

	zdm_run_init(&v->base, job, mcxt);
	v->base.only_reads = true;
	v->base.apply_settings = apply_settings;
	INSTR_TIME_SET_CURRENT(v->rate_since);
	zdm_pace_init(&v->pace, FIRST_CHUNK_BLOCKS, LARGEST_CHUNK_BLOCKS);
	return v;
}

/* Run body until it is done, or gives a verdict that the caller knows better. */
static ZdmVerdict
until_done(ZdmVerify *v, ZdmTxnBody body, void *arg)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		MemoryContextReset(v->base.batch_mcxt);
		verdict = zdm_txn(&v->base, 0, body, arg, &error);
		if (verdict == ZDM_DONE || verdict == ZDM_GONE)
		{
			zdm_run_progressed(&v->base);
			return verdict;
		}
		if (!zdm_verdict_try_again(&v->base,
								   OidIsValid(v->cursor.leaf) ? v->cursor.leaf : v->spec->target,
								   verdict, error))
			return ZDM_STOP;
	}
}

/* ---------- the beginning ---------- */

static ZdmVerdict
read_mapping_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	Relation	target;
	ZdmVerdict	verdict = ZDM_OTHER_OWNER;

	if (!ConditionalLockRelationOid(v->spec->target, AccessShareLock))
		return ZDM_BUSY;
	target = try_relation_open(v->spec->target, NoLock);
	if (target == NULL)
		return ZDM_GONE;
	if (target->rd_rel->relowner == base->owner)
		verdict = zdm_verify_mapping_read(v, target);
	relation_close(target, NoLock);
	return v->mapping ? ZDM_DONE : verdict;
}

/* By the statistics: rows of blocks of the leaves.  One that somebody has locked is left out. */
static int64
estimate_rows(Oid target)
{
	double		rows = 0;
	ListCell   *lc;

	foreach(lc, zdm_leaf_list(target))
	{
		Relation	rel;

		CHECK_FOR_INTERRUPTS();
		if (!ConditionalLockRelationOid(lfirst_oid(lc), AccessShareLock))
			continue;
		rel = try_relation_open(lfirst_oid(lc), NoLock);
		if (rel == NULL)
			continue;
		if (rel->rd_rel->relpages > 0 && rel->rd_rel->reltuples > 0)
			rows += rel->rd_rel->reltuples / rel->rd_rel->relpages * RelationGetNumberOfBlocks(rel);
		relation_close(rel, AccessShareLock);
	}
	return (int64) rows;
}

static void
forget_leaf(ZdmVerifyCursor *next)
{
	next->leaf = next->leaf_filenode = InvalidOid;
	next->leaf_premises = NULL;
	memset(&next->leaf_mark, 0, sizeof(ZdmPageMark));
	memset(&next->leaf_seen, 0, sizeof(ZdmPageMark));
	next->leaf_blocks = next->next_block = 0;
	next->leaf_rows = next->leaf_inconsistent = 0;
}

static void
begin_pass(ZdmVerify *v, ZdmVerifyCursor *next)
{
	next->phase = ZDM_VERIFY_SCAN;
	next->pass++;
	forget_leaf(next);
	next->total = zdm_leaf_total_blocks(v->spec->target);
	next->done = 0;
	next->seconds_left = -1;
	next->retries = v->base.retries;
}

/* Body: begin, forgetting what a former verification has found. */
static ZdmVerdict
begin_anew_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifyCursor next = v->cursor;

	next.pass = 0;
	next.rows = next.rows_again = next.inconsistent = next.chunks = next.restarts = 0;
	next.work_ms = next.longest_ms = 0;
	begin_pass(v, &next);
	next.rows_estimated = estimate_rows(v->spec->target);
	zdm_verify_store_begin(v->base.job->id, zdm_mapping_describe(v->mapping));
	zdm_verify_cursor_store(&next);
	v->cursor = next;
	v->listed = 0;
	return ZDM_DONE;
}

/* False when the run has ended. */
static bool
begin(ZdmVerify *v)
{
	ZdmVerdict	verdict;

	if (!zdm_run_bookkeep(&v->base, load_step, v))
		return false;
	verdict = until_done(v, read_mapping_body, NULL);
	if (verdict == ZDM_DONE &&
		(v->cursor.phase == ZDM_VERIFY_ENDED || v->cursor.pass == 0 || v->cursor.foreign_place))
		verdict = until_done(v, begin_anew_body, NULL);
	if (verdict == ZDM_GONE)
		(void) zdm_run_target_is_gone(&v->base);
	return verdict == ZDM_DONE;
}

/* ---------- which leaf ---------- */

/* Has this pass gone through the leaf? */
static bool
is_done(const ZdmVerify *v, Oid leaf)
{
	ZdmVerifiedLeaf known;

	return zdm_verified_leaf_load(v->base.job->id, leaf, &known) && known.pass >= v->cursor.pass;
}

/* The first leaf that is left, from that place of the list on. */
static Oid
first_left(const ZdmVerify *v, const List *leaves, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_done(v, list_nth_oid(leaves, i)))
			return list_nth_oid(leaves, i);
	}
	return InvalidOid;
}

/*
 * Body: whose turn it is, in *arg; InvalidOid when this pass has gone through
 * all leaves.  In the order of OIDs, and from the start for those that have
 * come since, or are to be scanned again.
 */
static ZdmVerdict
next_leaf_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	List	   *leaves;
	int			here = 0;
	Oid			next;

	/* without one, a partition that is being detached is listed, too */
	PushActiveSnapshot(GetTransactionSnapshot());
	leaves = zdm_leaf_list(v->spec->target);
	while (here < list_length(leaves) && list_nth_oid(leaves, here) < v->cursor.leaf)
		here++;
	next = first_left(v, leaves, here, list_length(leaves));
	if (!OidIsValid(next))
		next = first_left(v, leaves, 0, here);
	*(Oid *) arg = next;
	return ZDM_DONE;
}

/* Where the pass before has seen the leaf as it is, what it has seen is left out. */
static void
load_seen(const ZdmVerify *v, ZdmVerifyCursor *next)
{
	ZdmVerifiedLeaf known;

	memset(&next->leaf_seen, 0, sizeof(ZdmPageMark));
	if (zdm_verified_leaf_load(v->base.job->id, next->leaf, &known) &&
		known.filenode == next->leaf_filenode && strcmp(known.premises, next->leaf_premises) == 0)
		next->leaf_seen = known.mark;
}

/* Body: the cursor enters the leaf *arg. */
static ZdmVerdict
enter_leaf_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifyCursor next = v->cursor;
	Relation	rel;
	ZdmVerdict	verdict;

	PushActiveSnapshot(GetTransactionSnapshot());
	verdict = zdm_verify_leaf_lock(v, *(Oid *) arg, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	next.done += next.leaf_blocks;
	forget_leaf(&next);
	next.leaf = RelationGetRelid(rel);
	next.leaf_filenode = rel->rd_rel->relfilenode;
	next.leaf_premises = MemoryContextStrdup(v->base.run_mcxt, zdm_verify_premises(v, rel));
	zdm_page_mark_now(rel, &next.leaf_mark);
	next.leaf_blocks = RelationGetNumberOfBlocks(rel);
	load_seen(v, &next);
	zdm_verify_cursor_store(&next);
	relation_close(rel, NoLock);
	v->cursor = next;
	return ZDM_DONE;
}

/* What the scan of the cursor's leaf has found does not count. */
static void
take_back(ZdmVerify *v, ZdmVerifyCursor *next)
{
	next->inconsistent -= next->leaf_inconsistent;
	if (next->pass == 1)
		next->rows -= next->leaf_rows;
	next->leaf_rows = next->leaf_inconsistent = 0;
	zdm_verified_leaf_forget(v->base.job->id, next->leaf);
	v->listed = zdm_sample_count(v->base.job->id);
}

/* Body: the cursor's leaf is to be scanned from its start, or is no more part of the target. */
static ZdmVerdict
leave_leaf_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifyCursor next = v->cursor;

	take_back(v, &next);
	if (*(bool *) arg)
		next.restarts++;
	next.leaf_blocks = next.next_block = 0;
	next.leaf_filenode = InvalidOid;
	zdm_verify_cursor_store(&next);
	v->cursor = next;
	return ZDM_DONE;
}

static bool
leave_leaf(ZdmVerify *v, bool restart)
{
	if (restart)
		zdm_note_event(&v->base, "started over",
					   "the table has other storage, or its rows are to be compared otherwise");
	return !v->base.ended && until_done(v, leave_leaf_body, &restart) == ZDM_DONE;
}

/* Body: the pass has gone through the cursor's leaf. */
static ZdmVerdict
finish_leaf_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifiedLeaf leaf = {.leaf = v->cursor.leaf,.filenode = v->cursor.leaf_filenode,
	.premises = v->cursor.leaf_premises,.pass = v->cursor.pass,.mark = v->cursor.leaf_mark};

	zdm_verified_leaf_store(v->base.job->id, &leaf);
	return ZDM_DONE;
}

/* ---------- a chunk ---------- */

static double
ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

typedef struct Chunk
{
	ZdmLook		look;
	instr_time	start;
	double		stop_ms;		/* end it once it has taken this long */
	ZdmVerifyCursor next;		/* the cursor after it */
} Chunk;

static bool
time_is_up(void *arg)
{
	Chunk	   *chunk = arg;

	return ms_since(chunk->start) >= chunk->stop_ms;
}

static void
advance(ZdmVerify *v, Chunk *chunk)
{
	ZdmVerifyCursor *next = &chunk->next;
	const ZdmLook *look = &chunk->look;
	int64		left;

	next->next_block = look->next;
	next->leaf_rows += look->rows;
	next->leaf_inconsistent += look->inconsistent;
	next->inconsistent += look->inconsistent;
	if (next->pass == 1)
		next->rows += look->rows;
	else
		next->rows_again += look->rows;
	next->chunks++;
	next->retries = v->base.retries;
	next->rows_per_second = v->pace.rows_per_second;
	left = Max(next->total, next->done + next->leaf_blocks) - next->done - next->next_block;
	next->seconds_left = v->pace.units_per_second > 0 ? left / v->pace.units_per_second : -1;
}

static void
look_at_chunk(ZdmVerify *v, Relation rel, ZdmLook *look)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);

	look->to = Min(look->to, blocks);
	look->next = look->from;
	if (look->from < look->to)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		zdm_verify_look(v, rel, look);
		PopActiveSnapshot();
	}
	if (look->next >= blocks)
		look->next = v->cursor.leaf_blocks; /* it may have become shorter */
}

static ZdmVerdict
chunk_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	Chunk	   *chunk = arg;
	ZdmVerdict	verdict;
	Relation	rel;

	PushActiveSnapshot(GetTransactionSnapshot());
	verdict = zdm_verify_leaf_lock(v, v->cursor.leaf, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	if (rel->rd_rel->relfilenode != v->cursor.leaf_filenode ||
		strcmp(zdm_verify_premises(v, rel), v->cursor.leaf_premises) != 0)
		verdict = ZDM_REWRITTEN;
	PopActiveSnapshot();

	/*
	 * a younger one: what an older one sees of a table rewritten meanwhile is
	 * nothing
	 */
	if (verdict == ZDM_DONE)
	{
		look_at_chunk(v, rel, &chunk->look);
		advance(v, chunk);
		zdm_verify_cursor_store(&chunk->next);
	}
	relation_close(rel, NoLock);
	return verdict;
}

static void
set_target(const ZdmVerify *v, ZdmPaceTarget *target)
{
	zdm_pause_target(&v->base, target);
	if (target->batch_time == zdm_batch_time)
		target->batch_time = CHUNK_MS;
	target->batch_time = Min(target->batch_time, LONGEST_CHUNK_MS);
}

/* Keep what was stored, and owe the pause.  False when the run has ended. */
static bool
after_chunk(ZdmVerify *v, const Chunk *chunk, double ms)
{
	int			blocks = chunk->look.next - chunk->look.from;
	ZdmPaceSample sample = {.units = blocks,.rows = chunk->look.rows,.work_ms = ms};
	ZdmPaceTarget target;
	bool		go_on;

	v->cursor = chunk->next;
	v->cursor.work_ms += ms;
	v->cursor.longest_ms = Max(v->cursor.longest_ms, ms);
	v->listed += chunk->look.listed;
	v->row_by_row = false;
	zdm_run_progressed(&v->base);
	zdm_say_progress(&v->base);
	set_target(v, &target);
	zdm_pace_adjust(&v->pace, &sample, &target);
	go_on = zdm_pause_for_duty(&v->base, &sample);
	zdm_pace_note_rate(&v->pace, chunk->look.rows, blocks, ms_since(v->rate_since));
	INSTR_TIME_SET_CURRENT(v->rate_since);
	return go_on;
}

static void
prepare_chunk(ZdmVerify *v, Chunk *chunk)
{
	ZdmPaceTarget target;

	memset(chunk, 0, sizeof(Chunk));
	set_target(v, &target);
	chunk->stop_ms = Min(target.batch_time * 2, LONGEST_CHUNK_MS);
	chunk->look.from = v->cursor.next_block;
	chunk->look.to = Min((int64) chunk->look.from + v->pace.size, (int64) v->cursor.leaf_blocks);
	chunk->look.seen = v->cursor.leaf_seen;
	chunk->look.stop = time_is_up;
	chunk->look.stop_arg = chunk;
	chunk->next = v->cursor;
	ItemPointerSetInvalid(&v->error_row);
	INSTR_TIME_SET_CURRENT(chunk->start);
}

/*
 * One chunk of the cursor's leaf.  ZDM_DONE, ZDM_GONE, ZDM_REWRITTEN; ZDM_STOP
 * when the run has ended.
 */
static ZdmVerdict
do_chunk(ZdmVerify *v)
{
	for (;;)
	{
		Chunk		chunk;
		ZdmVerdict	verdict;
		ZdmError   *error;

		MemoryContextReset(v->base.batch_mcxt);
		prepare_chunk(v, &chunk);
		verdict = zdm_txn(&v->base, 0, chunk_body, &chunk, &error);
		if (verdict == ZDM_DONE)
			return after_chunk(v, &chunk, ms_since(chunk.start)) ? ZDM_DONE : ZDM_STOP;
		if (verdict == ZDM_GONE || verdict == ZDM_REWRITTEN)
			return verdict;
		if (verdict == ZDM_ROW_ERROR && !v->row_by_row && ItemPointerIsValid(&v->error_row))
			v->row_by_row = true;
		else if (!zdm_verdict_try_again(&v->base, v->cursor.leaf, verdict, error))
			return ZDM_STOP;
	}
}

/* ---------- a pass ---------- */

/* From the cursor to the end of its leaf.  False when the run has ended. */
static bool
scan_leaf(ZdmVerify *v)
{
	while (v->cursor.next_block < v->cursor.leaf_blocks)
	{
		switch (do_chunk(v))
		{
			case ZDM_DONE:
				break;
			case ZDM_GONE:
				return leave_leaf(v, false);
			case ZDM_REWRITTEN:
				return leave_leaf(v, true);
			default:
				return false;
		}
	}
	return until_done(v, finish_leaf_body, NULL) == ZDM_DONE;
}

/* Through all leaves that are left in this pass.  False when the run has ended. */
static bool
scan_all(ZdmVerify *v)
{
	for (;;)
	{
		Oid			leaf;

		if (until_done(v, next_leaf_body, &leaf) != ZDM_DONE)
			return false;
		if (!OidIsValid(leaf))
			return !zdm_run_target_is_gone(&v->base);
		if (leaf != v->cursor.leaf || !OidIsValid(v->cursor.leaf_filenode))
		{
			ZdmVerdict	verdict = until_done(v, enter_leaf_body, &leaf);

			if (verdict == ZDM_GONE && zdm_pause(&v->base, GONE_MS))
				continue;		/* the list will not have it any more */
			if (verdict != ZDM_DONE)
				return false;
		}
		if (!scan_leaf(v))
			return false;
	}
}

static ZdmVerdict
set_phase_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifyCursor next = v->cursor;

	next.phase = *(ZdmVerifyPhase *) arg;
	if (next.phase == ZDM_VERIFY_SCAN)
	{
		next.done += next.leaf_blocks;
		forget_leaf(&next);
	}
	zdm_verify_cursor_store(&next);
	v->cursor = next;
	v->listed = zdm_sample_count(v->base.job->id);
	return ZDM_DONE;
}

static bool
set_phase(ZdmVerify *v, ZdmVerifyPhase phase)
{
	return until_done(v, set_phase_body, &phase) == ZDM_DONE;
}

static ZdmVerdict
next_pass_body(ZdmRun *base, void *arg)
{
	ZdmVerify  *v = (ZdmVerify *) base;
	ZdmVerifyCursor next = v->cursor;

	begin_pass(v, &next);
	zdm_verify_cursor_store(&next);
	v->cursor = next;
	return ZDM_DONE;
}

/* ---------- the end ---------- */

/* Step: the result and the last figures. */
typedef struct Ending
{
	ZdmVerify  *v;
	ZdmVerifyResult result;
} Ending;

static void
store_result_step(void *arg)
{
	Ending	   *ending = arg;
	ZdmVerifyCursor next = ending->v->cursor;

	next.phase = ZDM_VERIFY_ENDED;
	next.retries = ending->v->base.retries;
	next.seconds_left = -1;
	zdm_verify_cursor_store(&next);
	zdm_verify_store_result(&next, &ending->result);
}

static ZdmError *
inconsistency(const ZdmVerify *v)
{
	const ZdmJob *job = v->base.job;
	int64		found = v->cursor.inconsistent;
	ZdmError   *error;
	char	   *hint = psprintf("They are in zdm.inconsistent_rows. zdm.repair(%s, " INT64_FORMAT ") computes the new column anew; then zdm.retry_job(" INT64_FORMAT ") looks at all rows again.",
								quote_literal_cstr(quote_qualified_identifier(job->target_schema, job->target_name)),
								v->spec->mapping_id, job->id);

	error = zdm_error_make(v->base.batch_mcxt, ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION, hint,
						   INT64_FORMAT " %s of table \"%s.%s\" %s not consistent with mapping " INT64_FORMAT,
						   found, found == 1 ? "row" : "rows", job->target_schema, job->target_name,
						   found == 1 ? "is" : "are", v->spec->mapping_id);
	error->detail = psprintf(INT64_FORMAT " rows were looked at, " INT64_FORMAT " of them again.",
							 v->cursor.rows, v->cursor.rows_again);
	return error;
}

static void
end_run(ZdmVerify *v, bool at_one_instant)
{
	Ending		ending = {.v = v,.result = {.clean = v->cursor.inconsistent == 0,.at_one_instant = at_one_instant}};

	if (!zdm_run_bookkeep(&v->base, store_result_step, &ending))
		return;
	zdm_run_end(&v->base, ending.result.clean ? ZDM_RUN_DONE : ZDM_RUN_FAILED,
				ending.result.clean ? NULL : inconsistency(v));
}

/* All leaves are scanned: end the run, or say that there is more to scan. */
static void
conclude(ZdmVerify *v)
{
	if (v->cursor.inconsistent > 0)
	{
		end_run(v, false);
		return;
	}
	switch (zdm_verify_proof(v))
	{
		case ZDM_VERIFY_PROVED:
			end_run(v, true);
			break;
		case ZDM_VERIFY_FOUND:
			end_run(v, false);
			break;
		case ZDM_VERIFY_LEAF_LEFT:
			(void) set_phase(v, ZDM_VERIFY_SCAN);
			break;
		case ZDM_VERIFY_TOO_LONG:
			if (v->cursor.pass >= MOST_PASSES)
				end_run(v, false);
			else
				(void) until_done(v, next_pass_body, NULL);
			break;
		case ZDM_VERIFY_RUN_ENDED:
			break;
	}
}

static ZdmRunOutcome
go_on(ZdmVerify *v)
{
	zdm_txn_init();
	if (!begin(v))
		return v->base.outcome;
	while (!v->base.ended)
	{
		if (v->cursor.phase == ZDM_VERIFY_SCAN &&
			(!scan_all(v) || !set_phase(v, ZDM_VERIFY_PROOF)))
			break;
		if (!v->base.ended)
			conclude(v);
	}
	if (!v->base.ended || v->base.outcome.result != ZDM_RUN_STOPPED)
		zdm_say_working(&v->base);
	return v->base.outcome;
}

/*
 * Run a verification to its end, or until somebody stops it.  Outside of any
 * transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_verify_run(const ZdmJob *job)
{
	return go_on(create_run(job));
}

/* what prepare_step() needs */
typedef struct Preparation
{
	ZdmVerifySpec spec;			/* wanted */
	ZdmJob	   *job;			/* gets the names of the spec's target */
	MemoryContext mcxt;			/* of those */
} Preparation;

/* Step: make this the verification of the job, unless it is, perhaps begun. */
static void
prepare_step(void *arg)
{
	Preparation *preparation = arg;
	ZdmVerifySpec *wanted = &preparation->spec;
	ZdmJob	   *job = preparation->job;
	ZdmVerifySpec *there = zdm_verify_load(job->id);
	char	   *name = get_rel_name(wanted->target);

	if (name)
	{
		job->target_name = MemoryContextStrdup(preparation->mcxt, name);
		job->target_schema = MemoryContextStrdup(preparation->mcxt,
												 get_namespace_name(get_rel_namespace(wanted->target)));
	}
	if (there && there->target == wanted->target && there->mapping_id == wanted->mapping_id)
		return;
	zdm_verify_discard(job->id);
	zdm_verify_store(job->id, wanted);
}

/*
 * A verification of a table as a step of a job of another kind.  Where the job
 * has the same one, begun, that goes on; one that has ended is done again;
 * another one is forgotten.  Called likewise.
 */
ZdmRunOutcome
zdm_verify_run_for(const ZdmJob *job, Oid target, int64 mapping_id)
{
	ZdmJob	   *own = MemoryContextAlloc(TopMemoryContext, sizeof(ZdmJob));
	Preparation preparation = {.spec = {.target = target,.mapping_id = mapping_id},.job = own};
	ZdmVerify  *v;

	*own = *job;
	own->target = target;
	v = create_run(own);
	preparation.mcxt = v->base.run_mcxt;
	if (!zdm_run_bookkeep(&v->base, prepare_step, &preparation))
		return v->base.outcome;
	return go_on(v);
}
