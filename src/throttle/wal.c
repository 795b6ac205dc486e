/*
 * wal.c
 *	  Signals: how fast WAL is written, how near the next forced checkpoint is,
 *	  and how much the archiver is behind.
 *
 * Rates are those of the last second, smoothed.
 */
#include "postgres.h"

#include <math.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "core/clock.h"
#include "postmaster/bgwriter.h"
#include "pgstat.h"
#include "throttle/settings.h"
#include "throttle/signal.h"
#include "utils/timestamp.h"

/* ms after which half of a smoothed rate is new */
#define RATE_HALF_LIFE_MS 1000.0

/* ms between two looks at the end of the WAL */
#define RATE_SAMPLE_MS 50.0

/* ---------- rates ---------- */

/* kB/s that all have written lately; negative when this process has not looked long enough. */
static double
cluster_kb_per_second(void)
{
	static XLogRecPtr seen = InvalidXLogRecPtr;
	static instr_time seen_at;
	static double rate = -1;
	XLogRecPtr	end = GetXLogInsertRecPtr();
	double		ms;
	double		now;

	if (XLogRecPtrIsInvalid(seen))
	{
		seen = end;
		INSTR_TIME_SET_CURRENT(seen_at);
		return rate;
	}
	ms = zdm_ms_since(seen_at);
	if (ms < RATE_SAMPLE_MS)
		return rate;
	now = (end - seen) / 1024.0 / ms * 1000;
	rate = rate < 0 ? now : rate + (now - rate) * (1 - pow(0.5, ms / RATE_HALF_LIFE_MS));
	seen = end;
	INSTR_TIME_SET_CURRENT(seen_at);
	return rate;
}

static void
read_wal_rate(const ZdmSignalContext *context, ZdmReading *reading)
{
	reading->value = cluster_kb_per_second();
	reading->unknown = reading->value < 0;
}

static void
read_own_wal_rate(const ZdmSignalContext *context, ZdmReading *reading)
{
	reading->value = context->own_wal_kb_per_second;
	reading->unknown = reading->value < 0;
}

const ZdmSignal zdm_signal_wal_rate = {
	.name = "wal_rate",
	.words = "WAL written by all",
	.release = "less is written",
	.unit = ZDM_SIGNAL_KB_PER_SECOND,
	.setting = &zdm_max_wal_rate,
	.of_writes = true,
	.read = read_wal_rate
};

const ZdmSignal zdm_signal_own_wal_rate = {
	.name = "own_wal_rate",
	.words = "WAL written by the job",
	.release = "a moment passes",
	.unit = ZDM_SIGNAL_KB_PER_SECOND,
	.setting = &zdm_max_own_wal_rate,
	.of_writes = true,
	.read = read_own_wal_rate
};

/* ---------- checkpoints ---------- */

/*
 * How much of what may be written between two checkpoints has been.  A
 * checkpoint is forced when 1 / (1 + checkpoint_completion_target) of
 * max_wal_size is full: CalculateCheckpointSegments().
 */
static void
read_checkpoint(const ZdmSignalContext *context, ZdmReading *reading)
{
	double		distance = GetXLogInsertRecPtr() - GetRedoRecPtr();
	double		room = max_wal_size_mb * 1024.0 * 1024.0 / (1.0 + CheckPointCompletionTarget);

	reading->value = distance / room * 100;
}

const ZdmSignal zdm_signal_checkpoint = {
	.name = "checkpoint",
	.words = "WAL since the last checkpoint",
	.release = "a checkpoint has begun",
	.unit = ZDM_SIGNAL_PERCENT,
	.setting = &zdm_max_checkpoint_distance,
	.of_writes = true,
	.read = read_checkpoint
};

/* ---------- archiver ---------- */

/* Is it the name of a segment, and not of a history or of a backup's label? */
static bool
is_segment(const char *name)
{
	return strlen(name) == XLOG_FNAME_LEN && strspn(name, "0123456789ABCDEF") == XLOG_FNAME_LEN;
}

/*
 * Segments that are complete and not archived.  Nothing archived yet says
 * nothing, but for a failure.
 */
static void
read_archiver(const ZdmSignalContext *context, ZdmReading *reading)
{
	PgStat_ArchiverStats *stats;
	XLogSegNo	current;
	XLogSegNo	archived;
	TimeLineID	tli;

	reading->unknown = true;
	if (!XLogArchivingActive())
		return;
	pgstat_clear_snapshot();
	stats = pgstat_fetch_stat_archiver();
	if (stats->failed_count > 0 && stats->last_failed_timestamp > stats->last_archived_timestamp)
		reading->detail = psprintf("%s could not be archived", stats->last_failed_wal);
	if (!is_segment(stats->last_archived_wal))
		return;
	XLogFromFileName(stats->last_archived_wal, &tli, &archived, wal_segment_size);
	XLByteToSeg(GetXLogInsertRecPtr(), current, wal_segment_size);
	reading->unknown = false;
	reading->value = current > archived + 1 ? (double) (current - archived - 1) : 0;
}

const ZdmSignal zdm_signal_archiver = {
	.name = "archive_backlog",
	.words = "segments of WAL not archived",
	.release = "the archiver catches up",
	.unit = ZDM_SIGNAL_COUNT,
	.setting = &zdm_max_archive_backlog,
	.of_writes = true,
	.read = read_archiver
};
