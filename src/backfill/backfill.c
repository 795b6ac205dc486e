/*
 * backfill.c
 *	  The kind of job "backfill", from start to end: quarantined rows, sweeps,
 *	  proof, ANALYZE.  The same as a step of a job of another kind.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "backfill/backfill.h"
#include "backfill/clause.h"
#include "backfill/leaf.h"
#include "backfill/mapped.h"
#include "run/pause.h"
#include "backfill/proof.h"
#include "backfill/stripes.h"
#include "backfill/sweep.h"
#include "run/verdict.h"
#include "core/identity.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FIRST_BATCH_BLOCKS 64
#define LARGEST_BATCH_BLOCKS 8192

/* between two sweeps beyond max_sweeps */
#define SHORTEST_REST_MS 1000.0
#define LONGEST_REST_MS 60000.0
#define REST_FACTOR 10

/* sweeps in a row that mostly write what the run has written before */
#define MAX_UNSETTLED_SWEEPS 2

/* Full-page images are half of the WAL of a backfill. */
static void
turn_on_wal_compression(void)
{
	const char *now = GetConfigOption("wal_compression", false, false);

	if (strcmp(now, "off") != 0)
		return;
	if (!zdm_try_session_setting("wal_compression", "lz4"))
		(void) zdm_try_session_setting("wal_compression", "zstd");
}

/* Step: load everything the run needs. */
static void
load_step(void *arg)
{
	ZdmBackfillRun *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);

	run->spec = zdm_spec_load(run->base.job->id);
	if (run->spec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.backfill", run->base.job->id),
				 errhint("Cancel the job and start it under another name.")));
	run->spec->target = run->base.job->target;
	zdm_cursor_load(run->base.job->id, &run->cursor, run->base.run_mcxt);
	run->cursor.note = NULL;
	run->base.retries = run->cursor.retries;
	run->base.activity = run->spec->set_clause;
	run->leaves_known = list_member_oid(zdm_leaf_list(run->spec->target), run->cursor.leaf);
	MemoryContextSwitchTo(old);
}

/* Step: parse the clauses. */
static void
parse_step(void *arg)
{
	ZdmBackfillRun *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);

	zdm_clause_parse(run->spec);
	MemoryContextSwitchTo(old);
}

/*
 * Load, and parse the clauses as they were meant.  False when the run has
 * ended.
 */
static bool
load(ZdmBackfillRun *run)
{
	if (!zdm_run_bookkeep(&run->base, load_step, run))
		return false;
	if (run->spec->mapping_id != 0)
		return zdm_mapped_load(run);
	zdm_session_apply(&run->spec->settings);
	return zdm_run_bookkeep(&run->base, parse_step, run);
}

static ZdmVerdict
estimate_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	Relation	target;

	if (!ConditionalLockRelationOid(run->spec->target, RowExclusiveLock))
		return ZDM_BUSY;
	target = try_relation_open(run->spec->target, NoLock);
	if (target == NULL)
		return ZDM_GONE;
	PushActiveSnapshot(GetTransactionSnapshot());
	run->cursor.rows_estimated = (int64) zdm_query_estimate_rows(run->spec, target);
	relation_close(target, NoLock);
	return ZDM_DONE;
}

/*
 * How many rows there are to convert, at most, unless that was found out when
 * the backfill was submitted.  False when the run has ended.
 */
static bool
estimate(ZdmBackfillRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	if (run->leaves_known || run->cursor.rows_estimated > 0)
		return true;
	while ((verdict = zdm_txn(&run->base, 0, estimate_body, NULL, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_GONE)
			return !zdm_run_target_is_gone(&run->base);
		if (!zdm_verdict_try_again(&run->base, run->spec->target, verdict, error))
			return false;
	}
	return true;
}

static void
apply_settings(ZdmRun *base)
{
	zdm_session_apply(&((ZdmBackfillRun *) base)->spec->settings);
}

static void
pin_settings(ZdmRun *base)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;

	zdm_pin_setting("session_replication_role",
					run->spec->fire_triggers ? "origin" : "replica");
}

static ZdmBackfillRun *
create_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm backfill",
											   ALLOCSET_DEFAULT_SIZES);
	ZdmBackfillRun *run = MemoryContextAllocZero(mcxt, sizeof(ZdmBackfillRun));

	zdm_run_init(&run->base, job, mcxt);
	run->base.apply_settings = apply_settings;
	run->base.pin_settings = pin_settings;
	run->own_xids.mcxt = mcxt;
	INSTR_TIME_SET_CURRENT(run->rate_since);
	zdm_pace_init(&run->pace, FIRST_BATCH_BLOCKS, LARGEST_BATCH_BLOCKS);
	zdm_stripes_init(run);
	return run;
}

/* what a small transaction that only changes the cursor does to it */
typedef void (*CursorChange) (ZdmBackfillRun *run, ZdmCursor *next);

