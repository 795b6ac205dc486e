/*
 * api.c
 *	  SQL functions: the signals of load as they are now.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "throttle/load.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_list_signals);

enum
{
	OUT_SIGNAL, OUT_VALUE, OUT_THRESHOLD, OUT_UTILISATION, OUT_UNIT, OUT_VALUE_TEXT, OUT_THRESHOLD_TEXT, OUT_DETAIL,
	OUT_OF_WRITES, OUT_COUNT
};

static const char *const unit_names[] = {
	[ZDM_SIGNAL_MS] = "ms",
	[ZDM_SIGNAL_KB] = "kB",
	[ZDM_SIGNAL_KB_PER_SECOND] = "kB/s",
	[ZDM_SIGNAL_COUNT] = "",
	[ZDM_SIGNAL_PERCENT] = "%",
	[ZDM_SIGNAL_TEXT] = ""
};

/* Names of standbys, slots and processes: as in pg_stat_replication. */
static bool
may_read_details(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
}

static void
put_signal(ReturnSetInfo *rsinfo, int i, const ZdmSignalContext *context)
{
	const ZdmSignal *signal = zdm_signals[i];
	double		threshold = zdm_signal_threshold(i, NULL);
	ZdmReading	reading = {0};
	Datum		values[OUT_COUNT] = {0};
	bool		nulls[OUT_COUNT] = {false};

	signal->read(context, &reading);
	values[OUT_SIGNAL] = CStringGetTextDatum(signal->name);
	nulls[OUT_VALUE] = nulls[OUT_VALUE_TEXT] = reading.unknown;
	values[OUT_VALUE] = Float8GetDatum(reading.value);
	nulls[OUT_THRESHOLD] = nulls[OUT_THRESHOLD_TEXT] = threshold <= 0;
	values[OUT_THRESHOLD] = Float8GetDatum(threshold);
	nulls[OUT_UTILISATION] = threshold <= 0 || (reading.unknown && !reading.closed);
	values[OUT_UTILISATION] = Float8GetDatum(zdm_signal_utilisation(&reading, threshold));
	values[OUT_UNIT] = CStringGetTextDatum(unit_names[signal->unit]);
	values[OUT_VALUE_TEXT] = CStringGetTextDatum(zdm_signal_value(signal, reading.value));
	values[OUT_THRESHOLD_TEXT] = CStringGetTextDatum(zdm_signal_value(signal, threshold));
	nulls[OUT_DETAIL] = reading.detail == NULL || !may_read_details();
	if (!nulls[OUT_DETAIL])
		values[OUT_DETAIL] = CStringGetTextDatum(reading.detail);
	values[OUT_OF_WRITES] = BoolGetDatum(signal->of_writes);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* zdm.list_signals(): a row for each; what is about a table or a job has nothing to tell here. */
Datum
zdm_list_signals(PG_FUNCTION_ARGS)
{
	ZdmSignalContext context = {.own_wal_kb_per_second = -1};

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < zdm_nsignals; i++)
		put_signal((ReturnSetInfo *) fcinfo->resultinfo, i, &context);
	return (Datum) 0;
}
