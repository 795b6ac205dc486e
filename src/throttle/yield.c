/*
 * yield.c
 *	  Offering the processor to whoever waits for it.
 *
 * A scheduler lets a process that only computes finish its slice, some
 * milliseconds, while a query of the application that has just been woken
 * waits.  So the loops that go through rows offer it in between.  A low
 * priority instead would leave the worker off the processor with a page
 * locked.
 */
#include "postgres.h"

#include <sched.h>

#include "throttle/yield.h"

int			zdm_yield_due = 0;	/* ns of work since the last time */

/* Offer it now. */
void
zdm_yield(void)
{
	zdm_yield_due = 0;
	sched_yield();
}
