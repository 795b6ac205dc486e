/*
 * lock.c
 *	  Strong locks without stalling anyone: the lock policy, and the one timer
 *	  over what is done under a strong lock.
 *
 * Whoever waits in the lock queue of a table stalls all who come after it.  So
 * one looks first, every POLL_MS, and takes all locks at once when all are
 * free: that stalls nobody.  Where short transactions always overlap, this
 * never happens; so after POLL_ONLY_MS the first blocked lock is waited for in
 * the queue, but only while every holder's transaction is young enough to end
 * within the wait, each time for a longer budget, and with pauses of many
 * times the budget between.  Behind an old transaction it never waits in the
 * queue, however long that takes.
 *
 * An attempt is one transaction: locks, the body, commit.  One timer runs from
 * before the first lock to the end, because to the application it is all the
 * same why it stands still: waiting in the queue, waiting for locks that the
 * statement takes besides the targets, a scan that nobody expected.
 *
 * The commit does not wait for standbys, since locks are held until it
 * returns.  The transaction that later makes the job done does, and with it
 * everything before it in the WAL.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/settings.h"
#include "ddl/holders.h"
#include "ddl/lock.h"
#include "ddl/wait.h"
#include "miscadmin.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define POLL_MS 10.0
#define POLL_ONLY_MS 100.0
#define LOOK_FACTOR 10			/* a look costs no more than a tenth of the
								 * time between two */
#define ORDERS_MS 250.0
#define YOUNG_MS 500.0			/* holders younger than this may be waited for */
#define YOUNG_FACTOR 10			/* ... or than this many budgets */
#define SHORT_BUDGET_MS 40		/* up to here the pause is PAUSE_FACTOR
								 * budgets */
#define PAUSE_FACTOR 10
#define LONG_PAUSE_FACTOR 100
#define MAX_STALLS 4			/* rolled back by the timer this often: failed */
#define LONGEST_STALL_PAUSE_MS 60000.0

/* waits in the queue, one after the other; the last is zdm.lock_timeout */
static const int budgets[] = {10, 20, 40, 80, 0};

/* the tries to get through with one body */
typedef struct Attempts
{
	ZdmRun	   *run;
	List	   *targets;
	ZdmDdlBody	body;
	void	   *arg;
	int			stall_ms;
	int64		deadline_ms;
	double		waited_before_ms;	/* of the deadline, as the call began */

	instr_time	start;
	double		queue_at;		/* ms from start: not into the queue before */
	double		again_at;		/* ms from start: no attempt before */
	double		orders_at;		/* ms from start: orders are read then */
	int			step;			/* of the budgets */
	int			stalls;			/* rolled back by the timer */
	double		look_ms;		/* what the last look has cost */

	/* of this attempt */
	int			queue_for;		/* index of the target to wait for in the
								 * queue, -1: none */
	bool		locked;			/* it has got all targets */
	int			refused;		/* index of the target that it could not lock
								 * although nobody holds it: somebody waits
								 * for more; -1: none */
} Attempts;

/* Allocate a target, for a list. */
ZdmLockTarget *
zdm_lock_target(Oid relid, LOCKMODE mode)
{
	ZdmLockTarget *target = palloc(sizeof(ZdmLockTarget));

	target->relid = relid;
	target->mode = mode;
	return target;
}

/* Is every lock needed among targets, as strong or stronger? */
bool
zdm_lock_covers(List *targets, List *needed)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, needed)
	{
		const ZdmLockTarget *need = lfirst(lc);
		bool		found = false;

		foreach(lc2, targets)
		{
			const ZdmLockTarget *target = lfirst(lc2);

			found = found || (target->relid == need->relid && target->mode >= need->mode);
		}
		if (!found)
			return false;
	}
	return true;
}

static int
budget_ms(const Attempts *attempts)
{
	int			budget = budgets[attempts->step];

	return budget == 0 ? zdm_lock_timeout : Min(budget, zdm_lock_timeout);
}

/* SHARE and what is stronger blocks readers or writers of a table. */
static bool
blocks_someone(List *targets)
{
	ListCell   *lc;

	foreach(lc, targets)
	{
		if (((ZdmLockTarget *) lfirst(lc))->mode >= ShareLock)
			return true;
	}
	return targets == NIL;		/* it is not known what is locked */
}

/* ---------- one attempt ---------- */

