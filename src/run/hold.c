/*
 * hold.c
 *	  A job that is held, or slowed, by the load of the server.
 *
 * Looked at before every batch.  Load never ends a job: it waits, says for
 * what, and how long it has waited for which signal is kept in zdm.job_hold.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/clock.h"
#include "core/identity.h"
#include "run/hold.h"
#include "run/horizon.h"
#include "run/pause.h"
#include "run/txn.h"
#include "throttle/load.h"
#include "throttle/query.h"
#include "throttle/settings.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* between two looks, while it is held */
#define LOOK_MS 250.0

/* between two runs of the throttle query */
#define QUERY_MS 1000.0

/* how often the time is written */
#define NOTE_MS 5000.0

/* ms after which half of the smoothed rate of WAL is new */
#define WAL_HALF_LIFE_MS 1000.0

/* Take into account what a batch has written, and the time it took with its pause. */
void
zdm_hold_note_wal(ZdmRun *run, double wal_kb, double elapsed_ms)
{
	double		rate = elapsed_ms > 0 ? wal_kb / elapsed_ms * 1000 : 0;

	run->wal_kb_per_second += (rate - run->wal_kb_per_second) * (1 - pow(0.5, elapsed_ms / WAL_HALF_LIFE_MS));
}

/* ---------- the throttle query ---------- */

typedef struct Asked
{
	const char *query;
	ZdmReading *reading;
} Asked;

static ZdmVerdict
query_body(ZdmRun *run, void *arg)
{
	Asked	   *asked = arg;

	XactReadOnly = true;
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(run->batch_mcxt);
	zdm_throttle_query_run(asked->query, asked->reading);
	return ZDM_DONE;
}

/* Its reason is kept for the run: the reading is, too. */
static void
keep_detail(ZdmRun *run, const char *old)
{
	if (run->query.detail)
		run->query.detail = MemoryContextStrdup(run->run_mcxt, run->query.detail);
	if (old)
		pfree(unconstify(char *, old));
}

static void
ask_query(ZdmRun *run, const char *query)
{
	Asked		asked = {query, &run->query};
	const char *old = run->query.detail;
	ZdmError   *error;
	ZdmVerdict	verdict = zdm_txn(run, zdm_throttle_query_timeout, query_body, &asked, &error);

	INSTR_TIME_SET_CURRENT(run->query_seen);
	if (verdict == ZDM_DONE || verdict == ZDM_STOP || verdict == ZDM_CANCELLED)
	{
		if (verdict != ZDM_DONE)
			run->query.detail = NULL;
		keep_detail(run, old);
		return;
	}
	run->query.closed = true;
	run->query.detail = verdict == ZDM_TOO_LONG ? psprintf("it took longer than %d ms; it is asked again every second", zdm_throttle_query_timeout) :
		psprintf("it failed: %s; it is asked again every second", error ? error->message : "no reason given");
	keep_detail(run, old);
}

/* What the query says; NULL when there is none.  It is asked again when that is old. */
static const ZdmReading *
query_reading(ZdmRun *run)
{
	const ZdmThresholds *own = &run->orders.thresholds;
	const char *query = zdm_thresholds_text(own, &zdm_signal_query);

	if (query == NULL)
		query = zdm_throttle_query;
	if (query[0] == '\0' || zdm_signal_threshold(zdm_signal_find(zdm_signal_query.name), own) <= 0)
		return NULL;
	if (INSTR_TIME_IS_ZERO(run->query_seen) || zdm_ms_since(run->query_seen) >= QUERY_MS)
		ask_query(run, query);
	return &run->query;
}

/* ---------- looking ---------- */

/* NULL: the setting counts. */
static const char *
required_standbys(const ZdmThresholds *own)
{
	bool		is_off = zdm_signal_threshold(zdm_signal_find(zdm_signal_required_standbys.name), own) <= 0;

	return is_off ? "" : zdm_thresholds_text(own, &zdm_signal_required_standbys);
}

static void
look(ZdmRun *run, bool is_held, ZdmLoad *load)
{
	const ZdmThresholds *own = &run->orders.thresholds;
	ZdmSignalContext context = {
		.table = run->job->target,
		.own_wal_kb_per_second = is_held ? 0 : run->wal_kb_per_second,
		.is_held = is_held,
		.query = query_reading(run),
		.work_window = zdm_thresholds_text(own, &zdm_signal_work_window),
		.required_standbys = required_standbys(own)
	};
	MemoryContext old = MemoryContextSwitchTo(run->batch_mcxt);

	zdm_load_look(&context, own, run->only_reads, load);
	zdm_controller_step(&run->controller, load->utilisation, zdm_ms_since(run->load_seen));
	if (load->utilisation >= ZDM_CONTROLLER_FALL_FROM)
		run->slowing = load->signal;
	INSTR_TIME_SET_CURRENT(run->load_seen);
	MemoryContextSwitchTo(old);
}

