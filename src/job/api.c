/*
 * api.c
 *	  SQL functions on jobs of any kind: pause, resume, cancel, retry, assert,
 *	  throttle.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/settings.h"
#include "fmgr.h"
#include "job/interrupt.h"
#include "job/job.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "miscadmin.h"
#include "throttle/threshold.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_job_id);
PG_FUNCTION_INFO_V1(zdm_pause_job);
PG_FUNCTION_INFO_V1(zdm_resume_job);
PG_FUNCTION_INFO_V1(zdm_cancel_job);
PG_FUNCTION_INFO_V1(zdm_retry_job);
PG_FUNCTION_INFO_V1(zdm_assert_job_done);
PG_FUNCTION_INFO_V1(zdm_set_throttle);

/*
 * Whose rights a caller needs: the owner at submit and, after a change of
 * owner, the owner now.
 */
static void
require_rights_on(const ZdmJob *job)
{
	char	   *what = psprintf("the target of job " INT64_FORMAT " (table \"%s.%s\")",
								job->id, job->target_schema, job->target_name);

	if (OidIsValid(job->owner_id))
		zdm_require_owner_rights(job->owner_id, what);
	else if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\", which owned %s, no longer exists", job->owner, what),
				 errhint("Call it as a superuser.")));
}

/* The job of argument 0, its row locked, after all checks on the caller. */
static ZdmJob *
lock_job_for_call(FunctionCallInfo fcinfo, const char *funcname)
{
	ZdmJob	   *job;

	zdm_args_not_null(fcinfo, 0, "job");
	zdm_require_writable(funcname);
	job = zdm_job_lock(PG_GETARG_INT64(0), false);
	require_rights_on(job);
	return job;
}

static void
notice_already(const ZdmJob *job)
{
	ereport(NOTICE,
			(errmsg("job " INT64_FORMAT " (\"%s\") is already %s",
					job->id, job->name, zdm_job_state_name(job->state))));
}

/* zdm.job_id(name text) */
Datum
zdm_job_id(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job;
	char	   *name;

	zdm_args_not_null(fcinfo, 0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	job = zdm_job_load_by_name(name);
	if (job == NULL || !zdm_job_is_visible(job->owner_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job \"%s\" does not exist", name),
				 errhint("The jobs of this database are in zdm.jobs.")));
	PG_RETURN_INT64(job->id);
}

/* zdm.pause_job(job bigint) */
Datum
zdm_pause_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = lock_job_for_call(fcinfo, "zdm.pause_job()");

	if (job->state == ZDM_JOB_PAUSED)
		notice_already(job);
	else
	{
		zdm_job_transition(job, ZDM_JOB_PAUSED,
						   psprintf("paused by %s", GetUserNameFromId(GetUserId(), false)),
						   NULL);
		zdm_job_interrupt_at_commit(job->id);
	}
	PG_RETURN_VOID();
}

/* zdm.resume_job(job bigint) */
Datum
zdm_resume_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = lock_job_for_call(fcinfo, "zdm.resume_job()");

	if (!job->is_local &&
		(job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING))
		zdm_job_transition(job, ZDM_JOB_PAUSED, "came from another cluster or database (restore, copy or upgrade)", NULL);

	if (job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING)
	{
		notice_already(job);
		zdm_queue_request();
	}
	else if (job->state == ZDM_JOB_PAUSED)
		zdm_job_requeue(job, "resumed");
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is %s, not paused",
						job->id, job->name, zdm_job_state_name(job->state)),
				 job->state == ZDM_JOB_DONE ?
				 errhint("Start it again under another name.") :
				 errhint("Use zdm.retry_job(" INT64_FORMAT ").", job->id)));
	PG_RETURN_VOID();
}

/* zdm.cancel_job(job bigint) */
Datum
zdm_cancel_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = lock_job_for_call(fcinfo, "zdm.cancel_job()");

	if (job->state == ZDM_JOB_CANCELLED)
		notice_already(job);
	else if (job->state == ZDM_JOB_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is already done", job->id, job->name),
				 errhint("There is nothing left to cancel.")));
	else
	{
		zdm_job_transition(job, ZDM_JOB_CANCELLED, NULL, NULL);
		zdm_job_interrupt_at_commit(job->id);
		zdm_queue_request();	/* its worker's place may be wanted */
	}
	PG_RETURN_VOID();
}