static void
pin_lock_settings(int budget)
{
	char		ms[16];

	pg_ltoa(budget, ms);
	zdm_pin_setting("lock_timeout", ms);
	/* before the wait is over, an autovacuum in the way is cancelled by it */
	pg_ltoa(Max(budget / 2, 1), ms);
	zdm_pin_setting("deadlock_timeout", ms);
	zdm_pin_setting("synchronous_commit", "local");
}

/*
 * Lock all targets, or none that outlives the transaction.  The one to wait
 * for comes first, so that nothing is held during the wait.
 */
static bool
lock_targets(Attempts *attempts)
{
	ListCell   *lc;

	if (attempts->queue_for >= 0)
	{
		const ZdmLockTarget *target = list_nth(attempts->targets, attempts->queue_for);

		LockRelationOid(target->relid, target->mode);
	}
	foreach(lc, attempts->targets)
	{
		const ZdmLockTarget *target = lfirst(lc);

		if (foreach_current_index(lc) != attempts->queue_for &&
			!ConditionalLockRelationOid(target->relid, target->mode))
		{
			attempts->refused = foreach_current_index(lc);
			return false;
		}
	}
	return true;
}

/* Body of zdm_txn(). */
static ZdmVerdict
attempt_body(ZdmRun *run, void *arg)
{
	Attempts   *attempts = arg;

	pin_lock_settings(budget_ms(attempts));
	if (!lock_targets(attempts))
		return ZDM_BUSY;
	attempts->locked = true;
	return attempts->body(run, attempts->arg);
}

static ZdmVerdict
attempt(Attempts *attempts, int queue_for, ZdmError **error)
{
	attempts->queue_for = queue_for;
	attempts->locked = false;
	attempts->refused = -1;
	return zdm_txn(attempts->run, attempts->stall_ms, attempt_body, attempts, error);
}

/* ---------- between attempts ---------- */

/* Others have waited behind us: leave them alone for long enough. */
static void
rest_from_queue(Attempts *attempts)
{
	int			budget = budget_ms(attempts);
	int			factor = budget <= SHORT_BUDGET_MS ? PAUSE_FACTOR : LONG_PAUSE_FACTOR;

	attempts->queue_at = zdm_ms_since(attempts->start) + (double) budget * factor;
	if (attempts->locked)
		attempts->again_at = attempts->queue_at;
	if (attempts->step < lengthof(budgets) - 1)
		attempts->step++;
}

/* May one wait in the queue behind these holders now? */
static bool
may_queue(const Attempts *attempts, const ZdmHolders *holders)
{
	return !holders->lasting &&
		zdm_ms_since(attempts->start) >= attempts->queue_at &&
		holders->oldest_ms <= Max(YOUNG_MS, (double) YOUNG_FACTOR * budget_ms(attempts));
}

static ZdmVerdict
fail_at_deadline(Attempts *attempts, ZdmError **error)
{
	ZdmRun	   *run = attempts->run;
	ZdmHolders	holders;
	const char *who = "locks that come and go";

	zdm_holders_look(attempts->targets, &holders);
	if (holders.first_blocked >= 0)
		who = zdm_holders_describe(run, list_nth(attempts->targets, holders.first_blocked));
	*error = zdm_error_make(run->batch_mcxt, ERRCODE_LOCK_NOT_AVAILABLE,
							"End what is in the way, or choose another time, and use zdm.retry_job(); zdm.ddl_deadline sets how long to try.",
							"could not get its locks within %.3g s, waiting for %s",
							attempts->deadline_ms / 1000.0, who);
	return ZDM_FAILED;
}

/* The timer has rolled it back; false when that was the last try. */
static bool
rest_from_stall(Attempts *attempts)
{
	double		factor = PAUSE_FACTOR;

	attempts->stalls++;
	for (int i = 1; i < attempts->stalls; i++)
		factor *= 3;
	if (attempts->stalls >= MAX_STALLS)
		return false;
	zdm_note_event(attempts->run, "rolled back",
				   psprintf("it held its lock for more than zdm.max_stall (%d ms)", attempts->stall_ms));
	zdm_say_waiting(attempts->run, "a pause after the work under its lock took longer than zdm.max_stall");
	return zdm_pause(attempts->run, Min(attempts->stall_ms * factor, LONGEST_STALL_PAUSE_MS));
}

