/*
 * watch.h
 *	  Leaving the lock queue when a statement waits in it for too long, or when
 *	  others can never go on unless it does.
 */
#ifndef ZDM_DDL_WATCH_H
#define ZDM_DDL_WATCH_H

extern void zdm_watch_begin(int longest_ms);
extern bool zdm_watch_end(void);
extern void zdm_watch_deadlocks(void);
extern void zdm_watch_deadlocks_end(void);

#endif							/* ZDM_DDL_WATCH_H */
