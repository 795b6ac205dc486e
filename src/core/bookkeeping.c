/*
 * bookkeeping.c
 *	  Transactions of zdm's own in a background process.
 *
 * They run as the process is connected, reach zdm's tables through catalog.h,
 * and see neither the settings of roles and databases nor what user code that
 * ran in this process before has done to the session.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/bookkeeping.h"
#include "core/identity.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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
	{"idle_in_transaction_session_timeout", "0"},
	{"exit_on_error", "off"}
};

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
zdm_bookkeeping_pin_settings(void)
{
	set_pins(PGC_S_OVERRIDE);
}

/*
 * Start a transaction for bookkeeping, whatever user code in this process
 * has done to the session's settings.  Waits for locks are short in it, so
 * that the process can look around: expect LOCK_NOT_AVAILABLE.
 */
void
zdm_bookkeeping_begin(void)
{
	set_pins(PGC_S_SESSION);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	zdm_pin_setting("lock_timeout", BOOKKEEPING_LOCK_TIMEOUT);
}

/* Commit it and report its statistics. */
void
zdm_bookkeeping_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
}

/*
 * Run step in such a transaction.  NULL, or the error, in TopMemoryContext;
 * the caller's memory context stays the current one.
 */
ZdmError *
zdm_bookkeeping_try(ZdmBookkeepingStep step, void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmError   *volatile error = NULL;

	PG_TRY();
	{
		zdm_bookkeeping_begin();
		step(arg);
		zdm_bookkeeping_commit();
	}
	PG_CATCH();
	{
		error = zdm_error_capture(TopMemoryContext);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	return error;
}

/* Is the error one that goes away by itself? */
bool
zdm_bookkeeping_is_passing(const ZdmError *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}
