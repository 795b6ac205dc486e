/*
 * dispatcher.c
 *	  The process that starts workers for the jobs of one database.
 *
 * A dispatcher is started by the launcher or, without preload, by the session
 * or the worker that wants the queue looked at.  It connects to the database
 * as the bootstrap superuser, goes once through the queued and running jobs
 * in the order of their ids, and ends.  It runs no code of users.
 *
 * Only one dispatcher in the cluster is at work at a time, so that the number
 * of workers it counts is right and zdm.max_workers holds for all databases
 * together.  A further one of the same database can wait for its turn; any
 * more end at once, since the waiting one will see what they came for.
 *
 * Each job is handled in transactions of its own, under a short lock_timeout:
 * neither a row that a session keeps locked nor a job that cannot be handled
 * is in the way of the other jobs.  A start is counted before it is tried
 * (fruitless_starts), and progress of the job sets the count back.  A job
 * whose workers end without progress, perhaps with a crash of the server each
 * time, is tried again after 2, 4, 8 and 16 seconds, and then fails.
 *
 * A dispatcher leaves as soon as somebody wants the database for himself.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "compat/acl.h"
#include "compat/compat.h"
#include "core/bookkeeping.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "core/settings.h"
#include "job/job.h"
#include "job/lock.h"
#include "job/queue.h"
#include "migration/freeze.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "worker/process.h"

#define MAX_FRUITLESS_STARTS 5
#define TURN_POLL_MS 20
#define START_POLL_MS 10
#define START_MAX_MS 10000
#define SLOT_MAX_MS 200
#define WAITING_START "its worker to start"
#define LOOK_AGAIN_MS 60000		/* nothing to do before something happens */
#define LOOK_AGAIN_POSTPONED_MS 5000
#define LOOK_AGAIN_WANTED_MS 1000
#define LOOK_AHEAD_MAX_MS INT64CONST(86400000)

/* What became of one job. */
typedef enum DispatchResult
{
	DISPATCH_SETTLED,			/* not, or no longer, queued or running */
	DISPATCH_RUNNING,			/* it has a worker */
	DISPATCH_POSTPONED,			/* it should have one, but not now */
	DISPATCH_STARVED			/* as many workers as may run are running */
} DispatchResult;

/* What became of one worker. */
typedef enum StartResult
{
	START_RUNNING,				/* it holds the job's lock, or has held it */
	START_NO_SLOT,
	START_WANTED,				/* in vain, somebody wants the database */
	START_DIED					/* it never got so far */
} StartResult;

PGDLLEXPORT void zdm_dispatcher_main(Datum arg);

/* An unfinished job, as read at the start. */
typedef struct QueuedJob
{
	int64		id;
	bool		told_starved;	/* it says already that all workers are busy */
	TimestampTz not_before;		/* a queued job has to wait until then; 0: it
								 * has not */
} QueuedJob;

static uint32 wait_event_turn;
static uint32 wait_event_start;

/*
 * A transaction that commits without waiting for a standby: nothing here is
 * lost for good when a failover forgets it.
 */
static void
begin_transaction(void)
{
	zdm_bookkeeping_begin();
	zdm_pin_setting("synchronous_commit", "local");
}

/* ---------- steps on one job, each in a transaction of the caller's ---------- */

/* Lock the row; NULL when there is nothing to do for the job any more. */
static ZdmJob *
lock_unfinished(int64 job_id)
{
	ZdmJob	   *job = zdm_job_lock(job_id, true);

	return job && zdm_job_wants_worker(job) ? job : NULL;
}

/* Its row was copied: nobody has said that it should go on here. */
static void
pause_foreign_job(ZdmJob *job)
{
	ZdmError   *error;

	error = zdm_error_make(CurrentMemoryContext,
						   ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   psprintf("Use zdm.resume_job(" INT64_FORMAT ") to let it go on here.", job->id),
						   "came from another cluster or database (restore, copy or upgrade)");
	zdm_job_transition(job, ZDM_JOB_PAUSED, error->message, error);
}

