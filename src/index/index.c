/*
 * index.c
 *	  The kind of job "index", from start to end; and tidying up after one that
 *	  ends early.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "index/definition.h"
#include "index/index.h"
#include "index/run.h"
#include "job/lock.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "violation/violation.h"

static void
load_step(void *arg)
{
	ZdmIndexRun *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);

	run->spec = zdm_index_load(run->base.job->id);
	if (run->spec == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no definition in zdm.index_job",
						run->base.job->id),
				 errhint("Cancel the job and start a new one.")));
	MemoryContextSwitchTo(old);
}

/* Step: what it makes from now on is removed when it is cancelled. */
static void
begin_step(void *arg)
{
	ZdmIndexRun *run = arg;

	zdm_violation_clear(run->base.job->id);
	if (run->spec->action != ZDM_INDEX_DROP)
		zdm_job_set_cleanup(run->base.job->id, true);
}

static void
apply_settings(ZdmRun *base)
{
	zdm_session_apply(&((ZdmIndexRun *) base)->spec->settings);
}

static ZdmVerdict
parse_body(ZdmRun *base, void *arg)
{
	ZdmIndexRun *run = (ZdmIndexRun *) base;
	IndexStmt  *stmt = zdm_index_parse(run->spec->definition);
	MemoryContext old = MemoryContextSwitchTo(base->run_mcxt);

	if (get_rel_name(base->job->target) == NULL)
		return ZDM_GONE;
	run->stmt = zdm_index_statement(stmt, base->job->target, run->spec->index_name, true);
	run->if_not_exists = stmt->if_not_exists;
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

static bool
parse(ZdmIndexRun *run)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	while (run->spec->definition &&
		   (verdict = zdm_txn(&run->base, 0, parse_body, NULL, &error)) != ZDM_DONE)
	{
		if (verdict == ZDM_GONE && zdm_run_target_is_gone(&run->base))
			return false;
		if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
			return false;
	}
	return true;
}

static ZdmIndexRun *
create_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm index job",
											   ALLOCSET_DEFAULT_SIZES);
	ZdmIndexRun *run = MemoryContextAllocZero(mcxt, sizeof(ZdmIndexRun));

	zdm_run_init(&run->base, job, mcxt);
	run->base.apply_settings = apply_settings;
	zdm_lock_wait_init(&run->lock_wait, &run->base);
	run->look_mcxt = AllocSetContextCreate(mcxt, "zdm index look", ALLOCSET_SMALL_SIZES);
	run->leaves_total = 1;
	MemoryContextSwitchTo(mcxt);
	return run;
}

/* The whole of a job that creates an index; false when the run has ended. */
static bool
create(ZdmIndexRun *run)
{
	Oid			table = run->base.job->target;

	if (!zdm_index_look(run))
		return false;
	if (zdm_index_part_of(run, table) == NULL && !zdm_index_name_is_free(run))
		return false;
	if (run->is_partitioned)
		return zdm_index_create_partitioned(run);
	return zdm_index_build(run, table, run->stmt);
}

static bool
work(ZdmIndexRun *run)
{
	switch (run->spec->action)
	{
		case ZDM_INDEX_CREATE:
			return create(run);
		case ZDM_INDEX_REINDEX:
			return zdm_index_rebuild(run);
		default:
			return zdm_index_remove(run);
	}
}

/* ---------- tidying up ---------- */

typedef struct StateNow
{
	int64		job_id;
	ZdmJobState state;
	bool		has_spec;
} StateNow;

static void
read_state(void *arg)
{
	StateNow   *now = arg;
	ZdmJob	   *job = zdm_job_load(now->job_id, true);

	now->state = job ? job->state : ZDM_JOB_CANCELLED;
}

static void
look_for_spec(void *arg)
{
	StateNow   *now = arg;

	now->has_spec = zdm_index_load(now->job_id) != NULL;
}

