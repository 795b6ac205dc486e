/*
 * waiters.h
 *	  Whether others have waited for this process's transactions.
 */
#ifndef ZDM_THROTTLE_WAITERS_H
#define ZDM_THROTTLE_WAITERS_H

extern void zdm_waiters_look(void);
extern bool zdm_waiters_last(void);

#endif							/* ZDM_THROTTLE_WAITERS_H */
