/*
 * lock.h
 *	  Version differences in the shared table of locks.
 */
#ifndef ZDM_COMPAT_LOCK_H
#define ZDM_COMPAT_LOCK_H

#include "storage/lock.h"
#include "storage/proc.h"

static inline bool
zdm_compat_is_lock_of(const PROCLOCK *proclock, const LOCKTAG *tag)
{
	return memcmp(&proclock->tag.myLock->tag, tag, sizeof(LOCKTAG)) == 0;
}

/*
 * The entry of a lock that this process has or waits for; NULL when there is
 * none, as for a fast-path lock.  With the lock of the partition held.
 */
static inline const LOCK *
zdm_compat_my_lock(const LOCKTAG *tag, int partition)
{
#if PG_VERSION_NUM >= 160000
	dlist_iter	iter;

	dlist_foreach(iter, &MyProc->myProcLocks[partition])
	{
		PROCLOCK   *proclock = dlist_container(PROCLOCK, procLink, iter.cur);

		if (zdm_compat_is_lock_of(proclock, tag))
			return proclock->tag.myLock;
	}
#else
	SHM_QUEUE  *queue = &MyProc->myProcLocks[partition];
	PROCLOCK   *proclock = (PROCLOCK *) SHMQueueNext(queue, queue, offsetof(PROCLOCK, procLink));

	for (; proclock; proclock = (PROCLOCK *) SHMQueueNext(queue, &proclock->procLink, offsetof(PROCLOCK, procLink)))
	{
		if (zdm_compat_is_lock_of(proclock, tag))
			return proclock->tag.myLock;
	}
#endif
	return NULL;
}

#endif							/* ZDM_COMPAT_LOCK_H */
