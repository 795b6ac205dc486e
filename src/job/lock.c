/*
 * lock.c
 *	  "Alive" means "holds the job's lock".
 *
 * All locks here have the tag of an object lock and the method of an advisory
 * lock (USER_LOCKMETHOD).  The tag cannot be named by the advisory lock
 * functions, and no object lock of PostgreSQL has this method, so nobody else
 * can take them.  The method is needed because a session-level lock of the
 * default method is released when any transaction of the session aborts
 * (ProcReleaseLocks), and a worker's batches do abort.
 *
 * What is left is pg_advisory_unlock_all(), which releases everything that
 * the session holds by that method, and which a trigger on the target may
 * call.  So the job's lock is not held by the session, but by a resource
 * owner of our own that outlives transactions.  The end of a transaction
 * takes the locks of all resource owners away and leaves those of the
 * session: for that moment only, lock_over_transaction_end() lets the session
 * hold it.  The lock in shared memory stays granted throughout.
 *
 * Only the process itself changes its locks; other processes read the lock
 * table with GetLockStatusData(), which takes every lock partition in shared
 * mode for some microseconds.
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "compat/lock.h"
#include "core/catalog.h"
#include "job/lock.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "utils/resowner.h"

/* object ids of the dispatchers' locks; their class id is 0 */
#define DISPATCH_OBJID 0x7a646d
#define DISPATCH_TURN 0			/* the one that is at work in the cluster */
#define DISPATCH_NEXT 1			/* the one that is next in this database */

static LOCKTAG held_tag;
static bool held = false;
static bool held_by_owner = false;
static ResourceOwner lock_owner = NULL;

static void
set_tag(LOCKTAG *tag, Oid database, Oid classid, uint32 objid, uint16 objsubid)
{
	SET_LOCKTAG_OBJECT(*tag, database, classid, objid, objsubid);
	tag->locktag_lockmethodid = USER_LOCKMETHOD;
}

/* 48 bits of the job's id are in the tag. */
static void
set_job_tag(LOCKTAG *tag, int64 job_id)
{
	set_tag(tag, MyDatabaseId, zdm_own_relation("job", false),
			(uint32) job_id, (uint16) (job_id >> 32));
}

