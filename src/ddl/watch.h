/*
 * watch.h
 *	  Leaving the lock queue when a statement waits in it for too long.
 */
#ifndef ZDM_DDL_WATCH_H
#define ZDM_DDL_WATCH_H

extern void zdm_watch_begin(int longest_ms);
extern bool zdm_watch_end(void);

#endif							/* ZDM_DDL_WATCH_H */
