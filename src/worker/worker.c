/*
 * worker.c
 *	  The process that works on one job.
 *
 * A worker is started by a dispatcher, which has counted the start in
 * fruitless_starts.  It takes the job's lock, makes the job running, lets the
 * job's kind do the work, records what came of it, and ends; nothing restarts
 * it but another look at the queue, which it requests when it ends.  The lock
 * goes away with the process, however it ends.
 *
 * Every way out has a defined end:
 *	- the kind returns: the outcome becomes the job's state, unless somebody
 *	  has changed the state meanwhile;
 *	- an error the kind did not handle: failed, with the error;
 *	- pg_cancel_backend(): paused;
 *	- SIGTERM (pg_terminate_backend(), a shutdown), or the database is wanted:
 *	  the job stays running and goes on in another worker; this start does
 *	  not count as fruitless;
 *	- a crash, or a function of a user that terminates the worker it runs in:
 *	  the job stays running and the start stays counted;
 *	- the extension or the job is gone: a line in the log.
 *
 * The worker is connected as the role that the dispatcher chose, or as the
 * bootstrap superuser, and in both cases touches zdm's tables only through
 * core/catalog.h.  Its own transactions wait for locks only for short times
 * and are repeated, so that it can leave when the database is wanted.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "compat/compat.h"
#include "core/bookkeeping.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/identity.h"
#include "job/job.h"
#include "job/lock.h"
#include "job/queue.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "worker/kinds.h"
#include "worker/process.h"

#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS 5000

PGDLLEXPORT void zdm_worker_main(Datum arg);

static int64 job_id;			/* of this worker */
static ZdmJob *job = NULL;		/* as it was when the work began */
static bool has_job_lock = false;
static int	counted_starts = 0; /* fruitless_starts as the dispatcher left it */
static bool leaves_freely = false;	/* this start was not fruitless */
static bool recorded = false;	/* what came of the work is recorded */
static bool cancel_seen = false;	/* pg_cancel_backend() during bookkeeping */
static uint32 wait_event_retry;

static volatile sig_atomic_t terminated = false;

/* ---------- the end of the process ---------- */

/* One that comes from this process is the doing of what the job runs, and would come again. */
static void
handle_sigterm(int signo, siginfo_t * info, void *context)
{
	int			save_errno = errno;

	if (info->si_pid != MyProcPid)
		terminated = true;
	die(signo);
	errno = save_errno;
}

