/*
 * load.c
 *	  All signals at once: how much of what the server can bear is used.
 *
 * Utilisation of a signal is its value over its threshold, and of the server
 * the largest of these: each signal is a queue somewhere, and the fullest one
 * decides.  What a signal cannot tell does not hold anybody, unless the signal
 * says that it must.
 */
#include "postgres.h"

#include "throttle/load.h"

/* of a signal that holds whatever its value */
#define CLOSED_UTILISATION 2.0

const ZdmSignal *const zdm_signals[] = {
	&zdm_signal_replay_lag,
	&zdm_signal_replay_bytes,
	&zdm_signal_required_standbys,
	&zdm_signal_slot_bytes,
	&zdm_signal_archiver,
	&zdm_signal_wal_rate,
	&zdm_signal_own_wal_rate,
	&zdm_signal_checkpoint,
	&zdm_signal_commit_latency,
	&zdm_signal_lock_waiters,
	&zdm_signal_active_backends,
	&zdm_signal_horizon,
	&zdm_signal_dead_rows,
	&zdm_signal_vacuum,
	&zdm_signal_work_window,
	&zdm_signal_query
};
const int	zdm_nsignals = lengthof(zdm_signals);

StaticAssertDecl(lengthof(zdm_signals) <= ZDM_SIGNALS_MAX, "more signals than thresholds");

/* The place of the signal in zdm_signals; -1 when there is none of that name. */
int
zdm_signal_find(const char *name)
{
	for (int i = 0; i < zdm_nsignals; i++)
	{
		if (strcmp(zdm_signals[i]->name, name) == 0)
			return i;
	}
	return -1;
}

/* What counts for a job, which may have own ones; 0: the signal is off. */
double
zdm_signal_threshold(int signal, const ZdmThresholds *own)
{
	if (own && own->value[signal] >= 0)
		return own->value[signal];
	return zdm_signals[signal]->setting ? *zdm_signals[signal]->setting : 1;
}

/* 0 when the signal is off or has nothing to tell. */
double
zdm_signal_utilisation(const ZdmReading *reading, double threshold)
{
	if (threshold <= 0)
		return 0;
	if (reading->closed)
		return CLOSED_UTILISATION;
	return reading->unknown ? 0 : reading->value / threshold;
}

/* A value with its unit, for people. */
char *
zdm_signal_value(const ZdmSignal *signal, double value)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	const char *per = signal->unit == ZDM_SIGNAL_KB_PER_SECOND ? "/s" : "";
	int			i = 0;

	switch (signal->unit)
	{
		case ZDM_SIGNAL_MS:
			return value < 1000 ? psprintf("%.0f ms", value) : psprintf("%.1f s", value / 1000);
		case ZDM_SIGNAL_KB:
		case ZDM_SIGNAL_KB_PER_SECOND:
			for (; value >= 1024 && i < lengthof(units) - 1; i++)
				value /= 1024;
			return psprintf("%.*f %s%s", value < 10 && i > 0 ? 1 : 0, value, units[i], per);
		case ZDM_SIGNAL_COUNT:
			return psprintf("%.*f", value < 10 && value != (int) value ? 1 : 0, value);
		case ZDM_SIGNAL_PERCENT:
			return psprintf("%.0f %%", value);
		case ZDM_SIGNAL_TEXT:
			return psprintf("%.2f", value);
	}
	return NULL;				/* keep the compiler quiet */
}

/*
 * Look at all signals that are on; about 10 us.  own: as above.  A job that
 * only reads is not held by what only writing makes worse.
 */
void
zdm_load_look(const ZdmSignalContext *context, const ZdmThresholds *own, bool only_reads, ZdmLoad *load)
{
	memset(load, 0, sizeof(*load));
	for (int i = 0; i < zdm_nsignals; i++)
	{
		const ZdmSignal *signal = zdm_signals[i];
		double		threshold = zdm_signal_threshold(i, own);
		ZdmReading	reading = {0};
		double		utilisation;

		if (threshold <= 0 || (only_reads && signal->of_writes))
			continue;
		signal->read(context, &reading);
		utilisation = zdm_signal_utilisation(&reading, threshold);
		if (load->signal && utilisation <= load->utilisation)
			continue;
		load->utilisation = utilisation;
		load->signal = signal;
		load->reading = reading;
		load->threshold = threshold;
	}
}

/* What holds the job, and until when, in one line. */
char *
zdm_load_reason(const ZdmLoad *load)
{
	const ZdmSignal *signal = load->signal;
	const char *who = load->reading.detail ? psprintf(" (%s)", load->reading.detail) : "";

	if (load->reading.closed)
		return psprintf("%s: %s (%s)", signal->words, load->reading.detail, signal->name);
	return psprintf("%s: %s%s, the threshold is %s; until %s (%s)", signal->words,
					zdm_signal_value(signal, load->reading.value), who,
					zdm_signal_value(signal, load->threshold), signal->release, signal->name);
}
