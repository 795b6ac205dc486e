/*
 * txn.c
 *	  One transaction of a running job, and what came of it.
 *
 * Every transaction runs as the owner of the target, read committed and
 * read-write, whatever role settings, database settings or triggers that ran
 * before made of the session; a kind adds settings of its own.  A timer
 * of our own caps it: statement_timeout does nothing in a worker.
 */
#include "postgres.h"

#include "access/xact.h"
#include "run/txn.h"
#include "compat/heap.h"
#include "core/identity.h"
#include "core/settings.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "throttle/waiters.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* below the server's default, so that it is we who find a deadlock */
#define LONGEST_DEADLOCK_MS 500

static TimeoutId cap_timer;
static volatile sig_atomic_t cap_reached = false;
static volatile sig_atomic_t cancel_signalled = false;

/*
 * In the signal handler: as if the batch had been cancelled.  User code can
 * catch that and go on; nothing can catch the end of the process, which comes
 * when as much time has passed again.
 */
static void
reach_cap(void)
{
	if (cap_reached)
		ProcDiePending = true;
	cap_reached = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/* User code can raise what a cancellation raises: it is one if a signal came. */
static void
handle_sigint(SIGNAL_ARGS)
{
	cancel_signalled = true;
	StatementCancelHandler(postgres_signal_arg);
}

/* Once in a process that runs a job. */
void
zdm_txn_init(void)
{
	static bool registered = false;

	if (registered)
		return;
	cap_timer = RegisterTimeout(USER_TIMEOUT, reach_cap);
	pqsignal(SIGINT, handle_sigint);
	registered = true;
}

static void
start_cap(int cap_ms)
{
	cap_reached = false;
	if (cap_ms > 0)
		enable_timeout_every(cap_timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), cap_ms), cap_ms);
}

static void
stop_cap(void)
{
	disable_timeout(cap_timer, false);
	if (cap_reached)
		QueryCancelPending = false;
}

static void
pin_settings(ZdmRun *run)
{
	char		lock_timeout[16];

	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;

	/* a wait ends early, and a deadlock is found by us before the other does */
	pg_ltoa(zdm_row_lock_timeout, lock_timeout);
	zdm_pin_setting("lock_timeout", lock_timeout);
	pg_ltoa(Min(Max(zdm_row_lock_timeout / 2, 1), LONGEST_DEADLOCK_MS), lock_timeout);
	zdm_pin_setting("deadlock_timeout", lock_timeout);

	/* the cursor is in the same transaction: a crash loses both or neither */
	zdm_pin_setting("synchronous_commit", "off");
	zdm_pin_setting("row_security", "off");
	zdm_pin_setting("jit", "off");
	if (run->pin_settings)
		run->pin_settings(run);
}

static void
begin(ZdmRun *run, int cap_ms)
{
	if (run->apply_settings)
		run->apply_settings(run);
	run->at_rows = false;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pin_settings(run);
	zdm_identity_enter(run->owner);
	if (run->activity)
		pgstat_report_activity(STATE_RUNNING, run->activity);
	start_cap(cap_ms);
}

static void
commit(void)
{
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	zdm_waiters_look();
	CommitTransactionCommand();
	stop_cap();
	zdm_identity_leave();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* classes and codes of errors that speak of a row, not of the statement */
static bool
is_row_error(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION:
		case ERRCODE_SQL_ROUTINE_EXCEPTION:
		case ERRCODE_PLPGSQL_ERROR:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			return false;
	}
}

/*
 * What a cast to regclass, tsquery, jsonpath and the like says of a value, or
 * a function of a unit it does not know.  Raised where no row is looked at, it
 * speaks of the statement.
 */
static bool
is_syntax_error(int sqlerrcode)
{
	if (sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return false;
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		sqlerrcode == ERRCODE_UNDEFINED_SCHEMA || sqlerrcode == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/* classes that the standard leaves to users: RAISE ... USING ERRCODE = 'ZZ001' */
static bool
is_user_defined(const char *sqlstate)
{
	char		c = sqlstate[0];

	return (c >= '6' && c <= '9') || (c >= 'I' && c <= 'Z' && strncmp(sqlstate, "XX", 2) != 0);
}

/*
 * What a function or a trigger may raise about a row where no statement of
 * ours would: said of a whole batch it would stop the job for one row.
 */
static bool
is_raised_by_user_code(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_NO_DATA:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return true;
		default:
			return false;
	}
}

/* 57014: by our timer, by somebody's signal, or raised by user code. */
static ZdmVerdict
classify_cancel(const ZdmRun *run, bool capped)
{
	bool		signalled = cancel_signalled;

	cancel_signalled = false;
	if (capped)
		return ZDM_TOO_LONG;
	return signalled || !run->at_rows ? ZDM_CANCELLED : ZDM_ROW_ERROR;
}

static ZdmVerdict
classify(const ZdmRun *run, const ZdmError *error, bool capped)
{
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
			return ZDM_ROWS_LOCKED;
		case ZDM_ERRCODE_SNAPSHOT_TOO_OLD:
			return ZDM_TOO_LONG;
		case ERRCODE_QUERY_CANCELED:
			return classify_cancel(run, capped);
		default:
			break;
	}
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES)
		return ZDM_NO_RESOURCE;
	if (is_row_error(error->sqlerrcode) || is_user_defined(zdm_error_sqlstate(error)))
		return ZDM_ROW_ERROR;
	if (run->at_rows &&
		(is_syntax_error(error->sqlerrcode) || is_raised_by_user_code(error->sqlerrcode)))
		return ZDM_ROW_ERROR;
	return ZDM_FAILED;
}

/*
 * What an error means that body has caught in a subtransaction: ZDM_ROW_ERROR,
 * or a verdict for which body has to throw it again.
 */
ZdmVerdict
zdm_txn_classify(const ZdmRun *run, const ZdmError *error)
{
	return classify(run, error, cap_reached);
}

/*
 * Run body in a transaction of its own and commit.  body may push one
 * snapshot.  cap_ms 0: no cap.  On a rolled-back verdict *error says why, in
 * run->batch_mcxt.
 */
ZdmVerdict
zdm_txn(ZdmRun *run, int cap_ms, ZdmTxnBody body, void *arg, ZdmError **error)
{
	ZdmVerdict	verdict = ZDM_FAILED;

	*error = NULL;
	PG_TRY();
	{
		begin(run, cap_ms);
		if (!zdm_job_read_orders(run->job->id, &run->orders) ||
			run->orders.state != run->job->state)
			verdict = ZDM_STOP;
		else
			verdict = body(run, arg);
		commit();
	}
	PG_CATCH();
	{
		bool		capped = cap_reached;

		stop_cap();
		*error = zdm_error_capture(run->batch_mcxt);
		verdict = classify(run, *error, capped);
		pgstat_report_activity(STATE_IDLE, NULL);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->run_mcxt);
	return verdict;
}