static ZdmVerdict
change_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	ZdmCursor	next = run->cursor;

	next.retries = run->base.retries;
	(*(CursorChange *) arg) (run, &next);
	zdm_cursor_store(&next);
	run->cursor = next;
	return ZDM_DONE;
}

static bool
change_cursor(ZdmBackfillRun *run, CursorChange change)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	while ((verdict = zdm_txn(&run->base, 0, change_body, &change, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(&run->base, run->spec->target, verdict, error))
			return false;
	}
	return true;
}

static void
begin_sweep(ZdmBackfillRun *run, ZdmCursor *next)
{
	run->whole_sweep = true;
	run->sweep_rewrites = 0;
	zdm_cursor_begin_sweep(next, zdm_leaf_total_blocks(run->spec->target));
}

static void
first_sweep(ZdmBackfillRun *run, ZdmCursor *next)
{
	next->sweep = 1;
	begin_sweep(run, next);
}

static void
next_sweep(ZdmBackfillRun *run, ZdmCursor *next)
{
	next->sweep++;
	begin_sweep(run, next);
}

static void
enter_proof(ZdmBackfillRun *run, ZdmCursor *next)
{
	next->phase = ZDM_PHASE_PROOF;
	next->seconds_left = -1;
}

static void
store_as_is(ZdmBackfillRun *run, ZdmCursor *next)
{
}

/* Why rows are left although every row had its turns. */
static const char *
why_left(const ZdmBackfillRun *run)
{
	if (run->cursor.sweep_skipped > run->cursor.sweep_rows)
		return "rows that other transactions keep locked (see pg_locks and pg_stat_activity for old transactions)";
	return "the application keeps writing rows that match the filter"
		" (give the column a default, write it in the application, or add a trigger that fills it)";
}

/* Sweeps beyond max_sweeps come rarely. */
static bool
rest_between_sweeps(ZdmBackfillRun *run, instr_time sweep_start)
{
	instr_time	now;
	double		ms;

	if (run->cursor.sweep < run->spec->max_sweeps)
		return true;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, sweep_start);
	ms = INSTR_TIME_GET_MILLISEC(now) * REST_FACTOR;
	zdm_say_waiting(&run->base, why_left(run));
	return zdm_pause(&run->base, Min(Max(ms, SHORTEST_REST_MS), LONGEST_REST_MS));
}

/* True when nothing is left; false when another sweep is needed. */
static bool
nothing_is_left(ZdmBackfillRun *run)
{
	bool		found_nothing = run->whole_sweep && run->cursor.sweep > 1 &&
	run->cursor.sweep_rows == 0 && run->cursor.sweep_skipped == 0;

	switch (zdm_proof(run))
	{
		case ZDM_PROOF_CLEAN:
			return !zdm_run_target_is_gone(&run->base);
		case ZDM_PROOF_TOO_LONG:
			return found_nothing && !zdm_run_target_is_gone(&run->base);
		case ZDM_PROOF_LEFT:
		case ZDM_PROOF_ENDED:
			break;
	}
	return false;
}

/*
 * End a run that would go on for ever: sweep after sweep mostly rewrites rows
 * that this run has written.  (Once may be right: a table that the clauses
 * read has changed.)
 */
static void
check_settling(ZdmBackfillRun *run)
{
	if (run->sweep_rewrites == 0 || run->sweep_rewrites * 2 < run->cursor.sweep_rows)
		run->unsettled_sweeps = 0;
	else
		run->unsettled_sweeps++;
	if (run->unsettled_sweeps < MAX_UNSETTLED_SWEEPS)
		return;
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
							   "Start it under another name with a filter that is false for a row that is right, such as \"column IS NULL\".",
							   "rows that the backfill has written match it again: the assignment gives another value each time, or a trigger changes it"));
}

/* Sweep until nothing is left.  False when the run has ended before. */
static bool
sweep_until_done(ZdmBackfillRun *run)
{
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	for (;;)
	{
		if (run->cursor.phase == ZDM_PHASE_SWEEP)
		{
			if (!zdm_sweep(run) || !change_cursor(run, enter_proof))
				return false;
			check_settling(run);
		}
		if (!run->base.ended && nothing_is_left(run))
			return true;
		if (run->base.ended || !rest_between_sweeps(run, start))
			return false;
		INSTR_TIME_SET_CURRENT(start);
		if (!change_cursor(run, next_sweep))
			return false;
	}
}

/*
 * ANALYZE, unless that would have to wait for a VACUUM, or end an autovacuum
 * that is at work on what the backfill has left behind.
 */
