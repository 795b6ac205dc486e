/*
 * settings.c
 *	  The settings about load: a threshold for each signal that has one, and
 *	  what else holds jobs.
 *
 * All are of the whole server and reloaded: a running job sees a new value at
 * its next batch.
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "tcop/pquery.h"
#include "throttle/replication.h"
#include "throttle/settings.h"
#include "throttle/window.h"
#include "utils/guc.h"
#include "utils/varlena.h"

int			zdm_max_replay_lag = 5000;
int			zdm_max_replay_bytes = 256 * 1024;
char	   *zdm_required_standbys = "";
int			zdm_required_standby_timeout = 600;
int			zdm_max_slot_bytes = 10 * 1024 * 1024;
int			zdm_max_archive_backlog = 42;
int			zdm_max_wal_rate = 0;
int			zdm_max_own_wal_rate = 0;
int			zdm_max_checkpoint_distance = 0;
int			zdm_max_active_backends = 0;
int			zdm_max_horizon_age = 30 * 60 * 1000;
int			zdm_max_dead_rows = 0;
int			zdm_wait_for_vacuum = 0;
int			zdm_max_commit_latency = 100;
int			zdm_max_lock_waits = 25;
char	   *zdm_work_window = "";
char	   *zdm_throttle_query = "";
int			zdm_throttle_query_timeout = 500;

static void
define_threshold(const char *name, const char *what, const char *more, int *value, int most, int unit)
{
	DefineCustomIntVariable(name, what, more, value, *value, 0, most, PGC_SIGHUP, unit, NULL, NULL, NULL);
}

/* A list of names of standbys, of char *; false: it is none. */
bool
zdm_standby_names_parse(const char *text, List **names)
{
	*names = NIL;
	return text[0] == '\0' || SplitGUCList(pstrdup(text), ',', names);
}

/* A name that is written wrong would hold jobs until somebody wonders. */
void
zdm_standby_names_warn(List *names)
{
	ListCell   *lc;

	foreach(lc, zdm_replication_missing(names))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("standby \"%s\" is not connected", (char *) lfirst(lc)),
				 errhint("Names are compared with application_name in pg_stat_replication. Until one of that name is there, jobs that write are held, for zdm.required_standby_timeout.")));
}

/* Somebody sets it; nobody is told when a file is read again. */
static bool
is_a_statement(void)
{
	return IsTransactionState() && PortalIsValid(ActivePortal) && ActivePortal->status == PORTAL_ACTIVE;
}

static bool
check_names(char **value, void **extra, GucSource source)
{
	List	   *names;

	if (!zdm_standby_names_parse(*value, &names))
	{
		GUC_check_errdetail("List syntax is invalid: names with commas between.");
		return false;
	}
	if (names != NIL && is_a_statement())
		zdm_standby_names_warn(names);
	return true;
}

static void
define_replication_thresholds(void)
{
	define_threshold("zdm.max_replay_lag",
					 "Time that a standby may be behind before jobs that write are held.",
					 "0 turns it off.", &zdm_max_replay_lag, INT_MAX, GUC_UNIT_MS);
	define_threshold("zdm.max_replay_bytes",
					 "Amount of WAL that a standby may have yet to replay before jobs that write are held.",
					 "0 turns it off.", &zdm_max_replay_bytes, INT_MAX, GUC_UNIT_KB);
	define_threshold("zdm.max_slot_bytes",
					 "Amount of WAL that a replication slot may retain before jobs that write are held.",
					 "0 turns it off.", &zdm_max_slot_bytes, INT_MAX, GUC_UNIT_KB);
	DefineCustomStringVariable("zdm.required_standbys",
							   "Standbys that count, by application_name, with commas between.",
							   "One that is not connected holds jobs that write. Empty: all that are streaming.",
							   &zdm_required_standbys, "", PGC_SIGHUP, 0, check_names, NULL, NULL);
	DefineCustomIntVariable("zdm.required_standby_timeout",
							"Longest time for which a required standby that is not connected holds jobs.",
							NULL, &zdm_required_standby_timeout, 600, 0, INT_MAX / 1000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

static void
define_load_thresholds(void)
{
	define_threshold("zdm.max_archive_backlog",
					 "Number of WAL segments that may wait for the archiver before jobs that write are held.",
					 "0 turns it off.", &zdm_max_archive_backlog, INT_MAX, 0);
	define_threshold("zdm.max_wal_rate",
					 "Amount of WAL that all may write in a second before jobs that write are held.",
					 "0 turns it off.", &zdm_max_wal_rate, INT_MAX, GUC_UNIT_KB);
	define_threshold("zdm.max_own_wal_rate",
					 "Amount of WAL that a job may write in a second before it is held.",
					 "0 turns it off.", &zdm_max_own_wal_rate, INT_MAX, GUC_UNIT_KB);
	define_threshold("zdm.max_checkpoint_distance",
					 "Share of the WAL that forces a checkpoint, in percent, from which jobs that write are held.",
					 "0 turns it off.", &zdm_max_checkpoint_distance, 1000, 0);
	define_threshold("zdm.max_active_backends",
					 "Number of statements of clients at work from which jobs are held.",
					 "0 turns it off.", &zdm_max_active_backends, INT_MAX, 0);
	define_threshold("zdm.max_horizon_age",
					 "Time for which the xmin horizon may stand still before jobs that write are held.",
					 "0 turns it off.", &zdm_max_horizon_age, INT_MAX, GUC_UNIT_MS);
	define_threshold("zdm.max_dead_rows",
					 "Share of dead rows in the table, in percent, from which jobs that write to it are held.",
					 "0 turns it off.", &zdm_max_dead_rows, 100, 0);
	define_threshold("zdm.wait_for_vacuum",
					 "1: jobs that write are held while their table is vacuumed.",
					 "0 turns it off.", &zdm_wait_for_vacuum, 1, 0);
	define_threshold("zdm.max_commit_latency",
					 "Time that a flush of WAL may take before jobs that write are held.",
					 "0 turns it off.", &zdm_max_commit_latency, INT_MAX, GUC_UNIT_MS);
	define_threshold("zdm.max_lock_waits",
					 "Share of its transactions that others may wait for, in percent, before a job that writes is held.",
					 "0 turns it off.", &zdm_max_lock_waits, 100, 0);
}

static bool
check_windows(char **value, void **extra, GucSource source)
{
	ZdmWindows	windows;
	const char *why;
	bool		good = zdm_windows_parse(*value, &windows, &why);

	if (!good)
		GUC_check_errdetail("%s", why);
	return good;
}

static void
define_own_signals(void)
{
	DefineCustomStringVariable("zdm.work_window",
							   "Times of the day at which jobs may work, such as '22:00-06:00', several with commas between.",
							   "In the time zone of log_timezone. Empty: at any time.",
							   &zdm_work_window, "", PGC_SIGHUP, 0, check_windows, NULL, NULL);
	DefineCustomStringVariable("zdm.throttle_query",
							   "Query that returns a number: from 1 on jobs are held, until it is below 0.8.",
							   "Runs read only as the role of each job. Empty: none.",
							   &zdm_throttle_query, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.throttle_query_timeout",
							"Longest time that the throttle query may take.",
							NULL, &zdm_throttle_query_timeout, 500, 1, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/* From _PG_init only, before the prefix of all settings is reserved. */
void
zdm_throttle_settings_define(void)
{
	define_replication_thresholds();
	define_load_thresholds();
	define_own_signals();
}
