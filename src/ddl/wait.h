/*
 * wait.h
 *	  A job that waits for a lock says so: in zdm.jobs and for zdm.blockers.
 */
#ifndef ZDM_DDL_WAIT_H
#define ZDM_DDL_WAIT_H

#include "ddl/lock.h"

typedef struct ZdmLockWait
{
	ZdmRun	   *run;
	double		tell_at;		/* ms after the start of the wait */
	Oid			told_relid;		/* what zdm.lock_wait says now */
	LOCKMODE	told_mode;
} ZdmLockWait;

extern void zdm_lock_wait_init(ZdmLockWait *wait, ZdmRun *run);
extern void zdm_lock_wait_note(ZdmLockWait *wait, const ZdmLockTarget *target);
extern void zdm_lock_wait_tell(ZdmLockWait *wait, double waited_ms, const ZdmLockTarget *target);
extern void zdm_lock_wait_over(ZdmLockWait *wait);

#endif							/* ZDM_DDL_WAIT_H */
