/*
 * query.c
 *	  Signal: a query of the user, which returns a number: from 1 on jobs are held.
 *
 * Running it needs a transaction, which is its caller's affair (run/hold.c):
 * here is what to make of the result.  Whatever keeps it from being a number
 * holds the job, and is the reason.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "throttle/query.h"
#include "utils/fmgrprotos.h"

/* The number in the result's only column; a boolean that is true is 1. */
static double
number_of(Datum value, Oid type)
{
	if (type == BOOLOID)
		return DatumGetBool(value) ? 1 : 0;
	return DatumGetFloat8(DirectFunctionCall1(float8in,
											  CStringGetDatum(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1))));
}

/* What is wrong with the result; NULL: nothing. */
static const char *
describe_fault(void)
{
	bool		isnull;

	if (SPI_tuptable == NULL)
		return "the throttle query returns nothing";
	if (SPI_tuptable->tupdesc->natts != 1)
		return "the throttle query returns more than one column";
	if (SPI_processed == 0)
		return "the throttle query returned no row";
	if (SPI_processed > 1)
		return "the throttle query returned more than one row";
	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? "the throttle query returned NULL" : NULL;
}

/*
 * Run the query, read only, as the current role and in the current snapshot,
 * and say what it says.  Errors with what it raises; one that is no number is
 * INVALID_TEXT_REPRESENTATION.
 */
void
zdm_throttle_query_run(const char *query, ZdmReading *reading)
{
	MemoryContext mcxt = CurrentMemoryContext;
	const char *fault;
	bool		isnull;

	memset(reading, 0, sizeof(*reading));
	SPI_connect();
	if (SPI_execute(query, true, 2) < 0)
		elog(ERROR, "SPI_execute failed");
	fault = describe_fault();
	if (fault == NULL)
		reading->value = number_of(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull),
								   SPI_gettypeid(SPI_tuptable->tupdesc, 1));
	SPI_finish();
	if (fault == NULL && isnan(reading->value))
		fault = "the throttle query returned NaN";
	reading->closed = fault != NULL;
	if (fault)
		reading->detail = MemoryContextStrdup(mcxt, fault);
}

static void
read_query(const ZdmSignalContext *context, ZdmReading *reading)
{
	if (context->query)
		*reading = *context->query;
	else
		reading->unknown = true;
}

const ZdmSignal zdm_signal_query = {
	.name = "query",
	.words = "throttle query",
	.release = "it returns less than 0.8",
	.unit = ZDM_SIGNAL_TEXT,
	.read = read_query
};
