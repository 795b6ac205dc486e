/*
 * validation.c
 *	  The kind of job "validation", from start to end: choose a method; then,
 *	  relation by relation from the bottom up, scan in chunks and mark.
 *
 * Between two chunks nothing is held: no snapshot, no lock.  A chunk, its
 * counters and its place are one transaction.  A premise that no longer holds
 * makes the scan of the relation start over; rows that break the constraint
 * are listed and counted to the end of the last relation, then the job fails
 * and the constraint stays as it is.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "constraint/guard.h"
#include "constraint/hierarchy.h"
#include "constraint/mark.h"
#include "constraint/native.h"
#include "constraint/step.h"
#include "constraint/target.h"
#include "constraint/validation.h"
#include "core/clock.h"
#include "core/settings.h"
#include "lib/stringinfo.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "violation/violation.h"

/* duration that a chunk aims at, unless the job has one of its own */
#define CHUNK_MS 75
#define LONGEST_CHUNK_MS 500

/* ---------- the run ---------- */

/* Step: load everything the run needs. */
static void
load_step(void *arg)
{
	ZdmValidation *v = arg;
	MemoryContext old = MemoryContextSwitchTo(v->base.run_mcxt);

	v->spec = zdm_validation_load(v->base.job->id);
	if (v->spec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.validation", v->base.job->id),
				 errhint("Cancel the job and start it under another name.")));
	zdm_validation_cursor_load(v->base.job->id, &v->cursor, v->base.run_mcxt);
	v->base.retries = v->cursor.retries;
	v->base.activity = psprintf("validate constraint %s of %s.%s", v->spec->constraint_name,
								v->base.job->target_schema, v->base.job->target_name);
	MemoryContextSwitchTo(old);
}

static void
apply_settings(ZdmRun *base)
{
	zdm_session_apply(&((ZdmValidation *) base)->spec->settings);
}

static ZdmValidation *
create_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm validation",
											   ALLOCSET_DEFAULT_SIZES);
	ZdmValidation *v = MemoryContextAllocZero(mcxt, sizeof(ZdmValidation));

	zdm_run_init(&v->base, job, mcxt);
	v->base.only_reads = true;
	v->base.apply_settings = apply_settings;
	v->scan_mcxt = AllocSetContextCreate(mcxt, "zdm scan", ALLOCSET_DEFAULT_SIZES);
	INSTR_TIME_SET_CURRENT(v->rate_since);
	return v;
}

/* ---------- the cursor ---------- */

static char *
run_text(ZdmValidation *v, const char *text)
{
	return text ? MemoryContextStrdup(v->base.run_mcxt, text) : NULL;
}

/* As if nothing had been scanned; the method stays. */
static void
forget_scan(ZdmValidationCursor *next)
{
	next->phase = ZDM_VALIDATION_SCAN;
	next->leaf = next->leaf_filenode = next->leaf_constraint = InvalidOid;
	next->premises = NULL;
	next->next_block = 0;
	next->position = NULL;
	next->scanned = false;
	next->fresh = true;
	next->leaf_total = next->leaf_done = next->leaf_violations = 0;
	next->left_behind = NULL;
	next->done = next->rows = next->violations = 0;
	next->seconds_left = -1;
}

/*
 * Body: begin anew, forgetting what was found.  What has been marked stays
 * marked.
 */
static ZdmVerdict
begin_anew_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmValidationCursor next = v->cursor;

	forget_scan(&next);
	if (*(bool *) arg)
		next.restarts++;
	else
		next.method = next.method_reason = NULL;
	next.retries = v->base.retries;
	zdm_violation_clear(v->base.job->id);
	zdm_validation_cursor_store(&next);
	v->cursor = next;
	return ZDM_DONE;
}

/* Run body until it is done, or gives a verdict that the caller knows better. */
static ZdmVerdict
until_done(ZdmValidation *v, ZdmTxnBody body, void *arg)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		MemoryContextReset(v->base.batch_mcxt);
		verdict = zdm_txn(&v->base, 0, body, arg, &error);
		switch (verdict)
		{
			case ZDM_DONE:
			case ZDM_GONE:
			case ZDM_REWRITTEN:
			case ZDM_FOUND:
				zdm_run_progressed(&v->base);
				return verdict;
			default:
				if (!zdm_verdict_try_again(&v->base,
										   OidIsValid(v->cursor.leaf) ? v->cursor.leaf : v->spec->target,
										   verdict, error))
					return ZDM_STOP;
		}
	}
}

