/*
 * orders.c
 *	  What the operator wants of a running job now: read at every batch.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/settings.h"
#include "job/orders.h"
#include "utils/float.h"

/*
 * Read the job's row with a plan kept for the life of the process.  False
 * when the row is gone.  Needs a transaction with an active snapshot.
 */
bool
zdm_job_read_orders(int64 job_id, ZdmJobOrders *orders)
{
	static SPIPlanPtr plan = NULL;
	ZdmCatalogScope scope;
	Datum		arg = Int64GetDatum(job_id);
	bool		found;
	bool		isnull;
	Datum		value;

	zdm_catalog_begin(&scope);
	if (plan == NULL)
	{
		Oid			argtype = INT8OID;

		plan = SPI_prepare("SELECT j.state, CASE WHEN j.duty_until <= clock_timestamp() THEN NULL ELSE j.duty END,"
						   " j.batch_time_ms, j.max_rows_per_second, j.thresholds, o.duty"
						   " FROM zdm.job j LEFT JOIN zdm.throttle_order o ON o.ends_at > clock_timestamp()"
						   " WHERE job_id = $1", 1, &argtype);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed");
		SPI_keepplan(plan);
	}
	if (SPI_execute_plan(plan, &arg, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the job's row");
	found = SPI_processed > 0;
	if (found)
	{
		orders->state = zdm_job_state_parse(zdm_catalog_text(0, 1, CurrentMemoryContext));
		value = zdm_catalog_value(0, 2, &isnull);
		orders->own_duty = !isnull;
		orders->duty = isnull ? zdm_duty : DatumGetFloat8(value);
		value = zdm_catalog_value(0, 3, &isnull);
		orders->batch_time = isnull ? zdm_batch_time : DatumGetInt32(value);
		value = zdm_catalog_value(0, 4, &isnull);
		orders->max_rows_per_second = isnull ? get_float8_infinity() : DatumGetFloat8(value);
		value = zdm_catalog_value(0, 5, &isnull);
		if (isnull)
			zdm_thresholds_init(&orders->thresholds);
		else
			zdm_thresholds_read(&orders->thresholds, value);
		value = zdm_catalog_value(0, 6, &isnull);
		orders->duty_of_all = isnull ? 1 : DatumGetFloat8(value);
	}
	zdm_catalog_end(&scope);
	return found;
}

/*
 * Hold the job in that state to the end of the transaction, which is to last
 * only if it was in it: whoever orders otherwise comes before or after.  Waits
 * as long as lock_timeout says for an order that is not committed yet.  Errors
 * with T_R_SERIALIZATION_FAILURE when the state is another one.
 */
void
zdm_job_hold_state(int64 job_id, ZdmJobState state)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	bool		is_in_it;

	zdm_catalog_begin(&scope);
	is_in_it = zdm_catalog_execute("SELECT state FROM zdm.job WHERE job_id = $1 FOR KEY SHARE",
								   1, &argtype, &value, NULL, SPI_OK_SELECT) > 0 &&
		zdm_job_state_parse(zdm_catalog_text(0, 1, CurrentMemoryContext)) == state;
	zdm_catalog_end(&scope);
	if (!is_in_it)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("job " INT64_FORMAT " is not %s any more", job_id, zdm_job_state_name(state)),
				 errhint("Its state and history are in zdm.jobs and zdm.events.")));
}
