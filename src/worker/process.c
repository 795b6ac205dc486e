/*
 * process.c
 *	  What zdm's background processes have in common: signals, settings,
 *	  transactions for bookkeeping, waits.
 *
 * Signals are PostgreSQL's own: SIGTERM ends the process at the next
 * CHECK_FOR_INTERRUPTS, SIGINT cancels what it does, SIGHUP makes it re-read
 * the configuration at its next wait, SIGUSR1 sets its latch.  Nothing waits
 * without the latch, a timeout, and an eye on the postmaster.
 */
#include "postgres.h"

#include "access/xact.h"
#include "compat/compat.h"
#include "core/identity.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "worker/process.h"

#define BOOKKEEPING_LOCK_TIMEOUT "200ms"

typedef struct Pin
{
	const char *name;
	const char *value;
} Pin;

/*
 * Settings of roles and databases reach background workers.  These would get
 * in the way of our bookkeeping.
 */
static const Pin pins[] = {
	{"role", "none"},
	{"search_path", "pg_catalog, pg_temp"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"synchronous_commit", "on"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"transaction_timeout", "0"},	/* 17 and later */
	{"idle_in_transaction_session_timeout", "0"}
};

/* First thing in the main function of a process. */
void
zdm_process_init(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

static void
set_pins(GucSource source)
{
	for (int i = 0; i < lengthof(pins); i++)
	{
		if (GetConfigOption(pins[i].name, true, false) != NULL)
			SetConfigOption(pins[i].name, pins[i].value, PGC_SUSET, source);
	}
}

/*
 * Once connected: put our values of the settings above the role's and the
 * database's, for RESET too.
 */
void
zdm_process_pin_settings(const char *application_name)
{
	set_pins(PGC_S_OVERRIDE);
	SetConfigOption("application_name", application_name, PGC_USERSET, PGC_S_OVERRIDE);
}

/*
 * Start a transaction for bookkeeping, whatever user code in this process
 * has done to the session's settings.  Waits for locks are short in it, so
 * that the process can look around: expect LOCK_NOT_AVAILABLE.
 */
void
zdm_process_begin_transaction(void)
{
	set_pins(PGC_S_SESSION);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	zdm_pin_setting("lock_timeout", BOOKKEEPING_LOCK_TIMEOUT);
}

/* Commit it and report its statistics. */
void
zdm_process_commit_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
}

/*
 * Wait for the latch or the timeout (-1: none), act on signals.  True when
 * the configuration was re-read.
 */
bool
zdm_process_wait(long timeout_ms, uint32 wait_event)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	(void) WaitLatch(MyLatch, events, timeout_ms, wait_event);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();

	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

/* The wait event of that name; "Extension" before PostgreSQL 17. */
uint32
zdm_process_wait_event(const char *name)
{
	return zdm_compat_wait_event(name);
}

/* One entry in the server log: what failed, and the error. */
void
zdm_process_log_error(const char *what, const ZdmError *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("zdm: %s: %s", what, error->message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0,
			 error->context ? errcontext("%s", error->context) : 0));
}