static ZdmVerdict
fail_of_stalls(Attempts *attempts, ZdmError **error)
{
	*error = zdm_error_make(attempts->run->batch_mcxt, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"Statements that scan or rewrite a table have forms that do it in small pieces: zdm.add_check, zdm.set_not_null, zdm.create_index, zdm.start_backfill. Where a longer stall is no harm, raise zdm.max_stall and use zdm.retry_job().",
							"the work under its lock takes longer than zdm.max_stall (%d ms); it was rolled back %d times",
							attempts->stall_ms, attempts->stalls);
	return ZDM_FAILED;
}

/* What an attempt that did not get through asks for. */
typedef enum NextMove
{
	MOVE_RETURN,				/* the verdict is the caller's */
	MOVE_AGAIN
} NextMove;

static NextMove
next_move(Attempts *attempts, ZdmVerdict *verdict, ZdmError **error)
{
	switch (*verdict)
	{
		case ZDM_BUSY:
			if (attempts->queue_for >= 0)
				rest_from_queue(attempts);
			return MOVE_AGAIN;
		case ZDM_ROWS_LOCKED:
			rest_from_queue(attempts);
			if (attempts->locked)
				zdm_say_waiting(attempts->run,
								"a lock that the statement takes besides those on its tables (see pg_locks)");
			return MOVE_AGAIN;
		case ZDM_TOO_LONG:
			if (rest_from_stall(attempts))
				return MOVE_AGAIN;
			if (!attempts->run->ended)
				*verdict = fail_of_stalls(attempts, error);
			return MOVE_RETURN;
		case ZDM_ROW_ERROR:
			*verdict = ZDM_FAILED;
			return MOVE_RETURN;
		case ZDM_STOP:
		case ZDM_CANCELLED:
		case ZDM_NO_RESOURCE:
			return zdm_verdict_try_again(attempts->run, InvalidOid, *verdict, *error) ?
				MOVE_AGAIN : MOVE_RETURN;
		default:
			return MOVE_RETURN;
	}
}

/* Wait for the next poll; false when the run has ended. */
static bool
poll_pause(Attempts *attempts)
{
	ZdmRun	   *run = attempts->run;

	double		ms = Max(POLL_MS, attempts->look_ms * LOOK_FACTOR);

	if (!zdm_pause(run, ms * (0.8 + 0.4 * pg_prng_double(&pg_global_prng_state))))
		return false;
	if (zdm_ms_since(attempts->start) >= attempts->orders_at)
	{
		zdm_pause_read_orders(run);
		attempts->orders_at = zdm_ms_since(attempts->start) + ORDERS_MS;
		MemoryContextReset(run->batch_mcxt);
	}
	return !run->ended;
}

/*
 * Free targets are taken at once; but when the statement could not get a lock
 * that it takes besides them, they were held for the time of a budget, and
 * that wants the same rest.
 */
static bool
try_now(Attempts *attempts, const ZdmHolders *holders)
{
	if (zdm_ms_since(attempts->start) < attempts->again_at)
		return false;
	return holders->first_blocked < 0 || may_queue(attempts, holders);
}

/* Many partitions and many sessions make it slow. */
static void
look(Attempts *attempts, ZdmHolders *holders)
{
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	zdm_holders_look(attempts->targets, holders);
	attempts->look_ms = zdm_ms_since(start);
}

static bool
deadline_has_passed(const Attempts *attempts, double waited_ms)
{
	return attempts->deadline_ms > 0 && attempts->waited_before_ms + waited_ms >= attempts->deadline_ms;
}

/* After a look at which it could not go on.  False: *verdict says why it ends. */
static bool
wait_for_next_look(Attempts *attempts, ZdmLockWait *wait, const ZdmHolders *holders,
				   ZdmVerdict *verdict, ZdmError **error)
{
	double		waited = zdm_ms_since(attempts->start);
	int			blocked = holders->first_blocked >= 0 ? holders->first_blocked : attempts->refused;

	if (deadline_has_passed(attempts, waited))
	{
		*verdict = fail_at_deadline(attempts, error);
		return false;
	}
	if (blocked >= 0)
		zdm_lock_wait_tell(wait, waited, list_nth(attempts->targets, blocked));
	*verdict = ZDM_STOP;
	return !attempts->run->ended && poll_pause(attempts);
}