static ZdmVerdict
analyze_body(ZdmRun *base, void *arg)
{
	ZdmBackfillRun *run = (ZdmBackfillRun *) base;
	char	   *name;

	if (!ConditionalLockRelationOid(run->spec->target, ShareUpdateExclusiveLock))
		return ZDM_BUSY;
	name = get_rel_name(run->spec->target);
	if (name == NULL)
		return ZDM_GONE;
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(run->spec->target)), name);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	(void) SPI_execute(psprintf("ANALYZE %s", name), false, 0);
	SPI_finish();
	return ZDM_DONE;
}

/* The data is right without it: what keeps it from running is noted, no more. */
static void
analyze(ZdmBackfillRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	if (!run->spec->analyze_after)
		return;
	verdict = zdm_txn(&run->base, 0, analyze_body, NULL, &error);
	if (error)
		zdm_note_event(&run->base, "analyze failed", error->message);
	else if (verdict == ZDM_BUSY)
		zdm_note_event(&run->base, "analyze left out", "a vacuum of the table is running");
}

static void
finish(ZdmBackfillRun *run)
{
	analyze(run);
	if (!change_cursor(run, store_as_is))
		return;
	if (run->quarantined == 0)
	{
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
		return;
	}
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_DATA_EXCEPTION,
							   "The rows and their errors are in zdm.quarantine. Mend them or the expression, then use zdm.retry_job().",
							   "all rows are converted but %d, which could not be",
							   run->quarantined));
}

/*
 * Sweep until done; then give the rows in quarantine a last try, because the
 * application may have mended or deleted them meanwhile, and look again.
 * False when the run has ended before.
 */
static bool
convert_all(ZdmBackfillRun *run)
{
	for (;;)
	{
		int			quarantined;

		if (!sweep_until_done(run))
			return false;
		quarantined = run->quarantined;
		if (quarantined == 0)
			return true;
		zdm_retry_quarantined(run);
		if (run->base.ended)
			return false;
		if (run->quarantined == quarantined)
			return true;
	}
}

/* From where it stopped to its end, or until somebody stops it. */
static ZdmRunOutcome
go_on(ZdmBackfillRun *run)
{
	zdm_txn_init();
	zdm_statement_init();
	turn_on_wal_compression();
	if (!load(run) || !estimate(run))
		return run->base.outcome;

	/* not begun, or its place is one of another cluster or of a lost leaf */
	if (!run->leaves_known)
		(void) change_cursor(run, first_sweep);
	if (!run->base.ended)
		zdm_retry_quarantined(run);
	if (!run->base.ended && convert_all(run))
		finish(run);
	if (!run->base.ended || run->base.outcome.result != ZDM_RUN_STOPPED)
		zdm_say_working(&run->base);
	return run->base.outcome;
}

/*
 * Run a backfill to its end, or until somebody stops it.  Outside of any
 * transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_backfill_run(const ZdmJob *job)
{
	return go_on(create_run(job));
}

/* what prepare_step() needs */
typedef struct Preparation
{
	const ZdmBackfillSpec *spec;	/* wanted */
	ZdmJob	   *job;			/* gets the names of the spec's target */
	MemoryContext mcxt;			/* of those */
} Preparation;

/* Step: make this the backfill of the job, unless it is, perhaps begun. */
static void
prepare_step(void *arg)
{
	Preparation *preparation = arg;
	ZdmBackfillSpec *there = zdm_spec_load(preparation->job->id);
	char	   *name = get_rel_name(preparation->spec->target);

	if (name)
	{
		preparation->job->target_name = MemoryContextStrdup(preparation->mcxt, name);
		preparation->job->target_schema =
			MemoryContextStrdup(preparation->mcxt,
								get_namespace_name(get_rel_namespace(preparation->spec->target)));
	}
	if (there && zdm_spec_same(there, preparation->spec))
		return;
	zdm_spec_discard(preparation->job->id);
	zdm_spec_store(preparation->job->id, preparation->spec);
}

/*
 * A backfill of a table as a step of a job of another kind.  spec comes from
 * zdm_spec_init(), and says by a mapping, or by clauses and settings, what is
 * assigned.  Where the job has the same backfill, that goes on; another one's
 * definition, place and quarantine are forgotten.  Called likewise.
 */
ZdmRunOutcome
zdm_backfill_run_for(const ZdmJob *job, Oid target, const ZdmBackfillSpec *spec)
{
	ZdmBackfillSpec wanted = *spec;
	ZdmJob	   *own = MemoryContextAlloc(TopMemoryContext, sizeof(ZdmJob));
	ZdmBackfillRun *run;
	Preparation preparation;

	*own = *job;
	own->target = wanted.target = target;
	if (wanted.mapping_id != 0)
		wanted.set_clause = psprintf("mapping " INT64_FORMAT, wanted.mapping_id);
	run = create_run(own);
	preparation.job = own;
	preparation.spec = &wanted;
	preparation.mcxt = run->base.run_mcxt;
	if (!zdm_run_bookkeep(&run->base, prepare_step, &preparation))
		return run->base.outcome;
	return go_on(run);
}
