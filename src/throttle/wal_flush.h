/*
 * wal_flush.h
 *	  Flushing a job's WAL before the application has to.
 */
#ifndef ZDM_THROTTLE_WAL_FLUSH_H
#define ZDM_THROTTLE_WAL_FLUSH_H

extern void zdm_wal_flush_if_due(void);
extern void zdm_wal_flush_before_commit(void);

#endif							/* ZDM_THROTTLE_WAL_FLUSH_H */
