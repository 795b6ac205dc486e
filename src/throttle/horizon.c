/*
 * horizon.c
 *	  Signal: for how long the xmin horizon has stood still.
 *
 * While it does, nothing that the job leaves behind can be cleaned up, and
 * every update costs a new page.  It stands still when a transaction, a slot,
 * a standby or a prepared transaction holds it, and transactions begin beyond
 * it.  Who that is, is asked for only when the job is held: by the frame.
 */
#include "postgres.h"

#include "access/transam.h"
#include "core/clock.h"
#include "storage/procarray.h"
#include "throttle/settings.h"
#include "throttle/signal.h"

static void
read_horizon(const ZdmSignalContext *context, ZdmReading *reading)
{
	static TransactionId seen = InvalidTransactionId;
	static instr_time seen_at;
	TransactionId horizon = GetOldestNonRemovableTransactionId(NULL);
	TransactionId next = XidFromFullTransactionId(ReadNextFullTransactionId());

	if (horizon != seen || !TransactionIdPrecedes(horizon, next))
	{
		seen = horizon;
		INSTR_TIME_SET_CURRENT(seen_at);
	}
	reading->value = zdm_ms_since(seen_at);
}

const ZdmSignal zdm_signal_horizon = {
	.name = "xmin_horizon",
	.words = "the xmin horizon has not moved",
	.release = "whoever holds it ends",
	.unit = ZDM_SIGNAL_MS,
	.setting = &zdm_max_horizon_age,
	.of_writes = true,
	.read = read_horizon
};
