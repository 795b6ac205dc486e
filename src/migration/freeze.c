/*
 * freeze.c
 *	  Safeguards of the whole database: freezes, in which no migration enters
 *	  another phase, and the kill switch.
 *
 * zdm.stop_all() pauses the jobs that there are, and leaves an order for the
 * dispatcher, so that none begins that is submitted later.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "job/interrupt.h"
#include "job/job.h"
#include "job/queue.h"
#include "migration/freeze.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_freeze);
PG_FUNCTION_INFO_V1(zdm_unfreeze);
PG_FUNCTION_INFO_V1(zdm_stop_all);
PG_FUNCTION_INFO_V1(zdm_resume_all);

/* ---------- freezes ---------- */

static char *
select_text(const char *sql)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	char	   *text = NULL;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute(sql, 0, NULL, NULL, NULL, SPI_OK_SELECT) > 0)
		text = zdm_catalog_text(0, 1, mcxt);

	zdm_catalog_end(&scope);
	return text;
}

/* The freeze of now that ends last, in words; NULL when there is none. */
char *
zdm_freeze_reason(void)
{
	return select_text("SELECT format('the end of a freeze at %s: %s', ends_at::timestamptz(0), reason)"
					   " FROM zdm.freeze_window"
					   " WHERE clock_timestamp() >= starts_at AND clock_timestamp() < ends_at"
					   " ORDER BY ends_at DESC LIMIT 1");
}

/* zdm.freeze(starts_at timestamptz, ends_at timestamptz, reason text) */
Datum
zdm_freeze(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;
	int64		freeze_id;
	bool		isnull;

	zdm_args_not_null(fcinfo, 0, "starts_at");
	zdm_args_not_null(fcinfo, 1, "ends_at");
	values[2] = CStringGetTextDatum(zdm_args_reason(fcinfo, 2));
	zdm_require_database_rights("zdm.freeze()");
	if (PG_GETARG_TIMESTAMPTZ(0) >= PG_GETARG_TIMESTAMPTZ(1) || PG_GETARG_TIMESTAMPTZ(1) <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a freeze must end after it begins, and in the future"),
				 errhint("Check starts_at and ends_at, and their time zones.")));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[3] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.freeze_window (starts_at, ends_at, reason, created_by)"
						" VALUES ($1, $2, $3, $4) RETURNING freeze_id",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT_RETURNING);
	freeze_id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	PG_RETURN_INT64(freeze_id);
}

/* zdm.unfreeze(freeze_id bigint) */
Datum
zdm_unfreeze(PG_FUNCTION_ARGS)
{
	Oid			argtype = INT8OID;
	Datum		value;
	ZdmCatalogScope scope;
	int			found;

	zdm_args_not_null(fcinfo, 0, "freeze_id");
	zdm_require_database_rights("zdm.unfreeze()");
	value = PG_GETARG_DATUM(0);
	zdm_catalog_begin(&scope);
	found = zdm_catalog_execute("DELETE FROM zdm.freeze_window WHERE freeze_id = $1",
								1, &argtype, &value, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
	if (found == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("freeze " INT64_FORMAT " does not exist", PG_GETARG_INT64(0)),
				 errhint("The freezes of this database are in zdm.freezes.")));
	PG_RETURN_VOID();
}

/* ---------- the kill switch ---------- */

/* The order that stops all jobs, in words; NULL when there is none. */
char *
zdm_stop_reason(void)
{
	return select_text("SELECT format('zdm.resume_all(): stopped by %s: %s', stopped_by, reason) FROM zdm.stop_order");
}

/* Ids of jobs, in the current memory context. */
static int64 *
select_jobs(const char *sql, int *count)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	int64	   *jobs;
	bool		isnull;

	zdm_catalog_begin(&scope);
	*count = zdm_catalog_execute(sql, 0, NULL, NULL, NULL, SPI_OK_SELECT);
	jobs = MemoryContextAlloc(mcxt, sizeof(int64) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		jobs[i] = DatumGetInt64(zdm_catalog_value(i, 1, &isnull));
	zdm_catalog_end(&scope);
	return jobs;
}

