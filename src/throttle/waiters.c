/*
 * waiters.c
 *	  Signal: whether others wait for rows that this process has written.
 *
 * Who wants a row that a transaction has written waits for the transaction's
 * own lock, which every transaction with an id holds and which is in the shared
 * table: so that the question is safe to ask there.  (Of a weak lock on a table
 * it is not: these are not in the shared table, and LockHasWaiters() would
 * follow a null pointer.)
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "throttle/settings.h"
#include "throttle/signal.h"
#include "throttle/waiters.h"

/* weight of the newest transaction in the share of those waited for */
#define LOOK_WEIGHT 0.05

static bool last = false;
static double share = 0;		/* of the transactions, smoothed */

/* Before a commit: does anybody wait for it?  About 50 ns. */
void
zdm_waiters_look(void)
{
	TransactionId xid = GetTopTransactionIdIfAny();
	LOCKTAG		tag;

	if (!TransactionIdIsValid(xid))
		return;
	SET_LOCKTAG_TRANSACTION(tag, xid);
	last = LockHasWaiters(&tag, ExclusiveLock, false);
	share += ((last ? 1 : 0) - share) * LOOK_WEIGHT;
}

/* Did anybody wait for the last one?  Says it once. */
bool
zdm_waiters_last(void)
{
	bool		result = last;

	last = false;
	return result;
}

/* While the job is held nobody waits for it: each look takes some of the share away. */
static void
read_waiters(const ZdmSignalContext *context, ZdmReading *reading)
{
	if (context->is_held)
		share *= 1 - LOOK_WEIGHT;
	reading->value = share * 100;
}

const ZdmSignal zdm_signal_lock_waiters = {
	.name = "lock_waiters",
	.words = "share of the job's transactions that others waited for",
	.release = "a moment has passed",
	.unit = ZDM_SIGNAL_PERCENT,
	.setting = &zdm_max_lock_waits,
	.of_writes = true,
	.read = read_waiters
};