static bool
begin_anew(ZdmValidation *v, bool restart)
{
	return until_done(v, begin_anew_body, &restart) == ZDM_DONE;
}

/* A premise of the scan no longer holds. */
static bool
start_over(ZdmValidation *v)
{
	zdm_note_event(&v->base, "started over",
				   "the table has other storage, or what the constraint relies on has changed");
	return !v->base.ended && begin_anew(v, true);
}

/* ---------- the method ---------- */

static ZdmVerdict
choose_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmValidationCursor next = v->cursor;
	const char *method;
	const char *why;
	ZdmConstraint *top;

	PushActiveSnapshot(GetTransactionSnapshot());
	top = zdm_step_top(v);
	if (top == NULL)
		return ZDM_GONE;
	if (!zdm_target_choose(top, v->spec->method, &method, &why))
		return ZDM_BUSY;
	next.method = run_text(v, method);
	next.method_reason = run_text(v, why);
	next.phase = zdm_scan_method_find(method) ? ZDM_VALIDATION_SCAN : ZDM_VALIDATION_NATIVE;
	zdm_hierarchy_size(top, &next.total, &next.rows_estimated);
	zdm_validation_cursor_store(&next);
	v->cursor = next;
	return ZDM_DONE;
}

/* False when the run has ended. */
static bool
choose(ZdmValidation *v)
{
	if (v->cursor.method == NULL &&
		until_done(v, choose_body, NULL) != ZDM_DONE)
	{
		if (!v->base.ended)
			(void) zdm_run_target_is_gone(&v->base);
		return false;
	}
	v->method = zdm_scan_method_find(v->cursor.method);
	if (v->method)
		zdm_pace_init(&v->pace, v->method->first_units, v->method->max_units);
	return true;
}

/* ---------- which relation ---------- */

/* what next_body() finds */
typedef struct Turn
{
	Oid			relid;			/* InvalidOid: none is left */
	bool		is_parent;		/* it has no storage */
} Turn;

static ZdmVerdict
enter_leaf(ZdmValidation *v, Oid relid)
{
	ZdmValidationCursor next = v->cursor;
	ZdmConstraint *constraint;
	Relation	rel;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return ZDM_BUSY;
	rel = try_relation_open(relid, NoLock);
	constraint = rel ? zdm_step_constraint(v, relid) : NULL;
	if (constraint == NULL)
		return ZDM_BUSY;		/* look again who is next */
	if (rel->rd_rel->relowner != v->base.owner)
		return ZDM_OTHER_OWNER;
	zdm_target_require_fit(v->method, constraint, rel);

	next.done += next.leaf_total;
	next.leaf = relid;
	next.leaf_filenode = rel->rd_rel->relfilenode;
	next.leaf_constraint = constraint->oid;
	next.premises = v->method->premises ? run_text(v, v->method->premises(constraint, rel)) : NULL;
	next.next_block = 0;
	next.position = NULL;
	next.scanned = false;
	next.fresh = true;
	next.leaf_total = next.leaf_done = next.leaf_violations = 0;
	zdm_validation_cursor_store(&next);
	relation_close(rel, NoLock);
	v->cursor = next;
	return ZDM_DONE;
}

/*
 * Body: whose turn it is; the cursor then is at the start of that relation, or
 * where it was when it is the same one.
 */
static ZdmVerdict
next_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	Turn	   *turn = arg;
	ZdmConstraint *top;

	PushActiveSnapshot(GetTransactionSnapshot());
	top = zdm_step_top(v);
	if (top == NULL)
		return ZDM_GONE;
	turn->relid = zdm_hierarchy_next(top, v->cursor.left_behind);
	if (!OidIsValid(turn->relid))
		return ZDM_DONE;
	turn->is_parent = get_rel_relkind(turn->relid) == RELKIND_PARTITIONED_TABLE;
	if (turn->is_parent || turn->relid == v->cursor.leaf)
		return ZDM_DONE;
	return enter_leaf(v, turn->relid);
}