/*
 * Of what the job has made, what is not to stay: unfinished indexes, and all
 * that a cancelled creation has made, the index of a partitioned table last;
 * of a finished rebuild, what it has replaced.  NULL when there is nothing.
 */
static const ZdmIndexPart *
next_leftover(const ZdmIndexRun *run, bool cancelled)
{
	ListCell   *lc;
	const ZdmIndexPart *last = NULL;

	foreach(lc, run->parts)
	{
		const ZdmIndexPart *part = lfirst(lc);
		bool		partitioned = get_rel_relkind(part->index) == RELKIND_PARTITIONED_INDEX;

		if (run->spec->action != ZDM_INDEX_CREATE && part->is_valid)
		{
			if (part->replaced_exists)
				return part;
			continue;
		}
		if (cancelled ? !get_rel_relispartition(part->index) : !part->is_valid && !partitioned)
		{
			if (!partitioned)
				return part;
			last = part;
		}
	}
	return last;
}

typedef struct Leftover
{
	bool		cancelled;
	ZdmIndexPart part;
	bool		at_once;
	bool		found;
} Leftover;

/*
 * An index that was to be dropped and is not valid any more can only be
 * dropped.  The clean-up is asked for only when it was valid before.
 */
static bool
is_half_dropped(const ZdmJob *job, Oid index, ZdmIndexPart *part)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool		result = false;

	memset(part, 0, sizeof(*part));
	part->index = index;
	part->table = job->target;
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_index form = (Form_pg_index) GETSTRUCT(tuple);

		result = form->indrelid == job->target && !form->indisvalid;
		ReleaseSysCache(tuple);
	}
	return result;
}

static ZdmVerdict
leftover_body(ZdmRun *base, void *arg)
{
	Leftover   *leftover = arg;
	ZdmIndexRun *run = (ZdmIndexRun *) base;
	const ZdmIndexPart *part;

	run->parts = zdm_index_list_parts(base->job->id, run->spec->index_name);
	part = next_leftover(run, leftover->cancelled);
	leftover->found = part != NULL;
	if (part)
	{
		leftover->part = *part;
		if (part->is_valid && part->replaced_exists)
			leftover->part.index = part->replaces;
		leftover->at_once = get_rel_relkind(part->index) == RELKIND_PARTITIONED_INDEX;
	}
	else if (run->spec->action == ZDM_INDEX_DROP && leftover->cancelled)
		leftover->found = is_half_dropped(base->job, run->spec->index_oid, &leftover->part);
	run->parts = NIL;
	return ZDM_DONE;
}

static bool
drop_leftovers(ZdmIndexRun *run, bool cancelled)
{
	Leftover	leftover = {.cancelled = cancelled};
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		verdict = zdm_txn(&run->base, 0, leftover_body, &leftover, &error);
		if (verdict != ZDM_DONE)
		{
			if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
				return false;
			continue;
		}
		if (!leftover.found)
			return true;
		zdm_index_say_phase(run, "dropping an unfinished index", leftover.part.table);
		if (!zdm_index_drop(run, leftover.part.index, leftover.part.table, leftover.at_once))
			return false;
	}
}

/*
 * The run has ended without being done: leave no unfinished index behind.
 * Not when the job was cancelled: that is zdm_index_clean_up()'s business, in
 * a worker of its own; and not when the process has to leave, with the job
 * still running, which another worker continues.
 */
static void
tidy(ZdmIndexRun *run)
{
	ZdmRunOutcome outcome = run->base.outcome;
	StateNow	now = {.job_id = run->base.job->id};
	const ZdmJob *as_run = run->base.job;
	ZdmJob		job = *as_run;

	run->base.ended = false;
	if (!zdm_run_bookkeep(&run->base, read_state, &now) || zdm_database_is_wanted())
		now.state = ZDM_JOB_CANCELLED;
	if (outcome.result == ZDM_RUN_STOPPED ? now.state == ZDM_JOB_PAUSED : now.state != ZDM_JOB_CANCELLED)
	{
		job.state = now.state;
		run->base.job = &job;
		run->base.told_waiting = false;
		if (!drop_leftovers(run, false) && run->base.outcome.error)
			zdm_note_event(&run->base, "left an unfinished index behind",
						   run->base.outcome.error->message);
		run->base.job = as_run;
	}
	run->base.ended = true;
	run->base.outcome = outcome;
}