static void
fail_fruitless_job(ZdmJob *job)
{
	ZdmError   *error;

	error = zdm_error_make(CurrentMemoryContext,
						   ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   psprintf("The server log says why. Then use zdm.retry_job(" INT64_FORMAT ").", job->id),
						   "its worker ended %d times without finishing a batch",
						   job->fruitless_starts);
	zdm_job_transition(job, ZDM_JOB_FAILED, NULL, error);
	zdm_process_log_error(psprintf("job " INT64_FORMAT " (\"%s\") failed", job->id, job->name),
						  error);
}

/* Too many workers ended without progress. */
static void
give_up(ZdmJob *job)
{
	if (job->state != ZDM_JOB_CANCELLED)
	{
		fail_fruitless_job(job);
		return;
	}
	zdm_job_clean_up_ended(job, zdm_error_make(CurrentMemoryContext, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, NULL,
											   "its worker ended too often; what it leaves behind has to be removed by hand"),
						   true);
}

static bool
may_connect(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		may_login;

	if (!HeapTupleIsValid(tuple))
		return false;
	may_login = ZDM_CAN_BYPASS_ROLELOGINCHECK ||
		((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return may_login &&
		zdm_compat_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK;
}

/*
 * The role to connect a worker as: the one that the job runs as where
 * possible, so that user code has nothing to change back to; otherwise none,
 * and the worker switches in each transaction.
 */
static Oid
connection_role(const ZdmJob *job)
{
	Oid			owner = job->owner_id;

	return OidIsValid(owner) && may_connect(owner) ? owner : InvalidOid;
}

static int
count_workers(void)
{
	int			count;
	ZdmJobLock *locks = zdm_job_lock_list(&count);

	pfree(locks);
	return count;
}

static bool
query_is_true(const char *sql, int64 job_id, Oid argtype, Datum arg)
{
	Oid			argtypes[2] = {INT8OID, argtype};
	Datum		values[2] = {Int64GetDatum(job_id), arg};
	ZdmCatalogScope scope;
	bool		isnull;
	bool		result;

	zdm_catalog_begin(&scope);
	result = zdm_catalog_execute(sql, 2, argtypes, values, NULL, SPI_OK_SELECT) > 0 &&
		DatumGetBool(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	return result;
}

/*
 * Is it too early for another try of a job whose last ones were fruitless?
 * Without a launcher nobody would look again later, so it never is.
 */
static bool
is_too_early(const ZdmJob *job)
{
	if (job->fruitless_starts == 0 || !zdm_queue_is_preloaded())
		return false;
	return query_is_true("SELECT greatest(max(e.at), CASE WHEN j.state = 'running' THEN j.state_since END)"
						 " > clock_timestamp() - make_interval(secs => $2)"
						 " FROM zdm.job j LEFT JOIN zdm.event e ON e.job_id = j.job_id AND e.event IN ('running', 'continued')"
						 " WHERE j.job_id = $1 GROUP BY j.job_id",
						 job->id, FLOAT8OID, Float8GetDatum(1 << job->fruitless_starts));
}

static char *
starved_text(void)
{
	return psprintf("a free worker (zdm.max_workers = %d are busy)", zdm_max_workers);
}

/*
 * What keeps an unfinished job without a worker from getting one, as
 * waiting_for shows it; NULL when nothing does.
 */
static char *
find_obstacle(const ZdmJob *job, DispatchResult *result)
{
	char	   *stopped = zdm_stop_reason();

	*result = DISPATCH_POSTPONED;
	if (stopped)
		return stopped;
	if (is_too_early(job))
		return psprintf("a pause after its worker ended early (try %d of %d)",
						job->fruitless_starts, MAX_FRUITLESS_STARTS);
	if (count_workers() < zdm_max_workers)
		return NULL;
	*result = DISPATCH_STARVED;
	return starved_text();
}

/*
 * Count a start before it is tried, so that no way to die escapes.  The
 * worker takes WAITING_START away when it begins.
 */
static void
count_start(const ZdmJob *job, ZdmWorkerArgs *args)
{
	args->job_id = job->id;
	args->database = MyDatabaseId;
	args->role = connection_role(job);
	zdm_job_set_fruitless_starts(job->id, job->fruitless_starts + 1);
	zdm_job_set_waiting(job->id, WAITING_START);
}

/*
 * Decide about one job and record it.  When a worker is to be started,
 * its arguments are filled in and the start has been counted, but not made.
 */
static DispatchResult
prepare_start(int64 job_id, ZdmWorkerArgs *args)
{
	ZdmJob	   *job = zdm_job_load(job_id, true);
	DispatchResult result;
	char	   *obstacle;

	if (job == NULL || !zdm_job_wants_worker(job))
		return DISPATCH_SETTLED;
	if (job->state == ZDM_JOB_CANCELLED && !job->is_local)
		return DISPATCH_SETTLED;
	if (job->is_local && zdm_job_worker_pid(job_id) != 0)
		return DISPATCH_RUNNING;
	if ((job = lock_unfinished(job_id)) == NULL)
		return DISPATCH_SETTLED;
	if (!zdm_job_is_due(job))
		return DISPATCH_POSTPONED;

	if (!job->is_local)
	{
		pause_foreign_job(job);
		return DISPATCH_SETTLED;
	}
	if (job->fruitless_starts >= MAX_FRUITLESS_STARTS)
	{
		give_up(job);
		return DISPATCH_SETTLED;
	}
	if ((obstacle = find_obstacle(job, &result)) != NULL)
		zdm_job_set_waiting(job_id, obstacle);
	else
		count_start(job, args);
	return result;
}

/* Record why there is no worker for the job yet. */
static void
record_no_start(int64 job_id, StartResult started)
{
	ZdmJob	   *job = lock_unfinished(job_id);

	if (job == NULL)
		return;
	if (started != START_DIED && job->fruitless_starts > 0)
		zdm_job_set_fruitless_starts(job_id, job->fruitless_starts - 1);

	if (started == START_NO_SLOT)
		zdm_job_set_waiting(job_id,
							psprintf("a background worker slot (max_worker_processes = %d are in use)",
									 max_worker_processes));
	else if (started == START_DIED)
		zdm_job_set_waiting(job_id,
							"another try to start its worker, which ended at once (see the server log)");
	else
		zdm_job_set_waiting(job_id, NULL);
}

/* Has a worker that is gone again never begun with the job? */
static bool
never_began(int64 job_id)
{
	return query_is_true("SELECT (state IN ('queued', 'running') OR cleanup) AND waiting_for IS NOT DISTINCT FROM $2"
						 " FROM zdm.job WHERE job_id = $1",
						 job_id, TEXTOID, CStringGetTextDatum(WAITING_START));
}

/* ---------- starting a worker ---------- */

static bool
holds_job_lock(pid_t pid)
{
	int			count;
	ZdmJobLock *locks = zdm_job_lock_list(&count);
	bool		holds = false;

	for (int i = 0; i < count && !holds; i++)
		holds = locks[i].pid == pid;
	pfree(locks);
	return holds;
}

/*
 * Wait until the worker holds its job's lock; false when it ended first.  One
 * that takes too long is ended, so that no worker goes uncounted.
 */
static bool
wait_for_worker(BackgroundWorkerHandle *handle)
{
	TimestampTz start = GetCurrentTimestamp();
	BgwHandleStatus status;
	pid_t		pid;

	while ((status = GetBackgroundWorkerPid(handle, &pid)) != BGWH_STOPPED)
	{
		if (status == BGWH_STARTED && holds_job_lock(pid))
			return true;
		if (zdm_database_is_wanted() ||
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(), START_MAX_MS))
			TerminateBackgroundWorker(handle);
		(void) zdm_process_wait(START_POLL_MS, wait_event_start);
	}
	return false;
}

/*
 * Register the worker.  The slot of a worker that has just ended becomes free
 * a moment later, which is worth waiting for once.
 */
static bool
register_worker(const ZdmWorkerArgs *args, BackgroundWorkerHandle **handle)
{
	static int	patience_ms = SLOT_MAX_MS;

	while (!zdm_queue_start_worker(args, handle))
	{
		if (patience_ms <= 0 || zdm_database_is_wanted())
			return false;
		(void) zdm_process_wait(START_POLL_MS, wait_event_start);
		patience_ms -= START_POLL_MS;
	}
	return true;
}

static StartResult
start_worker(const ZdmWorkerArgs *args)
{
	BackgroundWorkerHandle *handle;
	bool		died;

	if (!register_worker(args, &handle))
		return START_NO_SLOT;
	if (wait_for_worker(handle))
		return START_RUNNING;
	if (zdm_database_is_wanted())
		return START_WANTED;

	begin_transaction();
	died = never_began(args->job_id);
	zdm_bookkeeping_commit();
	return died ? START_DIED : START_RUNNING;
}

/* Handle one job; errors are the caller's. */
static DispatchResult
dispatch_job(int64 job_id)
{
	ZdmWorkerArgs args = {0};
	DispatchResult result;
	StartResult started;

	begin_transaction();
	result = prepare_start(job_id, &args);
	zdm_bookkeeping_commit();
	if (args.job_id == 0)
		return result;

	started = start_worker(&args);
	if (started == START_DIED && OidIsValid(args.role))
	{
		/* something about the role that may_connect() did not foresee */
		args.role = InvalidOid;
		started = start_worker(&args);
	}
	if (started == START_RUNNING)
		return DISPATCH_RUNNING;

	begin_transaction();
	record_no_start(job_id, started);
	zdm_bookkeeping_commit();
	return DISPATCH_POSTPONED;
}

/* As dispatch_job(); one job's error is no other job's. */
static DispatchResult
dispatch_job_safely(int64 job_id, MemoryContext scratch)
{
	volatile DispatchResult result = DISPATCH_POSTPONED;

	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		result = dispatch_job(job_id);
	}
	PG_CATCH();
	{
		ZdmError   *error = zdm_error_capture(scratch);

		/* a session has its row locked, and will hand over a request */
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			zdm_process_log_error(psprintf("job " INT64_FORMAT " could not be started", job_id),
								  error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(scratch);
	MemoryContextReset(scratch);
	return result;
}

/* ---------- one pass over the queue ---------- */

/* The unfinished jobs in the order of their ids, in the current context. */
static QueuedJob *
read_queue(int *count)
{
	static const Oid argtypes[] = {TEXTOID};
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	QueuedJob  *jobs;
	Datum		busy;

	begin_transaction();
	busy = CStringGetTextDatum(starved_text());
	zdm_catalog_begin(&scope);
	*count = zdm_catalog_execute("SELECT job_id, state = 'queued' AND waiting_for IS NOT DISTINCT FROM $1,"
								 " CASE WHEN state = 'queued' THEN " ZDM_NOT_BEFORE_SQL " END"
								 " FROM zdm.job WHERE state IN ('queued', 'running')"
								 " OR (state = 'cancelled' AND cleanup) ORDER BY job_id",
								 1, argtypes, &busy, NULL, SPI_OK_SELECT);
	jobs = MemoryContextAlloc(mcxt, sizeof(QueuedJob) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		bool		isnull;

		jobs[i].id = DatumGetInt64(zdm_catalog_value(i, 1, &isnull));
		jobs[i].told_starved = DatumGetBool(zdm_catalog_value(i, 2, &isnull));
		jobs[i].not_before = DatumGetTimestampTz(zdm_catalog_value(i, 3, &isnull));
		if (isnull)
			jobs[i].not_before = 0;
	}
	zdm_catalog_end(&scope);
	zdm_bookkeeping_commit();
	MemoryContextSwitchTo(mcxt);
	return jobs;
}

static bool
is_installed(void)
{
	bool		installed;

	begin_transaction();
	installed = zdm_process_extension_fits();
	zdm_bookkeeping_commit();
	return installed;
}

/*
 * When somebody wants the database, prepare to leave it.  Without a launcher
 * another dispatcher is registered now; it will wait for the database's lock
 * before it is connected, where it is in nobody's way.
 */
static bool
leaves_wanted_database(ZdmVisitReport *report)
{
	if (!zdm_database_is_wanted())
		return false;
	report->unfinished = true;
	report->look_again_ms = LOOK_AGAIN_WANTED_MS;
	if (!zdm_queue_is_preloaded())
		zdm_queue_request_now();
	return true;
}

/* The queue is to be looked at again in ms, or sooner. */
static void
look_again_in(ZdmVisitReport *report, long ms)
{
	report->look_again_ms = report->unfinished ? Min(report->look_again_ms, ms) : ms;
	report->unfinished = true;
}

static void
note_result(ZdmVisitReport *report, DispatchResult result)
{
	switch (result)
	{
		case DISPATCH_SETTLED:
			break;
		case DISPATCH_RUNNING:
			look_again_in(report, LOOK_AGAIN_MS);
			break;
		case DISPATCH_STARVED:
			look_again_in(report, LOOK_AGAIN_MS);
			report->starved = true;
			break;
		case DISPATCH_POSTPONED:
			look_again_in(report, LOOK_AGAIN_POSTPONED_MS);
			break;
	}
}

/* Has the job to wait for its time?  Then the queue is looked at again at that time. */
static bool
waits_for_its_time(const QueuedJob *job, ZdmVisitReport *report)
{
	TimestampTz now = GetCurrentTimestamp();

	if (job->not_before <= now)
		return false;
	look_again_in(report, TimestampDifferenceMilliseconds(now, Min(job->not_before,
																   TimestampTzPlusMilliseconds(now, LOOK_AHEAD_MAX_MS))));
	return true;
}

/*
 * Go through the queue once.  Once all workers are busy, jobs that wait for
 * one, and say so, are passed over: there may be thousands.
 */
static void
dispatch_queue(ZdmVisitReport *report)
{
	MemoryContext scratch = AllocSetContextCreate(TopMemoryContext, "zdm dispatcher",
												  ALLOCSET_DEFAULT_SIZES);
	int			count;
	QueuedJob  *jobs;

	MemoryContextSwitchTo(TopMemoryContext);
	jobs = read_queue(&count);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (leaves_wanted_database(report))
			return;
		if (waits_for_its_time(&jobs[i], report) || (report->starved && jobs[i].told_starved))
			continue;
		note_result(report, dispatch_job_safely(jobs[i].id, scratch));
	}
	if (report->unfinished && report->look_again_ms < LOOK_AGAIN_MS)
		(void) leaves_wanted_database(report);
}

/*
 * Wait for the turn.  False when there is no need to: somebody wants the
 * database, or another dispatcher of this database is waiting already.
 */
static bool
take_turn(ZdmVisitReport *report)
{
	if (zdm_dispatch_lock_try())
		return true;
	if (!zdm_dispatch_lock_try_next())
	{
		report->unfinished = true;
		report->look_again_ms = LOOK_AGAIN_MS;
		return false;
	}

	while (!zdm_dispatch_lock_try())
	{
		if (leaves_wanted_database(report))
			return false;
		(void) zdm_process_wait(TURN_POLL_MS, wait_event_turn);
	}
	zdm_dispatch_lock_release_next();
	return true;
}

/* Entry point; the argument is the database's OID. */
void
zdm_dispatcher_main(Datum arg)
{
	Oid			database = DatumGetObjectId(arg);
	ZdmVisitReport report = {0};

	zdm_process_init();
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	zdm_process_pin_settings("zdm dispatcher");
	wait_event_turn = zdm_process_wait_event("ZdmDispatcherTurn");
	wait_event_start = zdm_process_wait_event("ZdmDispatcherStart");

	if (is_installed() && zdm_autostart && take_turn(&report))
		dispatch_queue(&report);
	zdm_queue_report(database, &report);
	proc_exit(0);
}