/* Body: the relation *arg is done with, although it cannot be marked. */
static ZdmVerdict
leave_behind_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmValidationCursor next = v->cursor;
	MemoryContext old = MemoryContextSwitchTo(v->base.run_mcxt);

	next.left_behind = psprintf("%s%u,", next.left_behind ? next.left_behind : "", *(Oid *) arg);
	MemoryContextSwitchTo(old);
	zdm_validation_cursor_store(&next);
	v->cursor = next;
	return ZDM_DONE;
}

/* ---------- the scan ---------- */

/*
 * Body: know the constraint of the cursor's leaf, in a worker that has just
 * entered it or that goes on with it.
 */
static ZdmVerdict
attach_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	MemoryContext old;
	Relation	rel;
	ZdmVerdict	verdict;

	v->constraint = NULL;
	v->state = NULL;
	MemoryContextReset(v->scan_mcxt);
	PushActiveSnapshot(GetTransactionSnapshot());
	verdict = zdm_step_open(v, AccessShareLock, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	old = MemoryContextSwitchTo(v->scan_mcxt);
	v->constraint = zdm_step_constraint(v, v->cursor.leaf);
	v->leaf_name = pstrdup(RelationGetRelationName(rel));
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);
	return ZDM_DONE;
}

static bytea *
run_bytea(ZdmValidation *v, bytea *value)
{
	if (value == NULL || value == v->cursor.position)
		return value;
	return memcpy(MemoryContextAlloc(v->base.run_mcxt, VARSIZE_ANY(value)), value, VARSIZE_ANY(value));
}

/* The cursor after a chunk. */
static void
advance(ZdmValidation *v, const ZdmChunk *chunk, ZdmValidationCursor *next)
{
	next->next_block = chunk->next_block;
	next->position = run_bytea(v, chunk->position);
	next->scanned = chunk->last;
	next->fresh = false;
	next->leaf_done += chunk->units_done;
	next->leaf_total = Max(chunk->units_total, next->leaf_done);
	next->leaf_violations += chunk->violations;
	next->violations += chunk->violations - chunk->again;
	next->rows += chunk->rows;
	next->chunks++;
	next->retries = v->base.retries;
	next->rows_per_second = v->pace.rows_per_second;
	next->seconds_left = v->pace.units_per_second > 0 ?
		(Max(next->total, next->done + next->leaf_total) - next->done - next->leaf_done) /
		v->pace.units_per_second : -1;
}

static ZdmVerdict
chunk_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmChunk   *chunk = arg;
	ZdmValidationCursor next = v->cursor;
	Relation	rel;
	ZdmVerdict	verdict;

	v->list_is_full = false;
	verdict = zdm_step_open(v, AccessShareLock, &rel);
	if (verdict != ZDM_DONE)
		return verdict;
	verdict = v->method->chunk(v, rel, chunk);
	relation_close(rel, NoLock);
	if (verdict != ZDM_DONE)
		return verdict;
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	if (chunk->unlisted > 0)
		zdm_violation_count(v->base.job->id, chunk->unlisted);
	advance(v, chunk, &next);
	zdm_validation_cursor_store(&next);
	v->next_cursor = next;
	return ZDM_DONE;
}

static void
set_target(const ZdmValidation *v, ZdmPaceTarget *target)
{
	zdm_pause_target(&v->base, target);
	if (target->batch_time == zdm_batch_time)
		target->batch_time = CHUNK_MS;
	target->batch_time = Min(target->batch_time, LONGEST_CHUNK_MS);
}

/* Keep what was stored, and owe the pause. */
static bool
after_chunk(ZdmValidation *v, const ZdmChunk *chunk, double ms)
{
	ZdmPaceSample sample = {.units = (int) chunk->units_done,.rows = chunk->rows,.work_ms = ms};
	ZdmPaceTarget target;
	bool		go_on;

	if (v->cursor.position && v->cursor.position != v->next_cursor.position)
		pfree(v->cursor.position);
	v->cursor = v->next_cursor;
	v->cursor.work_ms += ms;
	v->cursor.longest_ms = Max(v->cursor.longest_ms, ms);
	zdm_run_progressed(&v->base);
	zdm_say_progress(&v->base);
	set_target(v, &target);
	zdm_pace_adjust(&v->pace, &sample, &target);
	go_on = zdm_pause_for_duty(&v->base, &sample);
	zdm_pace_note_rate(&v->pace, chunk->rows, chunk->units_done, zdm_ms_since(v->rate_since));
	INSTR_TIME_SET_CURRENT(v->rate_since);
	return go_on;
}