/* As pqsignal() does, but told who has sent it. */
static void
catch_sigterm(void)
{
	struct sigaction action = {.sa_sigaction = handle_sigterm,.sa_flags = SA_RESTART | SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
}

/*
 * Registered before connecting, so it runs when the transaction has been
 * aborted and the job's lock released.
 */
static void
hand_over_at_exit(int code, Datum arg)
{
	if (has_job_lock)
		zdm_queue_request_now();
}

/*
 * Take the count of this start back, waiting for nothing: in a process that
 * is ending, nothing can interrupt a wait.
 */
static void
uncount_start(void)
{
	static const Oid argtypes[] = {INT8OID, INT4OID};
	Datum		values[lengthof(argtypes)] = {Int64GetDatum(job_id), Int32GetDatum(counted_starts)};
	ZdmCatalogScope scope;
	Oid			jobrelid;

	zdm_bookkeeping_begin();
	SetConfigOption("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION);
	jobrelid = zdm_own_relation("job", true);
	if (OidIsValid(jobrelid) && ConditionalLockRelationOid(jobrelid, RowExclusiveLock))
	{
		zdm_catalog_begin(&scope);
		zdm_catalog_execute("UPDATE zdm.job SET fruitless_starts = $2 - 1 WHERE job_id ="
							" (SELECT job_id FROM zdm.job WHERE job_id = $1 AND fruitless_starts = $2"
							" AND (state IN ('queued', 'running') OR cleanup) FOR UPDATE SKIP LOCKED)",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
		zdm_catalog_end(&scope);
	}
	zdm_bookkeeping_commit();
}

/*
 * Registered after connecting, so there may be an open transaction and there
 * can be another one.
 */
static void
uncount_at_exit(int code, Datum arg)
{
	if (counted_starts == 0 || !(terminated || leaves_freely))
		return;
	AbortOutOfAnyTransaction();
	uncount_start();
}

/* ---------- bookkeeping ---------- */

/*
 * Is the error one that goes away by itself?  A cancel request is kept for
 * when the work begins.
 */
static bool
is_passing(const ZdmError *error)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		cancel_seen = true;
	return error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		zdm_bookkeeping_is_passing(error);
}

static bool
extension_is_gone(void)
{
	bool		gone;

	zdm_bookkeeping_begin();
	gone = !OidIsValid(zdm_extension_oid(true));
	zdm_bookkeeping_commit();
	return gone;
}

/*
 * Run step in a transaction until it succeeds.  False when the worker has to
 * leave without it: the database is wanted, the extension gone, or the error
 * is not a passing one and has been logged.
 */
static bool
do_step(const char *what, void (*step) (void *arg), void *arg)
{
	long		pause_ms = RETRY_FIRST_MS;
	ZdmError   *error;

	while ((error = zdm_bookkeeping_try(step, arg)) != NULL)
	{
		if (!is_passing(error))
		{
			zdm_process_log_error(psprintf("worker of job " INT64_FORMAT " could not %s", job_id, what),
								  error);
			return false;
		}
		if (zdm_database_is_wanted())
		{
			leaves_freely = true;
			return false;
		}
		(void) zdm_process_wait(pause_ms, wait_event_retry);
		pause_ms = Min(pause_ms * 2, RETRY_MAX_MS);
	}
	return true;
}

/* ---------- before the work ---------- */

/* Step: take the job's lock if the job is there and nobody has it. */
static void
take_lock(void *arg)
{
	ZdmJob	   *found;

	if (!zdm_process_extension_fits())
		return;
	if (!has_job_lock)
		has_job_lock = zdm_job_lock_try(job_id);
	found = zdm_job_load(job_id, true);
	if (has_job_lock && found)
		counted_starts = found->fruitless_starts;
}

/* Step: make the job running and remember it; no job when it should not run. */
static void
begin_job(void *arg)
{
	MemoryContext mcxt = MemoryContextSwitchTo(TopMemoryContext);
	ZdmJob	   *found = zdm_job_lock(job_id, true);

	MemoryContextSwitchTo(mcxt);
	zdm_pin_setting("synchronous_commit", "local"); /* no need of a standby */
	*(ZdmJob **) arg = NULL;
	if (found == NULL || !found->is_local)
		return;
	if (!zdm_job_is_due(found))
	{
		/* its time was changed since the dispatcher looked */
		zdm_job_set_waiting(job_id, NULL);
		leaves_freely = true;
		return;
	}
	if (found->state == ZDM_JOB_QUEUED)
		zdm_job_transition(found, ZDM_JOB_RUNNING, NULL, NULL);
	else if (found->state == ZDM_JOB_RUNNING)
	{
		zdm_job_set_waiting(job_id, NULL);
		zdm_job_note(job_id, "continued", "a new worker goes on where the last one stopped");
	}
	else if (zdm_job_wants_worker(found))
		zdm_job_set_waiting(job_id, "its worker to remove what it has made");
	else
		return;
	*(ZdmJob **) arg = found;
}

/* ---------- the work ---------- */

static ZdmRunOutcome
outcome_of_cancel(void)
{
	ZdmRunOutcome outcome;

	outcome.result = ZDM_RUN_PAUSED;
	outcome.error = zdm_error_make(TopMemoryContext, ERRCODE_QUERY_CANCELED,
								   psprintf("Use zdm.resume_job(" INT64_FORMAT ").", job_id),
								   "cancelled by an administrator (pg_cancel_backend)");
	return outcome;
}

static ZdmRunOutcome
outcome_of_error(ZdmError *error)
{
	ZdmRunOutcome outcome = {.result = ZDM_RUN_FAILED,.error = error};

	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		outcome.result = ZDM_RUN_CANCELLED;
	return outcome;
}

static ZdmRunOutcome
clean_up(const ZdmJobKind *kind)
{
	ZdmRunOutcome nothing_to_do = {.result = ZDM_RUN_DONE};

	return kind->clean_up ? kind->clean_up(job) : nothing_to_do;
}

/* Let the kind run; any error it lets out becomes the outcome. */
static ZdmRunOutcome
run_kind(const ZdmJobKind *kind)
{
	ZdmRunOutcome outcome = {.result = ZDM_RUN_STOPPED};
	ZdmError   *volatile error = NULL;

	PG_TRY();
	{
		outcome = job->state == ZDM_JOB_CANCELLED ? clean_up(kind) : kind->run(job);
	}
	PG_CATCH();
	{
		/* for errors outside of a transaction, whose abort does these */
		LWLockReleaseAll();
		pgstat_report_wait_end();
		error = zdm_error_capture(TopMemoryContext);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	return error ? outcome_of_error(error) : outcome;
}

static ZdmRunOutcome
run_job(void)
{
	const ZdmJobKind *kind = zdm_kind_find(job->kind);
	char	   *activity;
	ZdmRunOutcome outcome;

	if (cancel_seen)
		return outcome_of_cancel();
	if (kind == NULL)
		return outcome_of_error(zdm_error_make(TopMemoryContext, ERRCODE_UNDEFINED_OBJECT,
											   "Install the version of the zdm library that the extension needs.",
											   "jobs of kind \"%s\" are not known to the installed library",
											   job->kind));

	activity = psprintf("zdm job " INT64_FORMAT ": %s on %s.%s", job->id,
						job->kind, job->target_schema, job->target_name);
	pgstat_report_activity(STATE_RUNNING, activity);
	outcome = run_kind(kind);
	pgstat_report_activity(STATE_IDLE, NULL);
	return outcome.result == ZDM_RUN_CANCELLED ? outcome_of_cancel() : outcome;
}

/* ---------- after the work ---------- */

static void
record_clean_up(ZdmJob *now, const ZdmRunOutcome *outcome)
{
	ZdmError   *error = outcome->error;

	if (outcome->result == ZDM_RUN_STOPPED)
		return;
	if (error && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
	{
		/*
		 * by zdm.stop_all() or pg_cancel_backend(): nothing to mend, it goes
		 * on
		 */
		zdm_job_note(now->id, "clean-up interrupted", NULL);
		return;
	}
	if (outcome->result != ZDM_RUN_DONE && error == NULL)
		error = zdm_error_make(CurrentMemoryContext, ERRCODE_INTERNAL_ERROR, NULL, "it ended without a reason");
	zdm_job_clean_up_ended(now, outcome->result == ZDM_RUN_DONE ? NULL : error, false);
}

/*
 * Step: make the outcome the job's state, unless the job is gone or somebody
 * else has changed its state.
 */
static void
record_outcome(void *arg)
{
	const ZdmRunOutcome *outcome = arg;
	const char *message = outcome->error ? outcome->error->message : NULL;
	ZdmJob	   *now = zdm_job_lock(job_id, true);

	recorded = now != NULL && now->state == job->state;
	if (!recorded)
		return;
	if (job->state == ZDM_JOB_CANCELLED)
	{
		record_clean_up(now, outcome);
		return;
	}

	switch (outcome->result)
	{
		case ZDM_RUN_DONE:
			zdm_job_transition(now, ZDM_JOB_DONE, NULL, NULL);
			break;
		case ZDM_RUN_FAILED:
			zdm_job_transition(now, ZDM_JOB_FAILED, NULL, outcome->error);
			break;
		case ZDM_RUN_PAUSED:
			zdm_job_transition(now, ZDM_JOB_PAUSED, message, outcome->error);
			break;
		case ZDM_RUN_AGAIN:
			zdm_job_put_off(now, outcome->again_at, outcome->why);
			break;
		case ZDM_RUN_CANCELLED: /* run_job() has made it ZDM_RUN_PAUSED */
		case ZDM_RUN_STOPPED:
			break;
	}
}

static void
log_outcome(const ZdmRunOutcome *outcome)
{
	const char *verb = (outcome->result == ZDM_RUN_FAILED) ? "failed" : "stopped";

	if (outcome->error)
		zdm_process_log_error(psprintf("job " INT64_FORMAT " (\"%s\") %s", job_id, job->name, verb),
							  outcome->error);
}

/*
 * Who pauses or cancels a job interrupts its worker (job/interrupt.c); what
 * comes of that is no news, and the start was not fruitless.
 */
static void
finish_job(ZdmRunOutcome *outcome)
{
	if (outcome->result == ZDM_RUN_STOPPED)
		leaves_freely = true;
	else if (extension_is_gone())
		ereport(LOG,
				(errmsg("zdm: worker of job " INT64_FORMAT " ends, because the extension has been dropped",
						job_id)));
	else
	{
		if (!do_step("record its end", record_outcome, outcome) || recorded)
			log_outcome(outcome);
		else
			leaves_freely = true;
	}
}

/* ---------- the process ---------- */

static void
connect_to_database(const ZdmWorkerArgs *args)
{
	char		name[NAMEDATALEN];

	before_shmem_exit(hand_over_at_exit, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(args->database, args->role,
											  OidIsValid(args->role) ? ZDM_BYPASS_ROLELOGINCHECK : 0);
	before_shmem_exit(uncount_at_exit, (Datum) 0);

	snprintf(name, sizeof(name), "zdm worker: job " INT64_FORMAT, args->job_id);
	zdm_process_pin_settings(name);
	wait_event_retry = zdm_process_wait_event("ZdmWorkerRetry");
}

/* Entry point; the arguments are in bgw_extra. */
void
zdm_worker_main(Datum arg)
{
	ZdmWorkerArgs args;
	ZdmRunOutcome outcome;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	job_id = args.job_id;

	zdm_process_init();
	catch_sigterm();
	connect_to_database(&args);

	if (do_step("begin", take_lock, NULL) && has_job_lock &&
		do_step("begin", begin_job, &job) && job != NULL)
	{
		outcome = run_job();
		finish_job(&outcome);
	}
	proc_exit(0);
}
