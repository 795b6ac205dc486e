/*
 * settings.c
 *	  The zdm.* settings (GUCs).
 *
 * All of them take effect at a reload: workers and the launcher re-read them
 * between two pieces of work.  Settings of one job, where zdm.set_throttle()
 * gave any, come before these.
 */
#include "postgres.h"

#include <limits.h>

#include "core/settings.h"
#include "utils/guc.h"
#include "utils/varlena.h"

bool		zdm_autostart = true;
int			zdm_max_workers = 4;
int			zdm_launcher_interval = 300;
double		zdm_duty = 1.0;
double		zdm_contended_duty = 0.25;
int			zdm_batch_time = 2;
int			zdm_max_batch_time = 200;
int			zdm_batch_wal = 8192;
int			zdm_wal_flush_after = 64;
int			zdm_row_lock_timeout = 50;
int			zdm_max_snapshot_age = 5000;
int			zdm_lock_timeout = 100;
int			zdm_max_stall = 200;
int			zdm_ddl_deadline = 3600;
int			zdm_guarded_scan_from = 131072;
int			zdm_max_replay_lag = 5000;
int			zdm_max_replay_bytes = 256 * 1024;
char	   *zdm_required_standbys = "";
int			zdm_required_standby_timeout = 600;
int			zdm_max_slot_bytes = 10 * 1024 * 1024;
int			zdm_max_archive_backlog = 42;
int			zdm_max_wal_rate = 0;
int			zdm_max_own_wal_rate = 0;
int			zdm_max_checkpoint_distance = 90;
int			zdm_max_active_backends = 0;
int			zdm_max_horizon_age = 30 * 60 * 1000;
int			zdm_max_dead_rows = 0;
int			zdm_wait_for_vacuum = 0;

static void
define_process_settings(void)
{
	DefineCustomBoolVariable("zdm.autostart",
							 "Starts and resumes jobs by itself.",
							 "Turn it off on clones of a cluster, whose jobs would go on as if after a failover.",
							 &zdm_autostart, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.launcher_interval",
							"Time between two looks of the launcher at every database.",
							"Work that a session hands over starts at once; this is the safety net.",
							&zdm_launcher_interval, 300, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.max_workers",
							"Largest number of jobs that run at the same time in the cluster.",
							"Each takes one of max_worker_processes. Further jobs stay queued.",
							&zdm_max_workers, 4, 1, 262143,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_batch_settings(void)
{
	DefineCustomIntVariable("zdm.batch_time",
							"Duration that a batch of a job aims at.",
							"A batch is one transaction; its row locks last no longer than this, as a rule.",
							&zdm_batch_time, 2, 1, 10000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.batch_wal",
							"Amount of WAL that a batch of a job aims at.",
							NULL,
							&zdm_batch_wal, 8192, 64, INT_MAX / 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomRealVariable("zdm.contended_duty",
							 "Share of the time that a job is at work while clients want its processor.",
							 "1 is no difference. A smaller duty of the job comes before it.",
							 &zdm_contended_duty, 0.25, 0.001, 1.0,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("zdm.duty",
							 "Share of the time that a job is at work; it pauses for the rest.",
							 "1 is unthrottled. zdm.set_throttle() sets it for one job.",
							 &zdm_duty, 1.0, 0.001, 1.0,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.max_batch_time",
							"Duration at which a batch is rolled back and made smaller.",
							"A batch of one row may take ten times as long before the row is put into zdm.quarantine.",
							&zdm_max_batch_time, 200, 10, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.max_snapshot_age",
							"Longest time for which a job holds one snapshot to prove that nothing is left.",
							"A table that takes longer to read is proved by a sweep in short transactions that finds nothing.",
							&zdm_max_snapshot_age, 5000, 0, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.row_lock_timeout",
							"Time that a batch waits for a row that another transaction has locked.",
							"After it the batch is done again without the locked rows, which get a later turn.",
							&zdm_row_lock_timeout, 50, 1, 10000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.wal_flush_after",
							"Amount of WAL not yet on disk after which a backfill flushes it.",
							"It does so while others commit, which then have the less to flush. 0 turns it off.",
							&zdm_wal_flush_after, 64, 0, INT_MAX / 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
}

static void
define_lock_settings(void)
{
	DefineCustomIntVariable("zdm.ddl_deadline",
							"Time for which a statement tries to get its locks before its job fails.",
							"0 is for ever. Trying costs nothing; a change that comes when nobody expects it any more may.",
							&zdm_ddl_deadline, 3600, 0, INT_MAX / 1000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.lock_timeout",
							"Longest time for which a statement waits in the lock queue of a table.",
							"Those who come after it wait behind it; so it waits in the queue only when no old transaction is in the way.",
							&zdm_lock_timeout, 100, 10, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("zdm.max_stall",
							"Longest time for which a statement holds a lock that blocks readers or writers, its wait in the queue included.",
							"After it the statement is rolled back and tried again later; after four times its job fails.",
							&zdm_max_stall, 200, 10, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

static void
define_constraint_settings(void)
{
	DefineCustomIntVariable("zdm.guarded_scan_from",
							"Size from which a table is scanned by pages under a guard trigger for orphans of a foreign key.",
							"For want of an index on the referencing columns. A smaller one is validated natively.",
							&zdm_guarded_scan_from, 131072, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
}

static void
define_threshold(const char *name, const char *what, const char *more, int *value, int most, int unit)
{
	DefineCustomIntVariable(name, what, more, value, *value, 0, most, PGC_SIGHUP, unit, NULL, NULL, NULL);
}

static bool
check_names(char **value, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*value);
	List	   *names = NIL;
	bool		good = **value == '\0' || SplitGUCList(copy, ',', &names);

	if (!good)
		GUC_check_errdetail("List syntax is invalid: names with commas between.");
	list_free(names);
	pfree(copy);
	return good;
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
}

/* Define every setting.  From _PG_init only. */
void
zdm_settings_define(void)
{
	define_process_settings();
	define_batch_settings();
	define_lock_settings();
	define_constraint_settings();
	define_replication_thresholds();
	define_load_thresholds();
	MarkGUCPrefixReserved("zdm");
}
