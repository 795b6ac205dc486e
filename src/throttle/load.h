/*
 * load.h
 *	  All signals at once: how much of what the server can bear is used.
 */
#ifndef ZDM_THROTTLE_LOAD_H
#define ZDM_THROTTLE_LOAD_H

#include "throttle/signal.h"

/*
 * Thresholds of one job's own, in place of the settings: by place in zdm_signals;
 * negative: none.  0: the signal is off.
 */
#define ZDM_SIGNALS_MAX 20
typedef struct ZdmThresholds
{
	double		value[ZDM_SIGNALS_MAX];
	char	   *text[ZDM_SIGNALS_MAX];	/* of a ZDM_SIGNAL_TEXT; NULL: none */
} ZdmThresholds;

/* a look at all of them */
typedef struct ZdmLoad
{
	double		utilisation;	/* the largest of value / threshold */
	const ZdmSignal *signal;	/* which that is of; NULL: none tells anything */
	ZdmReading	reading;
	double		threshold;
} ZdmLoad;

extern int	zdm_signal_find(const char *name);
extern void zdm_thresholds_init(ZdmThresholds *own);
extern void zdm_thresholds_read(ZdmThresholds *own, Datum array);
extern const char *zdm_thresholds_text(const ZdmThresholds *own, const ZdmSignal *signal);
extern double zdm_signal_threshold(int signal, const ZdmThresholds *own);
extern double zdm_signal_utilisation(const ZdmReading *reading, double threshold);
extern char *zdm_signal_value(const ZdmSignal *signal, double value);
extern void zdm_load_look(const ZdmSignalContext *context, const ZdmThresholds *own, bool only_reads, ZdmLoad *load);
extern char *zdm_load_reason(const ZdmLoad *load);

#endif							/* ZDM_THROTTLE_LOAD_H */
