/*
 * lag_clock.h
 *	  When the WAL was at a place: time behind, from a place.
 */
#ifndef ZDM_THROTTLE_LAG_CLOCK_H
#define ZDM_THROTTLE_LAG_CLOCK_H

#include "access/xlogdefs.h"

extern void zdm_lag_clock_tick(void);
extern double zdm_lag_clock_ms(XLogRecPtr place);

#endif							/* ZDM_THROTTLE_LAG_CLOCK_H */
