/*
 * set_throttle.c
 *	  SQL functions: the throttle of one job, and of all for a while.
 *
 * A running job reads these at every batch, and several times a second while
 * it pauses.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "job/call.h"
#include "miscadmin.h"
#include "throttle/threshold.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_set_throttle);
PG_FUNCTION_INFO_V1(zdm_throttle_all);
PG_FUNCTION_INFO_V1(zdm_unthrottle_all);

/* of zdm.set_throttle() */
enum
{
	ARG_JOB, ARG_DUTY, ARG_BATCH_TIME, ARG_MAX_ROWS_PER_SECOND, ARG_SIGNAL, ARG_THRESHOLD, ARG_LASTS
};

/* ---------- arguments ---------- */

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

/* The end of what is to last so long. */
static Datum
end_of(const Interval *lasts)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		end = DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(lasts));

	if (DatumGetTimestampTz(end) <= now || TIMESTAMP_IS_NOEND(DatumGetTimestampTz(end)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lasts must be longer than 0, and end"),
				 errhint("Give an interval such as '2 hours'.")));
	return end;
}

/* ---------- one job ---------- */

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
		values[2] = CStringGetTextDatum(zdm_threshold_parse(signal, threshold));
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
	if (PG_ARGISNULL(ARG_SIGNAL) && PG_ARGISNULL(ARG_THRESHOLD))
		return;
	zdm_args_not_null(fcinfo, ARG_SIGNAL, "signal");
	zdm_args_not_null(fcinfo, ARG_THRESHOLD, "threshold");
	set_threshold(job_id, zdm_args_text(fcinfo, ARG_SIGNAL), zdm_args_text(fcinfo, ARG_THRESHOLD));
}

/* What is to last is the duty; without that it lasts until it is set anew. */
static void
require_duty_to_last(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_LASTS) && PG_ARGISNULL(ARG_DUTY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lasts needs a duty"),
				 errhint("It says for how long a duty is in effect.")));
}

/*
 * zdm.set_throttle(job bigint, duty float8, batch_time interval,
 * max_rows_per_second float8, signal text, threshold text, lasts interval)
 */
Datum
zdm_set_throttle(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {INT8OID, FLOAT8OID, INT4OID, FLOAT8OID, TIMESTAMPTZOID};
	Datum		values[lengthof(argtypes)] = {0};
	bool		isnull[lengthof(argtypes)] = {false, PG_ARGISNULL(ARG_DUTY), PG_ARGISNULL(ARG_BATCH_TIME),
	PG_ARGISNULL(ARG_MAX_ROWS_PER_SECOND), PG_ARGISNULL(ARG_LASTS)};
	ZdmCatalogScope scope;
	ZdmJob	   *job = zdm_job_lock_for_call(fcinfo, "zdm.set_throttle()");

	require_duty_to_last(fcinfo);
	values[0] = Int64GetDatum(job->id);
	if (!isnull[1])
		values[1] = Float8GetDatum(duty_arg(PG_GETARG_FLOAT8(ARG_DUTY)));
	if (!isnull[2])
		values[2] = Int32GetDatum(batch_time_arg(PG_GETARG_INTERVAL_P(ARG_BATCH_TIME)));
	if (!isnull[3])
		values[3] = Float8GetDatum(ceiling_arg(PG_GETARG_FLOAT8(ARG_MAX_ROWS_PER_SECOND)));
	if (!isnull[4])
		values[4] = end_of(PG_GETARG_INTERVAL_P(ARG_LASTS));

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET duty = coalesce($2, duty),"
						" duty_until = CASE WHEN $2 IS NULL THEN duty_until ELSE $5 END,"
						" batch_time_ms = coalesce($3, batch_time_ms),"
						" max_rows_per_second = coalesce($4, max_rows_per_second)"
						" WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	set_threshold_args(job->id, fcinfo);
	PG_RETURN_VOID();
}

/* ---------- all jobs ---------- */

/* zdm.throttle_all(duty float8, lasts interval, reason text) */
Datum
zdm_throttle_all(PG_FUNCTION_ARGS)
{
	static const Oid argtypes[] = {FLOAT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	zdm_args_not_null(fcinfo, 0, "duty");
	zdm_args_not_null(fcinfo, 1, "lasts");
	values[0] = Float8GetDatum(duty_arg(PG_GETARG_FLOAT8(0)));
	values[1] = end_of(PG_GETARG_INTERVAL_P(1));
	values[2] = CStringGetTextDatum(zdm_args_reason(fcinfo, 2));
	values[3] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	zdm_require_database_rights("zdm.throttle_all()");
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.throttle_order (duty, ends_at, reason, ordered_by) VALUES ($1, $2, $3, $4)"
						" ON CONFLICT (order_id) DO UPDATE SET duty = excluded.duty, ends_at = excluded.ends_at,"
						" reason = excluded.reason, ordered_by = excluded.ordered_by, ordered_at = clock_timestamp()",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
	PG_RETURN_VOID();
}

/* zdm.unthrottle_all() */
Datum
zdm_unthrottle_all(PG_FUNCTION_ARGS)
{
	ZdmCatalogScope scope;
	int			orders;

	zdm_require_database_rights("zdm.unthrottle_all()");
	zdm_catalog_begin(&scope);
	orders = zdm_catalog_execute("DELETE FROM zdm.throttle_order", 0, NULL, NULL, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
	if (orders == 0)
		ereport(NOTICE,
				(errmsg("there is no order of zdm.throttle_all()")));
	PG_RETURN_VOID();
}