static bool
acquire_for_owner(const LOCKTAG *tag)
{
	ResourceOwner save = CurrentResourceOwner;
	bool		got;

	CurrentResourceOwner = lock_owner;
	got = LockAcquire(tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
	CurrentResourceOwner = save;
	return got;
}

/*
 * Resource release callback: carry the job's lock over the end of a
 * transaction.  Both acquisitions only count up a lock that this process
 * holds, so they cannot fail.
 */
static void
lock_over_transaction_end(ResourceReleasePhase phase, bool isCommit,
						  bool isTopLevel, void *arg)
{
	if (!held || !isTopLevel)
		return;

	if (phase == RESOURCE_RELEASE_BEFORE_LOCKS && held_by_owner)
	{
		(void) LockAcquire(&held_tag, ExclusiveLock, true, true);
		held_by_owner = false;
	}
	else if (phase == RESOURCE_RELEASE_AFTER_LOCKS && !held_by_owner)
	{
		held_by_owner = acquire_for_owner(&held_tag);
		(void) LockRelease(&held_tag, ExclusiveLock, true);
	}
}

/*
 * Take the lock of a job of this database for the rest of the process's life
 * without waiting; false when another process holds it.  A process can hold
 * the lock of one job.  Needs a transaction; errors with UNDEFINED_TABLE when
 * the extension is not installed.
 */
bool
zdm_job_lock_try(int64 job_id)
{
	static bool registered = false;
	LOCKTAG		tag;

	if (held)
		elog(ERROR, "this process already holds the lock of a job");

	set_job_tag(&tag, job_id);
	if (!registered)
	{
		lock_owner = ResourceOwnerCreate(NULL, "zdm job lock");
		RegisterResourceReleaseCallback(lock_over_transaction_end, NULL);
		registered = true;
	}
	if (!acquire_for_owner(&tag))
		return false;

	held_tag = tag;
	held = held_by_owner = true;
	return true;
}

/*
 * The job locks that are held in the whole cluster, palloc'd: one for each
 * live worker.  Needs no transaction.
 */
ZdmJobLock *
zdm_job_lock_list(int *count)
{
	LockData   *data = GetLockStatusData();
	ZdmJobLock *locks = palloc(sizeof(ZdmJobLock) * Max(data->nelements, 1));

	*count = 0;
	for (int i = 0; i < data->nelements; i++)
	{
		const LockInstanceData *instance = &data->locks[i];
		const LOCKTAG *tag = &instance->locktag;
		ZdmJobLock *lock = &locks[*count];

		if (tag->locktag_type != LOCKTAG_OBJECT ||
			tag->locktag_lockmethodid != USER_LOCKMETHOD ||
			!OidIsValid(tag->locktag_field2) ||
			(instance->holdMask & LOCKBIT_ON(ExclusiveLock)) == 0)
			continue;

		lock->pid = instance->pid;
		lock->database = tag->locktag_field1;
		lock->jobrelid = tag->locktag_field2;
		lock->job_id = ((int64) tag->locktag_field4 << 32) | tag->locktag_field3;
		(*count)++;
	}
	pfree(data->locks);
	pfree(data);
	return locks;
}

/*
 * The process that is at work on a job of this database, 0 when there is
 * none.  Needs a transaction; takes no heavyweight lock.
 */
int
zdm_job_worker_pid(int64 job_id)
{
	Oid			jobrelid = zdm_own_relation("job", false);
	int			count;
	ZdmJobLock *locks = zdm_job_lock_list(&count);
	int			pid = 0;

	for (int i = 0; i < count && pid == 0; i++)
	{
		if (locks[i].database == MyDatabaseId &&
			locks[i].jobrelid == jobrelid && locks[i].job_id == job_id)
			pid = locks[i].pid;
	}
	pfree(locks);
	return pid;
}

static bool
try_session_lock(const LOCKTAG *tag)
{
	return LockAcquire(tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Become the dispatcher at work in the cluster, for the rest of the process's
 * life, without waiting.
 */
bool
zdm_dispatch_lock_try(void)
{
	LOCKTAG		tag;

	set_tag(&tag, InvalidOid, InvalidOid, DISPATCH_OBJID, DISPATCH_TURN);
	return try_session_lock(&tag);
}

/*
 * Become the dispatcher that is next in this database, without waiting.  When
 * false, another one is, which has not looked at the queue yet.
 */
bool
zdm_dispatch_lock_try_next(void)
{
	LOCKTAG		tag;

	set_tag(&tag, MyDatabaseId, InvalidOid, DISPATCH_OBJID, DISPATCH_NEXT);
	return try_session_lock(&tag);
}

/* Let another dispatcher be next; before this one reads the queue. */
void
zdm_dispatch_lock_release_next(void)
{
	LOCKTAG		tag;

	set_tag(&tag, MyDatabaseId, InvalidOid, DISPATCH_OBJID, DISPATCH_NEXT);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

/*
 * Does somebody hold or wait for a lock on this database that needs it free
 * of other sessions: DROP DATABASE, ALTER DATABASE ... RENAME or SET
 * TABLESPACE, CREATE DATABASE ... TEMPLATE?  Then our processes have to leave
 * it.  Takes ROW EXCLUSIVE on the database for an instant, without waiting.
 * Needs no transaction.
 */
bool
zdm_database_is_wanted_oid(Oid database)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/* The same for the database of this process. */
bool
zdm_database_is_wanted(void)
{
	return zdm_database_is_wanted_oid(MyDatabaseId);
}

/*
 * Does somebody wait for a lock of ours of that mode on a relation to be given
 * back?  From 17 on a try for a lock does not tell: who has one already is let
 * through.  Who waits has made a shared entry of a fast-path lock.
 */
bool
zdm_relation_is_wanted(Oid relid, LOCKMODE held)
{
	LOCKTAG		tag;
	uint32		hashcode;
	const LOCK *lock;
	LOCKMASK	waiters;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	hashcode = LockTagHashCode(&tag);
	LWLockAcquire(LockHashPartitionLock(hashcode), LW_SHARED);
	lock = zdm_compat_my_lock(&tag, LockHashPartition(hashcode));
	waiters = lock ? lock->waitMask : 0;
	LWLockRelease(LockHashPartitionLock(hashcode));
	for (LOCKMODE mode = AccessShareLock; mode <= MaxLockMode; mode++)
	{
		if ((waiters & LOCKBIT_ON(mode)) != 0 && DoLockModesConflict(held, mode))
			return true;
	}
	return false;
}