/* The error in a row says which row it was. */
static void
name_row(ZdmValidation *v, ZdmError *error)
{
	if (!ItemPointerIsValid(&v->error_row))
		return;
	error->message = psprintf("%s (evaluating constraint \"%s\" for the row at ctid (%u,%u) of table \"%s\")",
							  error->message, v->spec->constraint_name,
							  ItemPointerGetBlockNumber(&v->error_row),
							  ItemPointerGetOffsetNumber(&v->error_row), v->leaf_name);
	error->hint = "Mend or delete the row, then use zdm.retry_job().";
}

/*
 * One chunk of the cursor's leaf.  ZDM_DONE, ZDM_GONE, ZDM_REWRITTEN; ZDM_STOP
 * when the run has ended.
 */
static ZdmVerdict
do_chunk(ZdmValidation *v)
{
	for (;;)
	{
		ZdmPaceTarget target;
		ZdmChunk	chunk = {0};
		ZdmVerdict	verdict;
		ZdmError   *error;

		MemoryContextReset(v->base.batch_mcxt);
		set_target(v, &target);
		chunk.units = v->pace.size;
		chunk.stop_ms = Min(target.batch_time * 2, LONGEST_CHUNK_MS);
		chunk.next_block = v->cursor.next_block;
		chunk.position = v->cursor.position;
		ItemPointerSetInvalid(&v->error_row);
		INSTR_TIME_SET_CURRENT(chunk.start);
		verdict = zdm_txn(&v->base, 0, chunk_body, &chunk, &error);
		if (verdict == ZDM_DONE)
			return after_chunk(v, &chunk, zdm_ms_since(chunk.start)) ? ZDM_DONE : ZDM_STOP;
		if (verdict == ZDM_GONE || verdict == ZDM_REWRITTEN)
			return verdict;
		if (verdict == ZDM_ROW_ERROR)
			name_row(v, error);
		if (!zdm_verdict_try_again(&v->base, v->cursor.leaf, verdict, error))
			return ZDM_STOP;
	}
}

/* Body: ZDM_FOUND when something below the relation *arg was left behind. */
static ZdmVerdict
look_below_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmConstraint *constraint;

	PushActiveSnapshot(GetTransactionSnapshot());
	constraint = zdm_step_constraint(v, *(Oid *) arg);
	if (constraint == NULL)
		return ZDM_GONE;
	return zdm_hierarchy_below_is_left(constraint, v->cursor.left_behind) ? ZDM_FOUND : ZDM_DONE;
}

/* Mark a relation in which nothing was found, unless that was found below it. */
static ZdmVerdict
mark(ZdmValidation *v, ZdmTxnBody body, Oid relid)
{
	ZdmVerdict	verdict = ZDM_DONE;

	if (v->cursor.left_behind)
		verdict = until_done(v, look_below_body, &relid);
	if (verdict == ZDM_FOUND)
		return until_done(v, leave_behind_body, &relid);
	return verdict == ZDM_DONE ? until_done(v, body, &relid) : verdict;
}

/* Scan the cursor's leaf to its end, then mark it if it may be. */
static ZdmVerdict
scan_and_mark(ZdmValidation *v)
{
	ZdmVerdict	verdict = until_done(v, attach_body, NULL);

	if (verdict == ZDM_DONE && v->method->prepare && !v->method->prepare(v))
		return ZDM_STOP;
	while (verdict == ZDM_DONE)
	{
		while (verdict == ZDM_DONE && !v->cursor.scanned)
			verdict = do_chunk(v);
		if (verdict != ZDM_DONE)
			return verdict;
		if (v->cursor.leaf_violations > 0)
			return until_done(v, leave_behind_body, &v->cursor.leaf);
		verdict = mark(v, zdm_mark_scanned, v->cursor.leaf);
		if (verdict != ZDM_FOUND)
			return verdict;
		v->cursor.scanned = false;	/* the method has more to look at */
		verdict = ZDM_DONE;
	}
	return verdict;
}

/* Do what there is to do with one relation.  False when the run has ended. */
static bool
do_leaf(ZdmValidation *v)
{
	ZdmVerdict	verdict = scan_and_mark(v);

	if (v->method->finish)
		v->method->finish(v);
	if (verdict == ZDM_REWRITTEN && !v->base.ended)
		return start_over(v);
	return !v->base.ended;
}

