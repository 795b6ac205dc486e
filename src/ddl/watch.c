/*
 * watch.c
 *	  Leaving the lock queue when a statement waits in it for too long, or when
 *	  others can never go on unless it does.
 *
 * A statement that commits in its middle waits for old transactions as long as
 * it takes, which is in nobody's way, and may then ask for a strong lock,
 * behind which everybody queues.  lock_timeout would end both waits.  So a
 * timer looks what this process waits for.
 *
 * The waits for old transactions can end in a deadlock: one of them asks for
 * the table, whose lock this statement keeps.  PostgreSQL looks for a deadlock
 * once in a wait, and fails the process that does; when this one has waited
 * for longer, that is the other.  So it looks again and again.
 *
 * It looks from a signal handler at fields of the process's own entry, which
 * are changed meanwhile at worst: then the statement is cancelled although it
 * has just got its lock, and tried again.
 */
#include "postgres.h"

#include "ddl/watch.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

/* looks in one longest wait; so many in a row that see it waiting end it */
#define LOOKS 4

/* well below the server's default deadlock_timeout, so that it is we who find a deadlock */
#define DEADLOCK_LOOK_MS 100

static TimeoutId watch_timer;
static TimeoutId deadlock_timer;
static volatile sig_atomic_t looks_in_queue = 0;
static volatile sig_atomic_t has_left = false;

static bool
is_in_the_way(void)
{
	const LOCK *lock = MyProc->waitLock;

	return lock != NULL && MyProc->waitLockMode >= ShareLock && lock->tag.locktag_type == LOCKTAG_RELATION;
}

static void
look(void)
{
	looks_in_queue = is_in_the_way() ? looks_in_queue + 1 : 0;
	if (looks_in_queue < LOOKS)
		return;
	looks_in_queue = 0;
	has_left = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

/*
 * From now on, waiting in the queue of a relation for a lock that blocks
 * readers or writers is cancelled after about longest_ms.
 */
void
zdm_watch_begin(int longest_ms)
{
	static bool registered = false;
	int			every_ms = Max(longest_ms / LOOKS, 1);

	if (!registered)
		watch_timer = RegisterTimeout(USER_TIMEOUT, look);
	registered = true;
	looks_in_queue = 0;
	has_left = false;
	enable_timeout_every(watch_timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), every_ms), every_ms);
}

/* No more; true when a wait was cancelled. */
bool
zdm_watch_end(void)
{
	disable_timeout(watch_timer, false);
	if (has_left)
		QueryCancelPending = false;
	return has_left;
}

static void
look_for_deadlock(void)
{
	if (MyProc->waitLock != NULL)
		CheckDeadLockAlert();
}

/* From now on, a wait for a lock that is part of a deadlock errors with it. */
void
zdm_watch_deadlocks(void)
{
	static bool registered = false;

	if (!registered)
		deadlock_timer = RegisterTimeout(USER_TIMEOUT, look_for_deadlock);
	registered = true;
	enable_timeout_every(deadlock_timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DEADLOCK_LOOK_MS),
						 DEADLOCK_LOOK_MS);
}

/* No more. */
void
zdm_watch_deadlocks_end(void)
{
	disable_timeout(deadlock_timer, false);
}
