/*
 * replication.c
 *	  Signals: how far standbys are behind, and how much WAL slots retain.
 *
 * All streaming standbys count, or those whose application_name is in
 * zdm.required_standbys, or in the job's own list.  One that is named there and
 * not connected holds jobs, for no longer than zdm.required_standby_timeout:
 * whoever has removed it for good has to say so, but not in the middle of the
 * night.  A standby that catches up after it was away, and is not named, does
 * not count: it would hold every job for as long as that takes.
 *
 * Walsenders are read one by one under their spinlocks, slots under
 * ReplicationSlotControlLock: about 0.1 us.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "compat/replication.h"
#include "replication/slot.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "throttle/lag_clock.h"
#include "throttle/replication.h"
#include "throttle/settings.h"
#include "throttle/signal.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

typedef struct Standby
{
	pid_t		pid;
	WalSndState state;
	XLogRecPtr	apply;
	TimeOffset	apply_lag;		/* us; negative: not known */
} Standby;

/* ---------- standbys ---------- */

static bool
read_walsender(int i, Standby *standby)
{
	WalSnd	   *sender = &WalSndCtl->walsnds[i];

	SpinLockAcquire(&sender->mutex);
	standby->pid = sender->pid;
	standby->state = sender->state;
	standby->apply = sender->apply;
	standby->apply_lag = sender->applyLag;
	SpinLockRelease(&sender->mutex);
	return standby->pid != 0;
}

/* The names of those that are required, of char *. */
static List *
required_names(const ZdmSignalContext *context)
{
	const char *list = context->required_standbys ? context->required_standbys : zdm_required_standbys;
	List	   *names = NIL;

	if (list[0] != '\0')
		(void) SplitGUCList(pstrdup(list), ',', &names);
	return names;
}

/* The name, if it is in the list; it is taken out of *missing. */
static const char *
take_name(List **missing, pid_t pid)
{
	char	   *name = zdm_compat_application_name(pid);
	ListCell   *lc;

	foreach(lc, *missing)
	{
		if (name && strcmp(lfirst(lc), name) == 0)
		{
			*missing = foreach_delete_current(*missing, lc);
			return name;
		}
	}
	return NULL;
}

/* Of these names those that no standby has which is connected, in the current memory context. */
List *
zdm_replication_missing(List *names)
{
	List	   *missing = list_copy(names);
	Standby		standby;

	for (int i = 0; i < max_wal_senders && missing != NIL; i++)
	{
		if (read_walsender(i, &standby))
			(void) take_name(&missing, standby.pid);
	}
	return missing;
}

/* Is there a standby that must be there and is not?  Then the reading is closed, for a time. */
static void
read_required_standbys(const ZdmSignalContext *context, ZdmReading *reading)
{
	static TimestampTz since = 0;
	List	   *missing = zdm_replication_missing(required_names(context));

	reading->unknown = true;
	if (missing == NIL)
	{
		since = 0;
		return;
	}
	if (since == 0)
		since = GetCurrentTimestamp();
	reading->closed = !TimestampDifferenceExceeds(since, GetCurrentTimestamp(), zdm_required_standby_timeout * 1000);
	if (reading->closed)
		reading->detail = psprintf("standby \"%s\" is not connected; until it is, or zdm.required_standby_timeout is over",
								   (char *) linitial(missing));
}

const ZdmSignal zdm_signal_required_standbys = {
	.name = "required_standbys",
	.words = "required standbys",
	.unit = ZDM_SIGNAL_TEXT,
	.of_writes = true,
	.read = read_required_standbys
};

typedef double (*Measure) (const Standby *standby);

static void
read_standbys(const ZdmSignalContext *context, ZdmReading *reading, Measure measure)
{
	List	   *required = required_names(context);
	List	   *missing = list_copy(required);
	Standby		standby;
	bool		any = false;

	zdm_lag_clock_tick();
	for (int i = 0; i < max_wal_senders; i++)
	{
		const char *name = NULL;
		double		value;

		if (!read_walsender(i, &standby))
			continue;
		if (required ? (name = take_name(&missing, standby.pid)) == NULL : standby.state != WALSNDSTATE_STREAMING)
			continue;
		value = measure(&standby);
		if (any && value <= reading->value)
			continue;
		any = true;
		reading->value = value;
		reading->detail = psprintf("standby \"%s\"", name ? name : zdm_compat_application_name(standby.pid));
	}
	reading->unknown = !any;
}

/* What the server has measured says something as long as there is something to replay. */
static double
lag_ms(const Standby *standby)
{
	double		by_clock = zdm_lag_clock_ms(standby->apply);
	double		measured = standby->apply_lag > 0 && standby->apply < GetXLogInsertRecPtr() ? standby->apply_lag / 1000.0 : 0;

	return Max(by_clock, measured);
}

static double
lag_kb(const Standby *standby)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	return standby->apply < end ? (end - standby->apply) / 1024.0 : 0;
}

static void
read_replay_lag(const ZdmSignalContext *context, ZdmReading *reading)
{
	read_standbys(context, reading, lag_ms);
}

static void
read_replay_bytes(const ZdmSignalContext *context, ZdmReading *reading)
{
	read_standbys(context, reading, lag_kb);
}

const ZdmSignal zdm_signal_replay_lag = {
	.name = "replay_lag",
	.words = "replay lag",
	.release = "the standby catches up",
	.unit = ZDM_SIGNAL_MS,
	.setting = &zdm_max_replay_lag,
	.of_writes = true,
	.read = read_replay_lag
};

const ZdmSignal zdm_signal_replay_bytes = {
	.name = "replay_bytes",
	.words = "WAL not yet replayed",
	.release = "the standby catches up",
	.unit = ZDM_SIGNAL_KB,
	.setting = &zdm_max_replay_bytes,
	.of_writes = true,
	.read = read_replay_bytes
};

/* ---------- slots ---------- */

static void
see_slot(ReplicationSlot *slot, XLogRecPtr end, ZdmReading *reading)
{
	XLogRecPtr	restart;
	char		name[NAMEDATALEN];

	SpinLockAcquire(&slot->mutex);
	restart = slot->data.restart_lsn;
	strlcpy(name, NameStr(slot->data.name), sizeof(name));
	SpinLockRelease(&slot->mutex);
	if (XLogRecPtrIsInvalid(restart) || restart > end || (end - restart) / 1024.0 <= reading->value)
		return;
	reading->value = (end - restart) / 1024.0;
	reading->detail = psprintf("replication slot \"%s\"", name);
}

static void
read_slot_bytes(const ZdmSignalContext *context, ZdmReading *reading)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots; i++)
	{
		if (ReplicationSlotCtl->replication_slots[i].in_use)
			see_slot(&ReplicationSlotCtl->replication_slots[i], end, reading);
	}
	LWLockRelease(ReplicationSlotControlLock);
}

const ZdmSignal zdm_signal_slot_bytes = {
	.name = "slot_bytes",
	.words = "WAL retained",
	.release = "the consumer of the slot goes on, or the slot is dropped",
	.unit = ZDM_SIGNAL_KB,
	.setting = &zdm_max_slot_bytes,
	.of_writes = true,
	.read = read_slot_bytes
};
