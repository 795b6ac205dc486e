/*
 * queue.c
 *	  "Look at the queue": how the processes that start workers learn that a
 *	  database has work.
 *
 * With zdm in shared_preload_libraries there is a registry in shared memory:
 * one entry for each database that has, or may have, unfinished jobs.
 * Sessions and ending workers mark entries, the launcher takes them out; all
 * of it under the one LWLock of the registry, held for a scan of 64 entries.
 * A database without an entry has nothing to do as far as we know; when there
 * is no room for an entry, sweep_requested makes the launcher look at every
 * database.  The launcher visits one database at a time; what the dispatcher
 * it started found out comes back in the registry's visit record.
 *
 * Without preload there is no registry, and whoever has a request registers
 * a dispatcher with the postmaster.
 *
 * The registry holds hints only.  It is lost in a crash, and the launcher's
 * sweep at its start makes up for that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/settings.h"
#include "core/shmem.h"
#include "job/queue.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#define MAX_DATABASES 64
#define MAX_BACKOFF_S 60
#define REQUEST_BACKOFF_MS 1000

typedef struct QueueEntry
{
	Oid			database;		/* InvalidOid: free */
	bool		look_requested; /* set by sessions and workers, cleared when
								 * the launcher takes the entry */
	bool		starved;		/* its jobs wait for any worker to end */
	int			failures;		/* dispatchers in a row that did not report */
	TimestampTz look_at;		/* look without a request; 0: don't */
	TimestampTz not_before;		/* hold back even a request; 0: don't */
} QueueEntry;

typedef struct QueueVisit
{
	Oid			database;		/* set by the launcher */
	bool		reported;		/* set by the dispatcher, with the report */
	ZdmVisitReport report;
} QueueVisit;

typedef struct QueueShared
{
	LWLock	   *lock;			/* protects everything below */
	Latch	   *launcher;		/* NULL when there is none */
	bool		sweep_requested;
	int			last_taken;		/* index, so that all get their turn */
	QueueVisit	visit;
	QueueEntry	entries[MAX_DATABASES];
} QueueShared;

static QueueShared *shared = NULL;

/*
 * The request of the current transaction: the lowest nest level of
 * (sub)transactions that made it, 0 for none.
 */
static int	request_level = 0;
static BackgroundWorker dispatcher_request;

/* ---------- the registry; the lock is held ---------- */

static QueueEntry *
find_entry(Oid database)
{
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		if (shared->entries[i].database == database)
			return &shared->entries[i];
	}
	return NULL;
}

/* NULL when there is no room, and then the launcher will look everywhere. */
static QueueEntry *
find_or_add_entry(Oid database)
{
	QueueEntry *entry = find_entry(database);

	if (entry)
		return entry;
	entry = find_entry(InvalidOid);
	if (entry)
	{
		memset(entry, 0, sizeof(QueueEntry));
		entry->database = database;
	}
	return entry;
}

static void
mark_starved(void)
{
	for (int i = 0; i < MAX_DATABASES; i++)
	{
		if (shared->entries[i].starved)
			shared->entries[i].look_requested = true;
	}
}

/* When the entry is due; DT_NOEND for never. */
static TimestampTz
due_time(const QueueEntry *entry)
{
	if (!OidIsValid(entry->database))
		return DT_NOEND;
	if (entry->look_requested)
		return entry->not_before;
	if (entry->look_at != 0)
		return Max(entry->look_at, entry->not_before);
	return DT_NOEND;
}

/* ---------- hooks ---------- */

static void
init_shared(void *area, LWLock *lock)
{
	((QueueShared *) area)->lock = lock;
}

static void
build_worker(BackgroundWorker *worker, const char *function, const char *type)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	snprintf(worker->bgw_library_name, sizeof(worker->bgw_library_name), "zdm");
	snprintf(worker->bgw_function_name, sizeof(worker->bgw_function_name), "%s", function);
	snprintf(worker->bgw_type, sizeof(worker->bgw_type), "%s", type);
}

