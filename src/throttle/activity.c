/*
 * activity.c
 *	  Signal: how many clients are at work.
 */
#include "postgres.h"

#include "access/transam.h"
#include "compat/compat.h"
#include "throttle/settings.h"
#include "throttle/signal.h"

/* weight of the newest look in the number of those at work */
#define LOOK_WEIGHT 0.2

/* Clients whose statement runs or waits for anything but its client; read without locks. */
static int
count_at_work(void)
{
	int			n = 0;

	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		volatile PGPROC *proc = &ProcGlobal->allProcs[i];

		if (TransactionIdIsValid(proc->xmin) && zdm_compat_is_client(proc) &&
			(proc->wait_event_info & 0xFF000000) != PG_WAIT_CLIENT)
			n++;
	}
	return n;
}

/* One more or less at one moment says little: smoothed. */
static void
read_active_backends(const ZdmSignalContext *context, ZdmReading *reading)
{
	static double smoothed = -1;
	int			n = count_at_work();

	smoothed = smoothed < 0 ? n : smoothed + (n - smoothed) * LOOK_WEIGHT;
	reading->value = smoothed;
}

const ZdmSignal zdm_signal_active_backends = {
	.name = "active_backends",
	.words = "statements of clients at work",
	.release = "fewer are at work",
	.unit = ZDM_SIGNAL_COUNT,
	.setting = &zdm_max_active_backends,
	.read = read_active_backends
};
