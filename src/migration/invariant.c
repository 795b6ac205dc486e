/*
 * invariant.c
 *	  The kind of job "invariant": runs a query that must return no rows, and
 *	  asks to be run again.
 *
 * The query runs as the role that has added it, read only, under the settings
 * of that session and a timer of our own.  Whatever keeps it from being run is
 * recorded as a result: it closes the gate, and never ends the job.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/identity.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "migration/invariant.h"
#include "run/pause.h"
#include "run/txn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define FETCH_ROWS 1000
#define LONGEST_SAMPLE 500

typedef struct InvariantRun
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmInvariant *invariant;	/* NULL: it was removed */
	bool		is_over;		/* the migration */
	ZdmInvariantResult result;
} InvariantRun;

static void
apply_settings(ZdmRun *base)
{
	zdm_session_apply(&((InvariantRun *) base)->invariant->settings);
}

/* It may wait for a lock as long as it may take: it holds none that is in the way. */
static void
pin_settings(ZdmRun *base)
{
	zdm_pin_setting("lock_timeout", psprintf("%d", ((InvariantRun *) base)->invariant->time_limit));
	XactReadOnly = true;
}

/* Step: what is to be run. */
static void
load_step(void *arg)
{
	InvariantRun *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);
	ZdmMigration *migration;

	run->invariant = zdm_invariant_load(run->base.job->id);
	migration = run->invariant ? zdm_migration_load(run->invariant->migration_id) : NULL;
	run->is_over = migration == NULL || zdm_migration_is_over(migration);
	MemoryContextSwitchTo(old);
}

/* The current row of SPI_tuptable as text, cut off where it gets long. */
static char *
row_text(HeapTuple tuple, MemoryContext mcxt)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	StringInfoData buf;
	MemoryContext old;
	char	   *text;

	initStringInfo(&buf);
	for (int i = 1; i <= desc->natts && buf.len < LONGEST_SAMPLE; i++)
	{
		char	   *value = SPI_getvalue(tuple, desc, i);

		appendStringInfo(&buf, "%s%s: %s", i > 1 ? ", " : "", SPI_fname(desc, i), value ? value : "NULL");
	}
	if (buf.len > LONGEST_SAMPLE)
	{
		buf.data[pg_mbcliplen(buf.data, buf.len, LONGEST_SAMPLE)] = '\0';
		strcpy(buf.data + strlen(buf.data) - 3, "...");
	}
	old = MemoryContextSwitchTo(mcxt);
	text = pstrdup(buf.data);

	MemoryContextSwitchTo(old);
	pfree(buf.data);
	return text;
}

static void
keep_samples(InvariantRun *run)
{
	MemoryContext mcxt = run->base.run_mcxt;

	for (uint64 i = 0; i < SPI_processed && list_length(run->result.samples) < ZDM_INVARIANT_SAMPLES; i++)
	{
		char	   *text = row_text(SPI_tuptable->vals[i], mcxt);
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		run->result.samples = lappend(run->result.samples, text);
		MemoryContextSwitchTo(old);
	}
}

static ZdmVerdict
query_body(ZdmRun *base, void *arg)
{
	InvariantRun *run = (InvariantRun *) base;
	SPIPlanPtr	plan;
	Portal		portal;

	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	plan = SPI_prepare(run->invariant->query, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed");
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, false);
	do
	{
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		run->result.rows += SPI_processed;
		keep_samples(run);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	return ZDM_DONE;
}

static const char *
describe_failure(const InvariantRun *run, ZdmVerdict verdict, const ZdmError *error)
{
	if (verdict == ZDM_TOO_LONG)
		return psprintf("it took longer than its time limit of %d ms", run->invariant->time_limit);
	return error ? psprintf("%s: %s", zdm_error_sqlstate(error), error->message) : "it ended without a reason";
}

static void
record_step(void *arg)
{
	InvariantRun *run = arg;

	zdm_invariant_record(run->invariant, &run->result);
}

/* False when the run has ended. */
static bool
run_query(InvariantRun *run)
{
	ZdmRun	   *base = &run->base;
	ZdmError   *error;
	ZdmVerdict	verdict;

	base->apply_settings = apply_settings;
	base->pin_settings = pin_settings;
	base->activity = run->invariant->query;
	run->result.began_at = GetCurrentTimestamp();
	verdict = zdm_txn(base, run->invariant->time_limit, query_body, NULL, &error);
	if (verdict == ZDM_STOP)
		zdm_run_end(base, ZDM_RUN_STOPPED, NULL);
	else if (verdict == ZDM_CANCELLED)
		zdm_run_end(base, ZDM_RUN_CANCELLED, NULL);
	else if (verdict != ZDM_DONE)
		run->result.error = describe_failure(run, verdict, error);
	return !base->ended;
}

static TimestampTz
next_time(const InvariantRun *run)
{
	TimestampTz now = GetCurrentTimestamp();

	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
												   IntervalPGetDatum(&run->invariant->runs_every)));
}

/*
 * Run the query of a job once.  Outside of any transaction, with the job's
 * lock held.
 */
ZdmRunOutcome
zdm_invariant_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm invariant", ALLOCSET_DEFAULT_SIZES);
	InvariantRun *run = MemoryContextAllocZero(mcxt, sizeof(InvariantRun));
	ZdmRun	   *base = &run->base;

	zdm_txn_init();
	zdm_run_init(base, job, mcxt);
	if (!zdm_run_bookkeep(base, load_step, run))
		return base->outcome;
	if (run->invariant == NULL || run->is_over)
		zdm_run_end(base, ZDM_RUN_DONE, NULL);
	else if (run_query(run) && zdm_run_bookkeep(base, record_step, run))
	{
		zdm_say_progress(base);
		zdm_run_end(base, ZDM_RUN_AGAIN, NULL);
		base->outcome.again_at = next_time(run);
	}
	return base->outcome;
}
