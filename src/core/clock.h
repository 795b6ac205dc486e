/*
 * clock.h
 *	  How much time has passed.
 */
#ifndef ZDM_CORE_CLOCK_H
#define ZDM_CORE_CLOCK_H

#include "portability/instr_time.h"

/* Milliseconds since start, which INSTR_TIME_SET_CURRENT() has set. */
static inline double
zdm_ms_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

#endif							/* ZDM_CORE_CLOCK_H */