/* zdm.retry_job(job bigint) */
Datum
zdm_retry_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = lock_job_for_call(fcinfo, "zdm.retry_job()");

	switch (job->state)
	{
		case ZDM_JOB_FAILED:
		case ZDM_JOB_CANCELLED:
			zdm_job_requeue(job, "retried");
			break;
		case ZDM_JOB_QUEUED:
		case ZDM_JOB_RUNNING:
			notice_already(job);
			zdm_queue_request();
			break;
		case ZDM_JOB_PAUSED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " (\"%s\") is paused", job->id, job->name),
					 errhint("Use zdm.resume_job(" INT64_FORMAT ").", job->id)));
			break;
		case ZDM_JOB_DONE:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " (\"%s\") is already done", job->id, job->name),
					 errhint("Start it again under another name.")));
			break;
	}
	PG_RETURN_VOID();
}

/* zdm.assert_job_done(job bigint) */
Datum
zdm_assert_job_done(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job;

	zdm_args_not_null(fcinfo, 0, "job");
	job = zdm_job_load_visible(PG_GETARG_INT64(0));
	if (job->state != ZDM_JOB_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is not done, but %s",
						job->id, job->name, zdm_job_state_name(job->state)),
				 job->last_error ? errdetail("Its last error is: %s", job->last_error) : 0,
				 errhint("CALL zdm.wait_for_job(" INT64_FORMAT ") waits for it; zdm.jobs shows its progress.",
						 job->id)));
	PG_RETURN_VOID();
}

static int
batch_time_arg(const Interval *interval)
{
	double		ms = ((double) interval->month * DAYS_PER_MONTH + interval->day) * SECS_PER_DAY * 1000.0 +
	interval->time / 1000.0;

	if (ms < 1 || ms > 10000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch_time must be between 1 ms and 10 s"),
				 errhint("The default is zdm.batch_time.")));
	return (int) ms;
}

static double
duty_arg(double duty)
{
	if (isnan(duty) || duty <= 0 || duty > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("duty must be greater than 0 and at most 1, not %g", duty),
				 errhint("1 is unthrottled, 0.25 works a quarter of the time. zdm.pause_job() stops a job.")));
	return duty;
}

static double
ceiling_arg(double rows)
{
	if (isnan(rows) || rows <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows_per_second must be greater than 0, not %g", rows),
				 errhint("Infinity takes the ceiling away. zdm.pause_job() stops a job.")));
	return rows;
}

/*
 * The thresholds of a job with one set, or taken away by "default".
 *
 * The signal is taken out of the names and values in turn, and put at the end.
 */
static void
set_threshold(int64 job_id, const char *name, const char *threshold)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID};
	bool		isnull[] = {false, false, pg_strcasecmp(threshold, "default") == 0};
	int			signal = zdm_threshold_signal(name);
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(name), (Datum) 0};
	ZdmCatalogScope scope;

	if (!isnull[2])
		values[2] = CStringGetTextDatum(psprintf("%g", zdm_threshold_parse(signal, threshold)));
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET thresholds ="
						" (SELECT array_agg(t ORDER BY n) FROM unnest(thresholds) WITH ORDINALITY AS u (t, n)"
						"   WHERE thresholds[n - (n + 1) % 2] IS DISTINCT FROM $2)"
						" || CASE WHEN $3 IS NOT NULL THEN ARRAY[$2, $3] END WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Both or neither. */
static void
set_threshold_args(int64 job_id, FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(4) && PG_ARGISNULL(5))
		return;
	zdm_args_not_null(fcinfo, 4, "signal");
	zdm_args_not_null(fcinfo, 5, "threshold");
	set_threshold(job_id, zdm_args_text(fcinfo, 4), zdm_args_text(fcinfo, 5));
}

/*
 * zdm.set_throttle(job bigint, duty float8, batch_time interval,
 * max_rows_per_second float8, signal text, threshold text)
 */
Datum
zdm_set_throttle(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {INT8OID, FLOAT8OID, INT4OID, FLOAT8OID};
	Datum		values[lengthof(argtypes)] = {0};
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;
	ZdmJob	   *job = lock_job_for_call(fcinfo, "zdm.set_throttle()");

	values[0] = Int64GetDatum(job->id);
	for (int i = 1; i < lengthof(argtypes); i++)
		isnull[i] = PG_ARGISNULL(i);
	if (!isnull[1])
		values[1] = Float8GetDatum(duty_arg(PG_GETARG_FLOAT8(1)));
	if (!isnull[2])
		values[2] = Int32GetDatum(batch_time_arg(PG_GETARG_INTERVAL_P(2)));
	if (!isnull[3])
		values[3] = Float8GetDatum(ceiling_arg(PG_GETARG_FLOAT8(3)));

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET duty = coalesce($2, duty),"
						" batch_time_ms = coalesce($3, batch_time_ms),"
						" max_rows_per_second = coalesce($4, max_rows_per_second)"
						" WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	set_threshold_args(job->id, fcinfo);
	PG_RETURN_VOID();
}
