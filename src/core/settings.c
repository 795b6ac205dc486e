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

/* Define every setting.  From _PG_init only. */
void
zdm_settings_define(void)
{
	define_process_settings();
	define_batch_settings();
	define_lock_settings();
	define_constraint_settings();
	MarkGUCPrefixReserved("zdm");
}
