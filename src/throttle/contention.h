/*
 * contention.h
 *	  Whether others want the processor that this process is on.
 */
#ifndef ZDM_THROTTLE_CONTENTION_H
#define ZDM_THROTTLE_CONTENTION_H

extern bool zdm_processor_contended(void);

#endif							/* ZDM_THROTTLE_CONTENTION_H */
