/*
 * horizon.c
 *	  Who holds the xmin horizon.
 */
#include "postgres.h"

#include "run/horizon.h"

/*
 * Who holds the horizon back, in words, in run->batch_mcxt; NULL when that
 * cannot be told.  A snapshot is as old as the transaction that it waits for:
 * that one is the cause.
 */
const char *
zdm_run_horizon_holder(ZdmRun *run)
{
	return zdm_run_ask(run,
					   "SELECT who FROM ("
					   " SELECT format('process %s (%s, %s, transaction since %s)', pid,"
					   "        coalesce(nullif(application_name, ''), backend_type), state, xact_start) AS who,"
					   "        age(backend_xmin) AS age, 2 AS rank"
					   "   FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
					   " UNION ALL SELECT format('process %s (%s, %s, transaction since %s)', pid,"
					   "        coalesce(nullif(application_name, ''), backend_type), state, xact_start), age(backend_xid), 1"
					   "   FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
					   " UNION ALL SELECT format('replication slot %s', slot_name), age(xmin), 0"
					   "   FROM pg_replication_slots WHERE xmin IS NOT NULL"
					   " UNION ALL SELECT format('standby %s (process %s)', application_name, pid), age(backend_xmin), 1"
					   "   FROM pg_stat_replication WHERE backend_xmin IS NOT NULL"
					   " UNION ALL SELECT format('prepared transaction %L', gid), age(transaction), 0"
					   "   FROM pg_prepared_xacts) AS holders ORDER BY age DESC, rank LIMIT 1",
					   run->job->target, NULL);
}
