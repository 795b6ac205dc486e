/*
 * lock.h
 *	  Strong locks without stalling anyone: the lock policy, and the one timer
 *	  over what is done under a strong lock.
 */
#ifndef ZDM_DDL_LOCK_H
#define ZDM_DDL_LOCK_H

#include "datatype/timestamp.h"
#include "ddl/portal.h"
#include "nodes/pg_list.h"
#include "run/txn.h"
#include "storage/lockdefs.h"

/* A lock that a statement needs; a relation that is gone is left out. */
typedef struct ZdmLockTarget
{
	Oid			relid;
	LOCKMODE	mode;
} ZdmLockTarget;

/*
 * What to do with all targets locked, in a transaction as run->owner; it runs
 * again from the start when the attempt is rolled back.  It may return
 * ZDM_DONE, or any committed verdict, which ends the attempts; ZDM_BUSY asks
 * for another attempt.  It may push one snapshot.
 */
typedef ZdmVerdict (*ZdmDdlBody) (ZdmRun *run, void *arg);

/* How to run a body under locks, when it is not as usual. */
typedef struct ZdmLockOptions
{
	int			stall_ms;		/* cap of an attempt; 0: none, -1: by the
								 * targets' modes */
	int64		deadline_ms;	/* 0: none, -1: zdm.ddl_deadline */
	TimestampTz since;			/* the deadline counts from here; 0: from the
								 * call */
} ZdmLockOptions;

extern ZdmLockTarget *zdm_lock_target(Oid relid, LOCKMODE mode);
extern bool zdm_lock_covers(List *targets, List *needed);
extern ZdmVerdict zdm_ddl_locked_with(ZdmRun *run, const ZdmLockOptions *options, List *targets,
									  ZdmDdlBody body, void *arg, ZdmError **error);
extern ZdmVerdict zdm_ddl_wait_for_old(ZdmRun *run, const ZdmLockOptions *options, List *targets,
									   ZdmError **error);
extern ZdmVerdict zdm_ddl_locked(ZdmRun *run, List *targets, ZdmDdlBody body,
								 void *arg, ZdmError **error);

#endif							/* ZDM_DDL_LOCK_H */
