/*
 * list.c
 *	  zdm.list_workers(): the processes of zdm in this cluster.
 *
 * Reads the shared status of all backends and the lock table.  Shows what
 * pg_stat_activity would hide from users who are not members of the
 * processes' roles: that a process is zdm's, and its times.
 */
#include "postgres.h"

#include "commands/dbcommands.h"
#include "compat/compat.h"
#include "fmgr.h"
#include "funcapi.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define LIST_COLUMNS 9
#define TYPE_PREFIX "zdm "

PG_FUNCTION_INFO_V1(zdm_list_workers);

/* "launcher", "dispatcher", "worker"; NULL for a process that is not zdm's. */
static const char *
process_role(const PgBackendStatus *status)
{
	const char *type;

	if (status->st_procpid <= 0 || status->st_backendType != B_BG_WORKER)
		return NULL;
	type = GetBackgroundWorkerTypeByPid(status->st_procpid);
	if (type == NULL || strncmp(type, TYPE_PREFIX, strlen(TYPE_PREFIX)) != 0)
		return NULL;
	return type + strlen(TYPE_PREFIX);
}

static void
put_text(Datum *values, bool *nulls, int column, const char *value)
{
	nulls[column] = (value == NULL);
	values[column] = value ? CStringGetTextDatum(value) : (Datum) 0;
}

static void
put_time(Datum *values, bool *nulls, int column, TimestampTz value)
{
	nulls[column] = (value == 0);
	values[column] = TimestampTzGetDatum(value);
}

static void
put_job_id(Datum *values, bool *nulls, int column, int pid,
		   const ZdmJobLock *locks, int count)
{
	nulls[column] = true;
	for (int i = 0; i < count; i++)
	{
		if (locks[i].pid != pid)
			continue;
		values[column] = Int64GetDatum(locks[i].job_id);
		nulls[column] = false;
	}
}

static void
put_wait_event(Datum *values, bool *nulls, int column, int pid)
{
	PGPROC	   *proc = BackendPidGetProc(pid);
	uint32		event = proc ? proc->wait_event_info : 0;

	put_text(values, nulls, column, pgstat_get_wait_event_type(event));
	put_text(values, nulls, column + 1, pgstat_get_wait_event(event));
}

/*
 * One row for each process: pid, role, database, job_id, connected_as,
 * started_at, transaction_started_at, wait_event_type, wait_event
 */
Datum
zdm_list_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			lock_count;
	ZdmJobLock *locks;

	InitMaterializedSRF(fcinfo, 0);
	locks = zdm_job_lock_list(&lock_count);

	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *entry = zdm_compat_local_beentry(i);
		const PgBackendStatus *status = entry ? &entry->backendStatus : NULL;
		const char *role = status ? process_role(status) : NULL;
		Datum		values[LIST_COLUMNS] = {0};
		bool		nulls[LIST_COLUMNS] = {0};

		if (role == NULL)
			continue;
		values[0] = Int32GetDatum(status->st_procpid);
		put_text(values, nulls, 1, role);
		put_text(values, nulls, 2, get_database_name(status->st_databaseid));
		put_job_id(values, nulls, 3, status->st_procpid, locks, lock_count);
		put_text(values, nulls, 4, OidIsValid(status->st_databaseid) ?
				 GetUserNameFromId(status->st_userid, true) : NULL);
		put_time(values, nulls, 5, status->st_proc_start_timestamp);
		put_time(values, nulls, 6, status->st_xact_start_timestamp);
		put_wait_event(values, nulls, 7, status->st_procpid);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
