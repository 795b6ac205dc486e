/*
 * yield.h
 *	  Offering the processor to whoever waits for it.
 */
#ifndef ZDM_THROTTLE_YIELD_H
#define ZDM_THROTTLE_YIELD_H

/* one call of the system costs up to a microsecond */
#define ZDM_YIELD_INTERVAL_NS 50000

extern int	zdm_yield_due;

extern void zdm_yield(void);

/*
 * Some ns of work, as estimated, have been done.  To be called where no lock
 * of shared memory is held.  True when the processor was offered.
 */
static inline bool
zdm_yield_after(int ns)
{
	zdm_yield_due += ns;
	if (zdm_yield_due < ZDM_YIELD_INTERVAL_NS)
		return false;
	zdm_yield();
	return true;
}

#endif							/* ZDM_THROTTLE_YIELD_H */
