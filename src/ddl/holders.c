/*
 * holders.c
 *	  Who is in the way of a lock, seen without asking for it.
 *
 * A look takes microseconds and needs no transaction.  What it sees may be
 * out of date at once, which is harmless: it only decides whether to wait in
 * the queue, and the wait has a limit of its own.
 */
#include "postgres.h"

#include "compat/compat.h"
#include "ddl/holders.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

/*
 * An autovacuum that PostgreSQL cancels for one who waits is in nobody's way.
 * The flags are read without a lock; they are set before the table is locked.
 */
static bool
gives_way(const PGPROC *proc)
{
	uint8		flags = proc->statusFlags;

	return (flags & PROC_IS_AUTOVACUUM) != 0 && (flags & PROC_VACUUM_FOR_WRAPAROUND) == 0;
}

/*
 * Age of the transaction of a process, by its entry in the shared status; 0
 * when it has ended, or when track_activities is off for it.
 */
static double
transaction_age_ms(int pid, TimestampTz now)
{
	int			count = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= count; i++)
	{
		const PgBackendStatus *status = &zdm_compat_local_beentry(i)->backendStatus;

		if (status->st_procpid == pid && status->st_xact_start_timestamp != 0)
			return Max(now - status->st_xact_start_timestamp, 0) / 1000.0;
	}
	return 0;
}

static void
add_holder(ZdmHolders *holders, VirtualTransactionId vxid, TimestampTz now)
{
	PGPROC	   *proc = zdm_compat_vxid_proc(vxid);

	if (proc == NULL)
		holders->lasting = true;
	else if (!gives_way(proc))
		holders->oldest_ms = Max(holders->oldest_ms, transaction_age_ms(proc->pid, now));
}

/* Look at who holds what conflicts with any target. */
void
zdm_holders_look(List *targets, ZdmHolders *holders)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	holders->first_blocked = -1;
	holders->lasting = false;
	holders->oldest_ms = 0;
	foreach(lc, targets)
	{
		const ZdmLockTarget *target = lfirst(lc);
		VirtualTransactionId *vxids;
		LOCKTAG		tag;
		int			count;

		SET_LOCKTAG_RELATION(tag, MyDatabaseId, target->relid);
		vxids = GetLockConflicts(&tag, target->mode, &count);
		if (count > 0 && holders->first_blocked < 0)
			holders->first_blocked = foreach_current_index(lc);
		for (int i = 0; i < count; i++)
			add_holder(holders, vxids[i], now);
		pfree(vxids);
	}
	pgstat_clear_backend_activity_snapshot();
}

/* 'AccessShareLock', 'RowShareLock'...: modes that conflict with mode */
static char *
conflicting_modes(LOCKMODE mode)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (LOCKMODE other = AccessShareLock; other <= AccessExclusiveLock; other++)
	{
		if (DoLockModesConflict(mode, other))
			appendStringInfo(&buf, "%s'%s'", buf.len > 0 ? ", " : "",
							 GetLockmodeName(DEFAULT_LOCKMETHOD, other));
	}
	return buf.data;
}

/*
 * The oldest holder of what conflicts with target, in words.  In
 * run->batch_mcxt.
 */
const char *
zdm_holders_describe(ZdmRun *run, const ZdmLockTarget *target)
{
	char	   *sql;

	sql = psprintf("SELECT format('a lock on %%s: %%s holds %%s in a transaction open since %%s', $1::regclass,"
				   " CASE WHEN l.pid IS NULL THEN concat_ws(' ', 'prepared transaction', p.gid) ELSE"
				   " format('process %%s (%%s%%s)', l.pid,"
				   " coalesce(nullif(a.application_name, ''), a.backend_type), ', role ' || a.usename) END,"
				   " l.mode, coalesce(to_char(coalesce(a.xact_start, p.prepared), 'YYYY-MM-DD HH24:MI:SS'), '(unknown)'))"
				   " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
				   " LEFT JOIN LATERAL (SELECT x.gid, x.prepared FROM pg_locks t JOIN pg_prepared_xacts x ON x.transaction = t.transactionid"
				   "  WHERE l.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'"
				   "  AND t.virtualtransaction = l.virtualtransaction LIMIT 1) p ON true"
				   " WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted"
				   " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
				   " AND l.pid IS DISTINCT FROM pg_backend_pid() AND l.mode IN (%s)"
				   " ORDER BY coalesce(a.xact_start, p.prepared), l.pid LIMIT 1",
				   conflicting_modes(target->mode));
	return zdm_run_ask(run, sql, target->relid, "a lock that others wait for, too");
}