/*
 * Run a job on an index to its end, or until somebody stops it.  Outside of
 * any transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_index_run(const ZdmJob *job)
{
	ZdmIndexRun *run = create_run(job);

	zdm_txn_init();
	if (!zdm_run_bookkeep(&run->base, load_step, run) ||
		!zdm_run_bookkeep(&run->base, begin_step, run))
		return run->base.outcome;
	if (parse(run) && work(run))
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	if (run->base.outcome.result == ZDM_RUN_DONE)
		run->leaves_done = run->leaves_total;
	else
		tidy(run);
	zdm_lock_wait_over(&run->lock_wait);
	zdm_index_say_phase(run, NULL, InvalidOid);
	zdm_say_working(&run->base);
	return run->base.outcome;
}

typedef struct Order
{
	int64		job_id;
	const char *definition;
	const char *index_name;
	const ZdmSessionSettings *settings;
} Order;

/* Step: what the job is to build now, unless that is what it does already. */
static void
store_order(void *arg)
{
	Order	   *order = arg;
	ZdmIndexSpec *there = zdm_index_load(order->job_id);
	ZdmIndexSpec spec = {.action = ZDM_INDEX_CREATE};

	if (there && there->definition && strcmp(there->definition, order->definition) == 0 &&
		strcmp(there->index_name, order->index_name) == 0)
		return;
	spec.definition = pstrdup(order->definition);
	spec.index_name = pstrdup(order->index_name);
	spec.is_unique = zdm_index_parse(order->definition)->unique;
	if (order->settings)
		spec.settings = *order->settings;
	else
		zdm_session_record(&spec.settings, NULL, 0);
	zdm_index_store(order->job_id, &spec);
}

/*
 * A step of a job of another kind: build this index on the job's target.  Names
 * in the definition are looked up with those settings; without, it names the
 * target with its schema.  As zdm_index_run(); done at once when it is there
 * and is the job's own.
 */
ZdmRunOutcome
zdm_index_build_for(const ZdmJob *job, const char *definition, const char *index_name,
					const ZdmSessionSettings *settings)
{
	ZdmIndexRun *run = create_run(job);
	Order		order = {job->id, definition, index_name, settings};

	if (!zdm_run_bookkeep(&run->base, store_order, &order))
		return run->base.outcome;
	return zdm_index_run(job);
}

static ZdmRunOutcome
remove_made(const ZdmJob *job, const char *index_name)
{
	ZdmIndexRun *run = create_run(job);
	StateNow	now = {.job_id = job->id};

	zdm_txn_init();
	if (zdm_run_bookkeep(&run->base, look_for_spec, &now) && !now.has_spec)
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	if (run->base.ended || !zdm_run_bookkeep(&run->base, load_step, run))
		return run->base.outcome;
	if (index_name)
		run->spec->index_name = MemoryContextStrdup(run->base.run_mcxt, index_name);
	if (drop_leftovers(run, true))
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	zdm_index_say_phase(run, NULL, InvalidOid);
	return run->base.outcome;
}

/*
 * The inverse of zdm_index_build_for(), also when that was cut short: drop
 * what the job has made under that name, and nothing else.  Done when there
 * is nothing.
 */
ZdmRunOutcome
zdm_index_remove_for(const ZdmJob *job, const char *index_name)
{
	return remove_made(job, index_name);
}

/* Remove what a cancelled job of kind "index" has made; likewise. */
ZdmRunOutcome
zdm_index_clean_up(const ZdmJob *job)
{
	return remove_made(job, NULL);
}