static void
build_dispatcher(BackgroundWorker *worker, Oid database)
{
	build_worker(worker, "zdm_dispatcher_main", "zdm dispatcher");
	snprintf(worker->bgw_name, sizeof(worker->bgw_name),
			 "zdm dispatcher: database %u", database);
	worker->bgw_main_arg = ObjectIdGetDatum(database);
}

/*
 * Mark this database and wake the launcher, or have a dispatcher started.
 * Called at commit and while a process ends: must not fail.
 */
static void
hand_over(bool worker_ended)
{
	QueueEntry *entry;

	if (shared == NULL)
	{
		if (zdm_autostart && !IsBinaryUpgrade)
			(void) RegisterDynamicBackgroundWorker(&dispatcher_request, NULL);
		return;
	}

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_or_add_entry(MyDatabaseId);
	if (entry)
	{
		TimestampTz limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														REQUEST_BACKOFF_MS);

		entry->look_requested = true;
		entry->not_before = Min(entry->not_before, limit);
	}
	else
		shared->sweep_requested = true;
	if (worker_ended)
		mark_starved();
	if (shared->launcher)
		SetLatch(shared->launcher);
	LWLockRelease(shared->lock);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (request_level == 0)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			request_level = 0;
			hand_over(false);
			break;
		case XACT_EVENT_ABORT:
			request_level = 0;
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot prepare a transaction that starts, resumes or cancels a zdm job"),
					 errhint("Use COMMIT, or call zdm in a transaction of its own.")));
			break;
		default:
			break;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mySubid,
					  SubTransactionId parentSubid, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (request_level < level)
		return;					/* none, or an outer one made it */

	if (event == SUBXACT_EVENT_ABORT_SUB)
		request_level = 0;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		request_level = level - 1;
}

/*
 * Set up the hand-over of requests in this process and, when the library is
 * being preloaded, the registry.  From _PG_init only.
 */
void
zdm_queue_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	zdm_shmem_add("zdm queue", sizeof(QueueShared), (void **) &shared, init_shared);
}

/* Is zdm in shared_preload_libraries, so that there is a launcher? */
bool
zdm_queue_is_preloaded(void)
{
	return shared != NULL;
}

/* ---------- sessions and workers ---------- */

/*
 * Have the queue of this database looked at once the current transaction has
 * committed; nothing happens when it, or the subtransaction, is rolled back.
 * The transaction cannot be prepared any more.
 */
void
zdm_queue_request(void)
{
	int			level = GetCurrentTransactionNestLevel();

	build_dispatcher(&dispatcher_request, MyDatabaseId);
	if (request_level == 0 || level < request_level)
		request_level = level;
}

/*
 * Have the queue of this database looked at now, and those where jobs wait
 * for a worker to end.  For a worker that is ending; safe in a
 * before_shmem_exit callback.
 */
void
zdm_queue_request_now(void)
{
	if (!OidIsValid(MyDatabaseId) || !PostmasterIsAlive())
		return;
	build_dispatcher(&dispatcher_request, MyDatabaseId);
	hand_over(true);
}

/* ---------- the launcher ---------- */

static void
detach_launcher(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (shared->launcher == MyLatch)
		shared->launcher = NULL;
	LWLockRelease(shared->lock);
}

/* From now on this process is woken for requests, until it ends. */
void
zdm_queue_attach_launcher(void)
{
	before_shmem_exit(detach_launcher, (Datum) 0);
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = MyLatch;
	LWLockRelease(shared->lock);
}

/*
 * Take a database that is due.  When none is, false, with the time until one
 * will be in *wait_ms (-1: not before a request).
 */
bool
zdm_queue_next(Oid *database, long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz earliest = DT_NOEND;
	bool		found = false;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	for (int i = 1; i <= MAX_DATABASES && !found; i++)
	{
		int			index = (shared->last_taken + i) % MAX_DATABASES;
		QueueEntry *entry = &shared->entries[index];
		TimestampTz due = due_time(entry);

		if (due <= now)
		{
			entry->look_requested = false;
			entry->look_at = 0;
			shared->last_taken = index;
			*database = entry->database;
			found = true;
		}
		earliest = Min(earliest, due);
	}
	LWLockRelease(shared->lock);

	*wait_ms = (earliest == DT_NOEND) ? -1 : TimestampDifferenceMilliseconds(now, earliest);
	return found;
}