/* ---------- counting ---------- */

static const char *
name_of_hold(int i)
{
	if (i < zdm_nsignals)
		return zdm_signals[i]->name;
	return i == ZDM_SIGNALS_MAX ? "processor" : "order";
}

static void
note_held_step(void *arg)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, FLOAT8OID};
	const ZdmRun *run = arg;
	Datum		values[] = {Int64GetDatum(run->job->id), (Datum) 0, (Datum) 0};
	ZdmCatalogScope scope;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_catalog_begin(&scope);
	for (int i = 0; i < ZDM_HOLDS_MAX; i++)
	{
		if (run->held_ms[i] == 0)
			continue;
		values[1] = CStringGetTextDatum(name_of_hold(i));
		values[2] = Float8GetDatum(run->held_ms[i] / 1000);
		zdm_catalog_execute("INSERT INTO zdm.job_hold (job_id, signal, seconds) VALUES ($1, $2, $3)"
							" ON CONFLICT (job_id, signal) DO UPDATE SET seconds = zdm.job_hold.seconds + excluded.seconds,"
							" last_at = clock_timestamp()",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	}
	zdm_catalog_end(&scope);
}

/* Write what has been counted. */
static void
note_held(ZdmRun *run)
{
	INSTR_TIME_SET_CURRENT(run->held_noted);
	if (zdm_run_try_bookkeep(run, note_held_step, run))
		memset(run->held_ms, 0, sizeof(run->held_ms));
}

/* Count time for which the job has done nothing because of that. */
void
zdm_hold_count(ZdmRun *run, ZdmSlowedBy by, double ms)
{
	if (by == ZDM_SLOWED_NOT || ms <= 0 || (by == ZDM_SLOWED_LOAD && run->slowing == NULL))
		return;
	run->held_ms[by == ZDM_SLOWED_PROCESSOR ? ZDM_SIGNALS_MAX :
				 by == ZDM_SLOWED_ORDER ? ZDM_SIGNALS_MAX + 1 : zdm_signal_find(run->slowing->name)] += ms;
	if (zdm_ms_since(run->held_noted) >= NOTE_MS)
		note_held(run);
}

/* ---------- holding ---------- */

/* Count the time since *from for the signal; *from is now then. */
static void
count_held(ZdmRun *run, const ZdmSignal *signal, instr_time *from)
{
	run->held_ms[zdm_signal_find(signal->name)] += zdm_ms_since(*from);
	INSTR_TIME_SET_CURRENT(*from);
	if (zdm_ms_since(run->held_noted) >= NOTE_MS)
		note_held(run);
}

/* Who holds the horizon is asked for only now: it takes a query. */
static const char *
reason(ZdmRun *run, ZdmLoad *load)
{
	if (load->signal == &zdm_signal_horizon)
		load->reading.detail = unconstify(char *, zdm_run_horizon_holder(run));
	return zdm_load_reason(load);
}

/* Is what holds the job another thing than was said, in detail if not by its signal? */
static bool
is_news(const ZdmLoad *load, const ZdmSignal *signal, const char *detail)
{
	if (load->signal != signal)
		return true;
	return load->reading.detail && detail ? strcmp(load->reading.detail, detail) != 0 :
		load->reading.detail != detail;
}

/*
 * Wait until the load of the server lets the job go on.  False when the run has
 * to end.
 */
bool
zdm_hold_for_load(ZdmRun *run)
{
	const ZdmSignal *signal = NULL;
	char	   *detail = NULL;	/* as was said */
	instr_time	from;
	ZdmLoad		load;
	bool		go_on = true;

	look(run, false, &load);
	while (run->controller.held && go_on)
	{
		/* between the two thresholds it is still the one that held it */
		if (load.signal && load.utilisation >= 1 && is_news(&load, signal, detail))
		{
			if (signal)
				count_held(run, signal, &from);
			signal = load.signal;
			if (detail)
				pfree(detail);
			detail = load.reading.detail ? MemoryContextStrdup(run->run_mcxt, load.reading.detail) : NULL;
			INSTR_TIME_SET_CURRENT(from);
			zdm_say_waiting(run, reason(run, &load));
		}
		else if (signal)
			count_held(run, signal, &from);
		MemoryContextReset(run->batch_mcxt);
		go_on = zdm_pause(run, LOOK_MS);
		if (go_on)
			look(run, true, &load);
	}
	if (signal)
	{
		count_held(run, signal, &from);
		note_held(run);
		zdm_say_working(run);
	}
	return go_on;
}
