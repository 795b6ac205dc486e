/*
 * table.c
 *	  Signals: what the job's table suffers: rows that are dead and not yet
 *	  vacuumed, and a vacuum that is at work on it.
 */
#include "postgres.h"

#include "commands/progress.h"
#include "compat/compat.h"
#include "compat/statistics.h"
#include "pgstat.h"
#include "throttle/settings.h"
#include "throttle/signal.h"

/* tables below that have dead rows in no time */
#define SMALLEST_ROWS 10000.0

/* ---------- dead rows ---------- */

static void
read_dead_rows(const ZdmSignalContext *context, ZdmReading *reading)
{
	PgStat_StatTabEntry *stats;
	double		live;
	double		dead;

	reading->unknown = true;
	if (!OidIsValid(context->table))
		return;
	pgstat_clear_snapshot();
	stats = pgstat_fetch_stat_tabentry(context->table);
	if (stats == NULL)
		return;
	zdm_compat_table_rows(stats, &live, &dead);
	if (live + dead < SMALLEST_ROWS)
		return;
	reading->unknown = false;
	reading->value = dead / (live + dead) * 100;
}

const ZdmSignal zdm_signal_dead_rows = {
	.name = "dead_rows",
	.words = "share of dead rows in the table",
	.release = "a VACUUM has cleaned the table up",
	.unit = ZDM_SIGNAL_PERCENT,
	.setting = &zdm_max_dead_rows,
	.of_writes = true,
	.read = read_dead_rows
};

/* ---------- vacuum ---------- */

/* The process that vacuums the table; 0 when none does. */
static int
vacuum_of(Oid table)
{
	pgstat_clear_backend_activity_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *entry = zdm_compat_local_beentry(i);

		if (entry && entry->backendStatus.st_progress_command == PROGRESS_COMMAND_VACUUM &&
			entry->backendStatus.st_progress_command_target == table)
			return entry->backendStatus.st_procpid;
	}
	return 0;
}

static void
read_vacuum(const ZdmSignalContext *context, ZdmReading *reading)
{
	int			pid = OidIsValid(context->table) ? vacuum_of(context->table) : 0;

	reading->value = pid != 0 ? 1 : 0;
	if (pid != 0)
		reading->detail = psprintf("process %d", pid);
}

const ZdmSignal zdm_signal_vacuum = {
	.name = "vacuum",
	.words = "VACUUM of the table",
	.release = "it has ended",
	.unit = ZDM_SIGNAL_COUNT,
	.setting = &zdm_wait_for_vacuum,
	.of_writes = true,
	.read = read_vacuum
};
