/*
 * api.c
 *	  SQL functions: the signals of load as they are now, and thresholds as
 *	  text.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "throttle/load.h"
#include "throttle/threshold.h"
#include "utils/builtins.h"
#include "utils/guc.h"

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
	[ZDM_SIGNAL_PERCENT] = "%"
};

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
	nulls[OUT_DETAIL] = reading.detail == NULL;
	if (reading.detail)
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

static char *
names_of_signals(void)
{
	char	   *names = "";

	for (int i = 0; i < zdm_nsignals; i++)
		names = psprintf("%s%s%s", names, i > 0 ? ", " : "", zdm_signals[i]->name);
	return names;
}

/* The place of the signal of that name; errors with INVALID_PARAMETER_VALUE. */
int
zdm_threshold_signal(const char *name)
{
	int			signal = zdm_signal_find(name);

	if (signal < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown signal \"%s\"", name),
				 errhint("Signals are: %s.", names_of_signals())));
	return signal;
}

/*
 * A threshold as a user writes it, as in postgresql.conf, in the signal's unit;
 * 0 for "off".  Errors with INVALID_PARAMETER_VALUE.
 */
double
zdm_threshold_parse(int signal, const char *text)
{
	ZdmSignalUnit unit = zdm_signals[signal]->unit;
	int			flags = unit == ZDM_SIGNAL_MS ? GUC_UNIT_MS :
		unit == ZDM_SIGNAL_KB || unit == ZDM_SIGNAL_KB_PER_SECOND ? GUC_UNIT_KB : 0;
	const char *hint = NULL;
	int			value;

	if (pg_strcasecmp(text, "off") == 0)
		return 0;
	if (!parse_int(text, &value, flags, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid threshold for signal \"%s\": \"%s\"", zdm_signals[signal]->name, text),
				 hint ? errhint("%s", _(hint)) : errhint("Give a number, as for the setting, or 'off', or 'default'.")));
	if (value <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the threshold of signal \"%s\" must be greater than 0, not %s", zdm_signals[signal]->name, text),
				 errhint("'off' leaves the signal out, 'default' takes the setting.")));
	return value;
}
