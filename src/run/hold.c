/*
 * hold.c
 *	  A job that is held, or slowed, by the load of the server.
 *
 * Looked at before every batch.  Load never ends a job: it waits, says for
 * what, and how long it has waited for which signal is kept in zdm.job_hold.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/clock.h"
#include "core/identity.h"
#include "run/hold.h"
#include "run/pause.h"
#include "throttle/load.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* between two looks, while it is held */
#define LOOK_MS 250.0

/* how often the time is written while it is held */
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

static void
look(ZdmRun *run, ZdmLoad *load)
{
	ZdmSignalContext context = {.table = run->job->target,.own_wal_kb_per_second = run->wal_kb_per_second};
	MemoryContext old = MemoryContextSwitchTo(run->batch_mcxt);

	zdm_load_look(&context, &run->orders.thresholds, run->only_reads, load);
	zdm_controller_step(&run->controller, load->utilisation, zdm_ms_since(run->load_seen));
	INSTR_TIME_SET_CURRENT(run->load_seen);
	MemoryContextSwitchTo(old);
}

typedef struct Held
{
	int64		job_id;
	const char *signal;
	double		ms;
} Held;

static void
add_held_step(void *arg)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, FLOAT8OID};
	const Held *held = arg;
	Datum		values[] = {Int64GetDatum(held->job_id), CStringGetTextDatum(held->signal),
	Float8GetDatum(held->ms / 1000)};
	ZdmCatalogScope scope;

	zdm_pin_setting("synchronous_commit", "off");
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.job_hold (job_id, signal, seconds) VALUES ($1, $2, $3)"
						" ON CONFLICT (job_id, signal) DO UPDATE SET seconds = zdm.job_hold.seconds + excluded.seconds,"
						" last_at = clock_timestamp()",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* Add the time since *from to what the signal has held the job; *from is now then. */
static void
add_held(ZdmRun *run, const ZdmSignal *signal, instr_time *from)
{
	Held		held = {run->job->id, signal->name, zdm_ms_since(*from)};

	if (zdm_run_try_bookkeep(run, add_held_step, &held))
		INSTR_TIME_SET_CURRENT(*from);
}

/*
 * Wait until the load of the server lets the job go on.  False when the run has
 * to end.
 */
bool
zdm_hold_for_load(ZdmRun *run)
{
	const ZdmSignal *signal = NULL;
	instr_time	from;
	ZdmLoad		load;
	bool		go_on = true;

	for (look(run, &load); run->controller.held && go_on; look(run, &load))
	{
		/* between the two thresholds it is still the one that held it */
		if (load.signal && load.signal != signal && load.utilisation >= 1)
		{
			if (signal)
				add_held(run, signal, &from);
			signal = load.signal;
			INSTR_TIME_SET_CURRENT(from);
			zdm_say_waiting(run, zdm_load_reason(&load));
		}
		else if (signal && zdm_ms_since(from) >= NOTE_MS)
			add_held(run, signal, &from);
		MemoryContextReset(run->batch_mcxt);
		go_on = zdm_pause(run, LOOK_MS);
	}
	if (signal)
	{
		add_held(run, signal, &from);
		zdm_say_working(run);
	}
	return go_on;
}
