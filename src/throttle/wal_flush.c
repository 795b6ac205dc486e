/*
 * wal_flush.c
 *	  Flushing a job's WAL before the application has to.
 *
 * Batches commit asynchronously, so a job may be far ahead of the disk.  A
 * commit of the application flushes all WAL before its own: it waits for what
 * the job has written since the last flush, and others wait for it.  So while
 * others flush, a job that has a certain amount unflushed flushes it itself.
 * Alone it leaves that to the WAL writer, which is faster.
 *
 * On a slow disk that would take most of the job's time and help little: a
 * flush then costs about the same whatever its size.  So its share is bounded.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "core/clock.h"
#include "core/settings.h"
#include "postmaster/walwriter.h"
#include "throttle/settings.h"
#include "throttle/signal.h"
#include "throttle/wal_flush.h"

/* after a commit of another process, others are taken to go on for so long */
#define OTHERS_MS 10.0

/* so long the time that the last flush took says something */
#define FLUSH_VALID_MS 2000.0

/* flushing takes at most one part in so many of the time */
#define FLUSH_TIME_DIVISOR 3

static XLogRecPtr flushed_seen; /* up to where WAL was on disk */
static instr_time others_at;	/* when somebody was seen to commit */
static instr_time flush_end;	/* of the last flush of ours */
static double flush_ms;			/* what it took */

/*
 * Another process has flushed up to here: the WAL writer, if it was as much as
 * it waits for, or a commit.
 */
static void
see_flush(XLogRecPtr flushed)
{
	if (flushed - flushed_seen < WalWriterFlushAfter * (uint64) XLOG_BLCKSZ)
		INSTR_TIME_SET_CURRENT(others_at);
	flushed_seen = flushed;
}

/* A page begun would be written once more: leave it. */
static void
flush_whole_pages(void)
{
	instr_time	start;

	INSTR_TIME_SET_CURRENT(start);
	XLogFlush(XactLastRecEnd - XactLastRecEnd % XLOG_BLCKSZ);
	INSTR_TIME_SET_CURRENT(flush_end);
	flush_ms = zdm_ms_since(start);
	flushed_seen = GetFlushRecPtr(NULL);
}

static void
flush_beyond(uint64 bytes)
{
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

	if (flushed != flushed_seen)
		see_flush(flushed);
	if (XactLastRecEnd > flushed + bytes &&
		zdm_ms_since(others_at) < OTHERS_MS &&
		zdm_ms_since(flush_end) >= flush_ms * (FLUSH_TIME_DIVISOR - 1))
		flush_whole_pages();
}

/*
 * Flush if others commit and the last record of this transaction is more than
 * zdm.wal_flush_after beyond what is on disk.  To be called where no lock of
 * shared memory is held.
 */
void
zdm_wal_flush_if_due(void)
{
	if (zdm_wal_flush_after > 0)
		flush_beyond(zdm_wal_flush_after * (uint64) 1024);
}

/*
 * The same, before the commit: the asynchronous commit wakes the WAL writer to
 * write what is left, for which the application's commits would wait, too.
 */
void
zdm_wal_flush_before_commit(void)
{
	if (zdm_wal_flush_after > 0)
		flush_beyond(zdm_wal_flush_after * (uint64) 1024 / 2);
}

/*
 * What a commit waits for is a flush of WAL: the last one of this process, as
 * long as it is recent.  Without one nothing is known, so that a job which was
 * held for it tries again.
 */
static void
read_commit_latency(const ZdmSignalContext *context, ZdmReading *reading)
{
	reading->unknown = flush_ms == 0 || zdm_ms_since(flush_end) > FLUSH_VALID_MS;
	reading->value = flush_ms;
}

const ZdmSignal zdm_signal_commit_latency = {
	.name = "commit_latency",
	.words = "a flush of WAL took",
	.release = "one is faster; the job tries every 2 s",
	.unit = ZDM_SIGNAL_MS,
	.setting = &zdm_max_commit_latency,
	.of_writes = true,
	.read = read_commit_latency
};
