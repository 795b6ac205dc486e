/*
 * process.c
 *	  What zdm's background processes have in common: signals, waits, log.
 *
 * Signals are PostgreSQL's own: SIGTERM ends the process at the next
 * CHECK_FOR_INTERRUPTS, SIGINT cancels what it does, SIGHUP makes it re-read
 * the configuration at its next wait, SIGUSR1 sets its latch.  Nothing waits
 * without the latch, a timeout, and an eye on the postmaster.
 */
#include "postgres.h"

#include "compat/compat.h"
#include "commands/dbcommands.h"
#include "core/bookkeeping.h"
#include "core/catalog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "worker/process.h"

/* First thing in the main function of a process. */
void
zdm_process_init(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

/*
 * Once connected: put our values of the settings above the role's and the
 * database's, for RESET too.
 */
void
zdm_process_pin_settings(const char *application_name)
{
	zdm_bookkeeping_pin_settings();
	SetConfigOption("application_name", application_name, PGC_USERSET, PGC_S_OVERRIDE);
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

/*
 * Is the extension installed in this database, in the version of this
 * library?  Jobs rest until ALTER EXTENSION UPDATE.  Needs a transaction.
 */
bool
zdm_process_extension_fits(void)
{
	char	   *version = zdm_extension_version();

	if (version == NULL)
		return false;
	if (strcmp(version, ZDM_VERSION) == 0)
		return true;
	ereport(LOG,
			(errmsg("zdm: the extension is at version %s in database \"%s\", and its library at %s: jobs rest",
					version, get_database_name(MyDatabaseId), ZDM_VERSION),
			 errhint("Run ALTER EXTENSION zdm UPDATE there.")));
	return false;
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