/* ---------- the end ---------- */

static void
end_with_violations(ZdmValidation *v)
{
	v->begin_anew = true;
	zdm_run_end(&v->base, ZDM_RUN_FAILED,
				zdm_error_make(v->base.batch_mcxt,
							   strcmp(v->spec->constraint_type, "FOREIGN KEY") == 0 ?
							   ERRCODE_FOREIGN_KEY_VIOLATION : ERRCODE_CHECK_VIOLATION,
							   psprintf("They are in zdm.violations. Mend them, then use zdm.retry_job(" INT64_FORMAT "), which looks at all rows again.",
										v->base.job->id),
							   "constraint \"%s\" of table \"%s.%s\" is still NOT VALID: " INT64_FORMAT " %s it",
							   v->spec->constraint_name, v->base.job->target_schema,
							   v->base.job->target_name, v->cursor.violations,
							   v->cursor.violations == 1 ? "row breaks" : "rows break"));
}

/* Nothing is left whose turn it is: everything is valid, or was left behind. */
static void
end_of_all(ZdmValidation *v)
{
	if (v->cursor.violations > 0 || v->cursor.left_behind)
		end_with_violations(v);
	else
		zdm_run_end(&v->base, ZDM_RUN_DONE, NULL);
}

static void
scan_all(ZdmValidation *v)
{
	while (!v->base.ended)
	{
		Turn		turn;
		ZdmVerdict	verdict = until_done(v, next_body, &turn);

		if (verdict == ZDM_STOP)
			return;
		if (verdict != ZDM_DONE)
			(void) zdm_run_target_is_gone(&v->base);
		else if (!OidIsValid(turn.relid))
			end_of_all(v);
		else if (turn.is_parent)
			(void) mark(v, zdm_mark_parent, turn.relid);
		else
			(void) do_leaf(v);
	}
}

/* Step: the last figures; after violations the next start begins anew. */
static void
last_figures_step(void *arg)
{
	ZdmValidation *v = arg;
	ZdmValidationCursor next = v->cursor;

	if (v->begin_anew)
		next.phase = ZDM_VALIDATION_ENDED;
	next.retries = v->base.retries;
	next.seconds_left = -1;
	zdm_validation_cursor_store(&next);
}

static void
store_last_figures(ZdmValidation *v)
{
	ZdmRunOutcome outcome = v->base.outcome;

	v->base.ended = false;
	(void) zdm_run_bookkeep(&v->base, last_figures_step, v);
	v->base.ended = true;
	v->base.outcome = outcome;
}

static bool
is_over(const ZdmValidation *v)
{
	return v->base.outcome.result == ZDM_RUN_DONE || v->base.outcome.result == ZDM_RUN_FAILED;
}

/*
 * The run has come to its end, which is not recorded yet: nothing is left
 * behind, nor by a worker that died earlier.  When that is interrupted, the
 * next run comes to the same end.
 */
static void
leave_nothing(ZdmValidation *v)
{
	ZdmRunOutcome outcome = v->base.outcome;

	v->base.ended = false;
	if (zdm_guard_remove_all(&v->base))
		zdm_run_end(&v->base, outcome.result, outcome.error);
}

/*
 * Run a validation to its end, or until somebody stops it.  Outside of any
 * transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_validation_run(const ZdmJob *job)
{
	ZdmValidation *v = create_run(job);

	zdm_txn_init();
	if (!zdm_run_bookkeep(&v->base, load_step, v))
		return v->base.outcome;
	if (v->cursor.phase == ZDM_VALIDATION_ENDED || v->cursor.foreign_place)
		(void) begin_anew(v, false);
	if (!v->base.ended && choose(v))
	{
		if (v->method)
			scan_all(v);
		else if (zdm_native(v))
			zdm_run_end(&v->base, ZDM_RUN_DONE, NULL);
	}
	if (is_over(v) && strcmp(v->spec->constraint_type, "FOREIGN KEY") == 0)
		leave_nothing(v);
	if (is_over(v))
		store_last_figures(v);
	if (!v->base.ended || v->base.outcome.result != ZDM_RUN_STOPPED)
		zdm_say_working(&v->base);
	return v->base.outcome;
}