/*
 * Pause the jobs that are at work or would be; the number of those kept in
 * jobs.  One that is being undone is not paused: its worker is interrupted,
 * and none starts again.
 */
static int
pause_jobs(int64 *jobs, int count, const char *why)
{
	int			paused = 0;

	for (int i = 0; i < count; i++)
	{
		ZdmJob	   *job = zdm_job_lock(jobs[i], true);

		if (job == NULL || !zdm_job_wants_worker(job))
			continue;
		zdm_job_interrupt_at_commit(job->id);
		if (job->state == ZDM_JOB_CANCELLED)
			continue;
		zdm_job_transition(job, ZDM_JOB_PAUSED, why, NULL);
		jobs[paused++] = job->id;
	}
	return paused;
}

static Datum
job_array(const int64 *jobs, int count)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		elems[i] = Int64GetDatum(jobs[i]);
	return PointerGetDatum(construct_array(elems, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Other sessions that give or take the order wait for this one. */
static void
give_order(const char *reason)
{
	static const Oid argtypes[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(reason), CStringGetTextDatum(GetUserNameFromId(GetUserId(), false))};
	ZdmCatalogScope scope;
	bool		given;

	zdm_catalog_begin(&scope);
	given = zdm_catalog_execute("INSERT INTO zdm.stop_order (reason, stopped_by, jobs) VALUES ($1, $2, '{}')"
								" ON CONFLICT DO NOTHING",
								lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT) > 0;
	zdm_catalog_end(&scope);
	if (!given)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("all jobs are stopped already"),
				 errdetail("They wait for %s.", zdm_stop_reason() ? zdm_stop_reason() : "another transaction"),
				 errhint("zdm.resume_all() lets them go on.")));
}

/* zdm.stop_all(reason text) */
Datum
zdm_stop_all(PG_FUNCTION_ARGS)
{
	char	   *reason = zdm_args_reason(fcinfo, 0);
	Oid			argtype = INT8ARRAYOID;
	ZdmCatalogScope scope;
	int64	   *jobs;
	int			count;
	Datum		value;

	zdm_require_database_rights("zdm.stop_all()");
	give_order(reason);

	/*
	 * as orders lock them: those of stages before the others of their
	 * migrations
	 */
	jobs = select_jobs("SELECT job_id FROM zdm.job j LEFT JOIN zdm.migration m USING (migration_id)"
					   " WHERE j.state IN ('queued', 'running') OR (j.state = 'cancelled' AND j.cleanup)"
					   " ORDER BY j.migration_id IS NOT NULL"
					   "  AND j.job_id NOT IN (coalesce(main_job, 0), coalesce(retire_job, 0), coalesce(purge_job, 0)), j.job_id",
					   &count);
	count = pause_jobs(jobs, count, zdm_stop_reason());
	value = job_array(jobs, count);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.stop_order SET jobs = $1", 1, &argtype, &value, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	PG_RETURN_INT64(count);
}

/* zdm.resume_all() */
Datum
zdm_resume_all(PG_FUNCTION_ARGS)
{
	ZdmCatalogScope scope;
	int64	   *jobs;
	int64		resumed = 0;
	int			count;
	int			orders;

	zdm_require_database_rights("zdm.resume_all()");
	jobs = select_jobs("SELECT u FROM zdm.stop_order s, unnest(s.jobs) AS u FOR UPDATE OF s", &count);
	zdm_catalog_begin(&scope);
	orders = zdm_catalog_execute("DELETE FROM zdm.stop_order", 0, NULL, NULL, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
	if (orders == 0)
		ereport(NOTICE,
				(errmsg("there is no order of zdm.stop_all()")));
	for (int i = 0; i < count; i++)
	{
		ZdmJob	   *job = zdm_job_lock(jobs[i], true);

		if (job == NULL || job->state != ZDM_JOB_PAUSED || !job->is_local)
			continue;
		zdm_job_transition(job, ZDM_JOB_QUEUED, "resumed by zdm.resume_all()", NULL);
		resumed++;
	}
	zdm_queue_request();
	PG_RETURN_INT64(resumed);
}
