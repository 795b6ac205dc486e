/*
 * lock.h
 *	  "Alive" means "holds the job's lock".
 *
 * The lock is an object lock (database, oid of zdm.job, the job's id) that
 * lives as long as the process, over commits and rollbacks, and that user
 * code can neither take nor release; see lock.c.
 */
#ifndef ZDM_JOB_LOCK_H
#define ZDM_JOB_LOCK_H

#include "storage/lockdefs.h"

typedef struct ZdmJobLock
{
	int			pid;
	Oid			database;
	Oid			jobrelid;		/* zdm.job in that database */
	int64		job_id;
} ZdmJobLock;

extern bool zdm_job_lock_try(int64 job_id);
extern int	zdm_job_worker_pid(int64 job_id);
extern ZdmJobLock *zdm_job_lock_list(int *count);

/* dispatchers only */
extern bool zdm_dispatch_lock_try(void);
extern bool zdm_dispatch_lock_try_next(void);
extern void zdm_dispatch_lock_release_next(void);

extern bool zdm_database_is_wanted(void);
extern bool zdm_database_is_wanted_oid(Oid database);
extern bool zdm_relation_is_wanted(Oid relid, LOCKMODE held);

#endif							/* ZDM_JOB_LOCK_H */