/* Did somebody find no room in the registry since the last call? */
bool
zdm_queue_take_sweep_request(void)
{
	bool		requested;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	requested = shared->sweep_requested;
	shared->sweep_requested = false;
	LWLockRelease(shared->lock);
	return requested;
}

/* Before the launcher starts a dispatcher for the database. */
void
zdm_queue_begin_visit(Oid database)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->visit.database = database;
	shared->visit.reported = false;
	LWLockRelease(shared->lock);
}

static void
note_success(QueueEntry *entry, const ZdmVisitReport *report)
{
	entry->failures = 0;
	entry->not_before = 0;
	entry->starved = report->starved;
	if (report->unfinished)
		entry->look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 report->look_again_ms);
	else if (!entry->look_requested)
		entry->database = InvalidOid;	/* frees the entry */
}

static void
note_failure(QueueEntry *entry)
{
	int			seconds;

	entry->failures++;
	seconds = (entry->failures > 6) ? MAX_BACKOFF_S : Min(1 << (entry->failures - 1), MAX_BACKOFF_S);
	entry->look_requested = true;
	entry->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), seconds * 1000);
}

/*
 * After the dispatcher has ended, or could not be started: true when it had
 * reported, with the number of failures before it in *failures.  When false,
 * *failures counts this one too, and the database has to wait from 1 second
 * after the first failure to 60 after the seventh.
 */
bool
zdm_queue_end_visit(Oid database, int *failures)
{
	QueueEntry *entry;
	bool		reported;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	reported = shared->visit.database == database && shared->visit.reported;
	shared->visit.database = InvalidOid;

	if (reported && !shared->visit.report.unfinished)
		entry = find_entry(database);
	else
		entry = find_or_add_entry(database);

	*failures = (entry == NULL) ? !reported : entry->failures + !reported;
	if (entry && reported)
		note_success(entry, &shared->visit.report);
	else if (entry)
		note_failure(entry);
	LWLockRelease(shared->lock);
	return reported;
}

/* Look at the database in so many milliseconds, and no sooner. */
void
zdm_queue_postpone(Oid database, long ms)
{
	QueueEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_or_add_entry(database);
	if (entry)
	{
		entry->look_requested = true;
		entry->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	}
	LWLockRelease(shared->lock);
}

/* The database is gone, or does not accept connections. */
void
zdm_queue_forget(Oid database)
{
	QueueEntry *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = find_entry(database);
	if (entry)
		entry->database = InvalidOid;
	LWLockRelease(shared->lock);
}

/* Look again where jobs wait for a worker to end: the limit has changed. */
void
zdm_queue_wake_starved(void)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	mark_starved();
	LWLockRelease(shared->lock);
}

/*
 * Start a dispatcher that wakes this process when it starts and ends.  False
 * when there is no slot.  The handle is palloc'd.
 */
bool
zdm_queue_start_dispatcher(Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	build_dispatcher(&worker, database);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* ---------- the dispatcher ---------- */

/* Tell the launcher, if one waits for this, what was found. */
void
zdm_queue_report(Oid database, const ZdmVisitReport *report)
{
	if (shared == NULL)
		return;
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (shared->visit.database == database)
	{
		shared->visit.report = *report;
		shared->visit.reported = true;
	}
	LWLockRelease(shared->lock);
}

/*
 * Start the worker of a job; it wakes this process when it starts and ends.
 * False when there is no slot.  The handle is palloc'd.
 */
bool
zdm_queue_start_worker(const ZdmWorkerArgs *args, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	StaticAssertStmt(sizeof(ZdmWorkerArgs) <= BGW_EXTRALEN,
					 "arguments of a worker do not fit into bgw_extra");

	build_worker(&worker, "zdm_worker_main", "zdm worker");
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "zdm worker: job " INT64_FORMAT, args->job_id);
	memcpy(worker.bgw_extra, args, sizeof(ZdmWorkerArgs));
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}