static ZdmVerdict
try_until_done(Attempts *attempts, ZdmError **error)
{
	ZdmLockWait wait;
	ZdmVerdict	verdict;
	ZdmHolders	holders;

	zdm_lock_wait_init(&wait, attempts->run);
	do
	{
		look(attempts, &holders);
		if (try_now(attempts, &holders))
		{
			verdict = attempt(attempts, holders.first_blocked, error);
			if (next_move(attempts, &verdict, error) == MOVE_RETURN)
				break;
		}
	} while (wait_for_next_look(attempts, &wait, &holders, &verdict, error));
	zdm_lock_wait_over(&wait);
	return verdict;
}

static ZdmVerdict
wait_for_old(Attempts *attempts, ZdmError **error)
{
	ZdmLockWait wait;
	ZdmVerdict	verdict = ZDM_DONE;
	ZdmHolders	holders;

	zdm_lock_wait_init(&wait, attempts->run);
	do
	{
		look(attempts, &holders);
		if (!holders.lasting && holders.oldest_ms <= YOUNG_MS)
		{
			verdict = ZDM_DONE;
			break;
		}
	} while (wait_for_next_look(attempts, &wait, &holders, &verdict, error));
	zdm_lock_wait_over(&wait);
	return verdict;
}

static void
begin_attempts(Attempts *attempts, const ZdmLockOptions *options)
{
	attempts->stall_ms = options->stall_ms;
	if (options->stall_ms < 0)
		attempts->stall_ms = blocks_someone(attempts->targets) ? zdm_max_stall : 0;
	attempts->deadline_ms = options->deadline_ms < 0 ? (int64) zdm_ddl_deadline * 1000 : options->deadline_ms;
	if (options->since != 0)
		attempts->waited_before_ms = Max(GetCurrentTimestamp() - options->since, 0) / 1000.0;
	attempts->refused = -1;
	attempts->queue_at = POLL_ONLY_MS;
	attempts->orders_at = ORDERS_MS;
	INSTR_TIME_SET_CURRENT(attempts->start);
}

/*
 * As zdm_ddl_locked(), with a cap and a deadline of the caller's.
 */
ZdmVerdict
zdm_ddl_locked_with(ZdmRun *run, const ZdmLockOptions *options, List *targets,
					ZdmDdlBody body, void *arg, ZdmError **error)
{
	Attempts	attempts = {.run = run,.targets = targets,.body = body,.arg = arg};

	begin_attempts(&attempts, options);
	return try_until_done(&attempts, error);
}

/*
 * Wait until no old transaction has a lock that conflicts with a target's, so
 * that who now locks them in the queue does not wait long.  Locks nothing.
 * ZDM_DONE, or ZDM_STOP and ZDM_FAILED as zdm_ddl_locked(); of options, only
 * the deadline counts.
 */
ZdmVerdict
zdm_ddl_wait_for_old(ZdmRun *run, const ZdmLockOptions *options, List *targets, ZdmError **error)
{
	Attempts	attempts = {.run = run,.targets = targets};

	begin_attempts(&attempts, options);
	return wait_for_old(&attempts, error);
}

/*
 * Run body in a transaction of its own as run->owner with all targets locked,
 * as often as it takes, and commit locally.  Called outside of any
 * transaction; targets live in run->run_mcxt.
 *
 * Returns what body returned when its transaction is committed.  ZDM_STOP:
 * the run has ended (paused, cancelled, the process has to leave), and there
 * is nothing left to do for the caller.  ZDM_FAILED: *error, in
 * run->batch_mcxt, is the error of the body, or that of the policy: the
 * deadline has passed (LOCK_NOT_AVAILABLE), or the timer has rolled it back
 * too often (CONFIGURATION_LIMIT_EXCEEDED); the caller decides whether that
 * ends the run.  Lock timeouts, deadlocks, serialization failures and
 * exhausted resources are tried again.
 *
 * No timer runs when all targets have modes weaker than SHARE.  The deadline
 * counts from the call; however late that is, there is one try.  Rights on the targets are the caller's to check
 * before.
 */
ZdmVerdict
zdm_ddl_locked(ZdmRun *run, List *targets, ZdmDdlBody body, void *arg, ZdmError **error)
{
	ZdmLockOptions options = {.stall_ms = -1,.deadline_ms = -1};

	return zdm_ddl_locked_with(run, &options, targets, body, arg, error);
}
