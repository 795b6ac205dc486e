/*
 * progress.c
 *	  How far the builds of indexes are: zdm.list_index_builds().
 *
 * The worker is busy inside the statement, so what it has done is read from
 * the shared status of backends, where PostgreSQL keeps the figures of
 * pg_stat_progress_create_index.  Shown to all who may see the job, also when
 * they are not members of the worker's role.
 */
#include "postgres.h"

#include "commands/progress.h"
#include "compat/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define LIST_COLUMNS 8

PG_FUNCTION_INFO_V1(zdm_list_index_builds);

/* A phase of a concurrent build, and the share of the whole that it begins at. */
typedef struct Phase
{
	const char *name;
	double		begins_at;
	const char *waits_for;		/* NULL: it does not wait */
} Phase;

/* by PROGRESS_CREATEIDX_PHASE; the shares are those of a B-tree of numbers */
static const Phase phases[] = {
	{"starting", 0, NULL},
	{"waiting for writers before build", 0.01, "transactions that wrote to the table before"},
	{"building", 0.02, NULL},
	{"waiting for writers before validation", 0.70, "transactions that wrote to the table before"},
	{"validation: scanning index", 0.71, NULL},
	{"validation: sorting", 0.80, NULL},
	{"validation: scanning table", 0.85, NULL},
	{"waiting for old snapshots", 0.97, "transactions with an older snapshot"},
	{"waiting for readers before marking dead", 0.98, "transactions that use the old index"},
	{"waiting for readers before dropping", 0.99, "transactions that use the old index"},
	{"", 1, NULL}
};

static const Phase *
phase_of(const PgBackendStatus *status)
{
	int64		number = status->st_progress_param[PROGRESS_CREATEIDX_PHASE];

	return number >= 0 && number < lengthof(phases) - 1 ? &phases[number] : &phases[0];
}

static double
share(int64 done, int64 total)
{
	return total > 0 ? Min((double) done / total, 1) : 0;
}

/* Inside of a phase, one of the two counters moves. */
static double
progress_of(const PgBackendStatus *status)
{
	const Phase *phase = phase_of(status);
	const int64 *param = status->st_progress_param;
	double		blocks = share(param[PROGRESS_SCAN_BLOCKS_DONE], param[PROGRESS_SCAN_BLOCKS_TOTAL]);
	double		tuples = share(param[PROGRESS_CREATEIDX_TUPLES_DONE], param[PROGRESS_CREATEIDX_TUPLES_TOTAL]);

	return phase->begins_at + (phase[1].begins_at - phase->begins_at) *
		(phase == &phases[PROGRESS_CREATEIDX_PHASE_BUILD] ? (blocks + tuples) / 2 : Max(blocks, tuples));
}

/*
 * What a build waits for; NULL: for nothing.  For whom is known by the lock
 * table: the process in the status is an innocent one when the transaction was
 * prepared.
 */
static char *
waiting_for(const PgBackendStatus *status)
{
	const int64 *param = status->st_progress_param;
	const char *what = phase_of(status)->waits_for;
	int64		total = param[PROGRESS_WAITFOR_TOTAL];

	if (what == NULL || total == 0)
		return NULL;
	return psprintf("%s (" INT64_FORMAT " of " INT64_FORMAT ")", what,
					Min(param[PROGRESS_WAITFOR_DONE] + 1, total), total);
}

/*
 * One row for each process of this database that builds an index: pid, phase,
 * blocks_done, blocks_total, tuples_done, tuples_total, progress, waiting_for
 */
Datum
zdm_list_index_builds(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *entry = zdm_compat_local_beentry(i);
		const PgBackendStatus *status = entry ? &entry->backendStatus : NULL;
		Datum		values[LIST_COLUMNS] = {0};
		bool		nulls[LIST_COLUMNS] = {0};
		const int64 *param;
		char	   *waiting;

		if (status == NULL || status->st_procpid <= 0 || status->st_databaseid != MyDatabaseId ||
			status->st_progress_command != PROGRESS_COMMAND_CREATE_INDEX)
			continue;
		param = status->st_progress_param;
		waiting = waiting_for(status);
		values[0] = Int32GetDatum(status->st_procpid);
		values[1] = CStringGetTextDatum(phase_of(status)->name);
		values[2] = Int64GetDatum(param[PROGRESS_SCAN_BLOCKS_DONE]);
		values[3] = Int64GetDatum(param[PROGRESS_SCAN_BLOCKS_TOTAL]);
		values[4] = Int64GetDatum(param[PROGRESS_CREATEIDX_TUPLES_DONE]);
		values[5] = Int64GetDatum(param[PROGRESS_CREATEIDX_TUPLES_TOTAL]);
		values[6] = Float8GetDatum(progress_of(status));
		nulls[7] = waiting == NULL;
		values[7] = waiting ? CStringGetTextDatum(waiting) : (Datum) 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
