/*
 * launcher.c
 *	  The process that sees to it that queued jobs get workers.
 *
 * There is one launcher when zdm is in shared_preload_libraries.  It is
 * connected to no database, so it can only read shared catalogs and is in
 * nobody's way.  It visits databases: one at a time gets a dispatcher, a
 * short-lived process that starts workers for the jobs of that database and
 * reports what is left to do.
 *
 * Databases are visited when the registry (queue.c) says so, and all of them
 * in turn at the launcher's start and every zdm.launcher_interval.  So a
 * missed request, a crash or a failover only cost time.  The launcher never
 * looks at jobs; it compares no states and keeps none that matters.
 *
 * A database that somebody wants to drop, rename or copy is left alone until
 * the lock is gone.  A visit that fails is repeated with a growing pause, and
 * logged when it fails first and when it succeeds again.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "core/life.h"
#include "core/settings.h"
#include "job/lock.h"
#include "job/queue.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "worker/launcher.h"
#include "worker/process.h"

#define RESTART_S 5
#define WANTED_PAUSE_MS 1000
#define VISIT_POLL_MS 1000
#define VISIT_MAX_MS 60000

PGDLLEXPORT void zdm_launcher_main(Datum arg);

/* databases of the current sweep that are still to be visited */
static List *sweep = NIL;
static TimestampTz next_sweep = 0;

/*
 * Have the postmaster run the launcher, if shared_preload_libraries is being
 * processed, and not for pg_upgrade.  From _PG_init only.
 */
void
zdm_launcher_register(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_S;
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "zdm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "zdm_launcher_main");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "zdm launcher");
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "zdm launcher");
	RegisterBackgroundWorker(&worker);
}

/* Can a dispatcher connect to it? */
static bool
accepts_connections(Form_pg_database database)
{
	return database->datallowconn && !database_is_invalid_form(database);
}

static bool
database_accepts_connections(Oid database)
{
	HeapTuple	tuple;
	bool		accepts = false;

	StartTransactionCommand();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		accepts = accepts_connections((Form_pg_database) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	return accepts;
}

/* Begin a sweep over all databases that may have jobs. */
static void
start_sweep(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	list_free(sweep);
	sweep = NIL;

	StartTransactionCommand();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext mcxt = MemoryContextSwitchTo(TopMemoryContext);

		if (accepts_connections(database) && !database->datistemplate)
			sweep = lappend_oid(sweep, database->oid);
		MemoryContextSwitchTo(mcxt);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();

	next_sweep = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											 zdm_launcher_interval * INT64CONST(1000));
}

/* The next database to visit; when there is none, how long to wait. */
static bool
next_database(Oid *database, long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	long		sweep_ms;

	/* the interval may have become shorter */
	next_sweep = Min(next_sweep,
					 TimestampTzPlusMilliseconds(now, zdm_launcher_interval * INT64CONST(1000)));
	if (zdm_queue_take_sweep_request() || next_sweep <= now)
		start_sweep();

	if (zdm_queue_next(database, wait_ms))
	{
		sweep = list_delete_oid(sweep, *database);
		return true;
	}
	if (sweep != NIL)
	{
		*database = linitial_oid(sweep);
		sweep = list_delete_first(sweep);
		return true;
	}
	sweep_ms = TimestampDifferenceMilliseconds(now, next_sweep);
	*wait_ms = (*wait_ms < 0) ? sweep_ms : Min(*wait_ms, sweep_ms);
	return false;
}

/*
 * Wait until the dispatcher has ended.  It is made to when it takes too long,
 * or when it waits to connect to a database that somebody has locked.
 */
static void
wait_for_dispatcher(BackgroundWorkerHandle *handle, Oid database)
{
	static uint32 wait_event = 0;
	TimestampTz start = GetCurrentTimestamp();
	pid_t		pid;

	if (wait_event == 0)
		wait_event = zdm_process_wait_event("ZdmLauncherVisit");
	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (TimestampDifferenceExceeds(start, now, VISIT_MAX_MS) ||
			(TimestampDifferenceExceeds(start, now, WANTED_PAUSE_MS) &&
			 zdm_database_is_wanted_oid(database)))
			TerminateBackgroundWorker(handle);
		if (zdm_process_wait(VISIT_POLL_MS, wait_event))
			zdm_queue_wake_starved();	/* zdm.max_workers, perhaps */
	}
}

static void
log_visit(Oid database, bool started, bool reported, int failures)
{
	if (reported && failures > 0)
		ereport(LOG,
				(errmsg("zdm launcher: dispatcher for database %u works again", database)));
	else if (!started && failures == 1)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("zdm launcher: no background worker slot for database %u; trying again until there is one",
						database),
				 errhint("You may need to increase \"max_worker_processes\".")));
	else if (!reported && failures == 1)
		ereport(LOG,
				(errmsg("zdm launcher: dispatcher for database %u ended early; trying again until one does not",
						database)));
}

/* Run one dispatcher for the database and take its report. */
static void
visit_database(Oid database)
{
	BackgroundWorkerHandle *handle;
	bool		started;
	bool		reported;
	int			failures;

	if (!database_accepts_connections(database))
	{
		zdm_queue_forget(database);
		return;
	}
	if (zdm_database_is_wanted_oid(database))
	{
		zdm_queue_postpone(database, WANTED_PAUSE_MS);
		return;
	}

	zdm_queue_begin_visit(database);
	started = zdm_queue_start_dispatcher(database, &handle);
	if (started)
	{
		wait_for_dispatcher(handle, database);
		pfree(handle);
	}
	reported = zdm_queue_end_visit(database, &failures);
	log_visit(database, started, reported, failures);
}

/* Say it once each time it is turned off. */
static void
log_autostart(void)
{
	static bool logged_off = false;

	if (!zdm_autostart && !logged_off)
		ereport(LOG,
				(errmsg("zdm launcher: starts no jobs, because zdm.autostart is off"),
				 errhint("Set \"zdm.autostart\" to on and reload the configuration.")));
	logged_off = !zdm_autostart;
}

/* One turn: visit what is due, or wait until something may be. */
static void
launcher_turn(uint32 wait_event)
{
	Oid			database;
	long		wait_ms = -1;

	CHECK_FOR_INTERRUPTS();
	log_autostart();
	if (zdm_autostart && next_database(&database, &wait_ms))
		visit_database(database);
	else if (zdm_process_wait(wait_ms, wait_event))
		zdm_queue_wake_starved();	/* zdm.max_workers, perhaps */
}

/*
 * Entry point.  It never returns; an error ends the process, and the
 * postmaster starts another one after RESTART_S seconds.
 */
void
zdm_launcher_main(Datum arg)
{
	uint32		wait_event;

	zdm_process_init();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	zdm_process_pin_settings("zdm launcher");

	if (!zdm_queue_is_preloaded())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("zdm launcher has no shared memory"),
				 errhint("Add \"zdm\" to \"shared_preload_libraries\" and restart.")));
	zdm_queue_attach_launcher();
	zdm_life_begin();
	wait_event = zdm_process_wait_event("ZdmLauncherMain");

	for (;;)
		launcher_turn(wait_event);
}
