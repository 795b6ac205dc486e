/*
 * page_scan.c
 *	  Reads all rows of a range of pages that a snapshot sees.
 *
 * What table_scan_getnextslot() does, but page by page, as a chunk ends
 * between two pages, and without what it costs for each row: a row is stored
 * into its slot without a pin of its own, since the scan has the page pinned as
 * long as its rows are looked at.  It does not prune: it only reads.
 *
 * A second scan may leave out what the first one has seen.  A mark is taken
 * before the first one begins: where the WAL ends then, and the oldest
 * transaction at work.  Every change of a page of a logged table is in the
 * WAL and leaves its end in the page.  So a page that was not written since
 * the mark was the same when the first scan read it; and a row on it whose
 * inserter had ended before the mark was visible to that scan's snapshots, if
 * it is visible to this one's: it was seen, as it is now.  (A new relfilenumber
 * is another table: whoever keeps a mark has to compare that.)
 *
 * Heap only.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/xlog.h"
#include "compat/heap.h"
#include "miscadmin.h"
#include "scan/page_scan.h"
#include "storage/bufmgr.h"
#include "throttle/yield.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#ifdef HAVE__BUILTIN_CONSTANT_P
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address) ((void) (address))
#endif

/* what they take, with what is done for each row; estimates */
#define PAGE_NS 500
#define ROW_NS 50

/*
 * A scan of the pages from start up to end, exclusive, in the current memory
 * context; rel is locked, and the snapshot is registered or active.  A large
 * table goes through a ring of a few buffers, so that a cold one does not push
 * everything else out of shared buffers.
 */
ZdmPageScan *
zdm_page_scan_begin(Relation rel, Snapshot snapshot, BlockNumber start, BlockNumber end)
{
	ZdmPageScan *scan = palloc0(sizeof(ZdmPageScan));

	Assert(IsMVCCSnapshot(snapshot));
	scan->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	scan->snapshot = snapshot;
	scan->pages.rel = rel;
	scan->pages.next = start;
	scan->pages.end = end;
	if (RelationGetNumberOfBlocks(rel) > (BlockNumber) NBuffers / 4)
		scan->pages.strategy = GetAccessStrategy(BAS_BULKREAD);
	zdm_compat_page_stream_begin(&scan->pages);
	scan->buffer = InvalidBuffer;
	scan->block = InvalidBlockNumber;
	scan->tuple.t_tableOid = scan->slot->tts_tableOid = RelationGetRelid(rel);
	return scan;
}

static void
leave_page(ZdmPageScan *scan)
{
	ExecClearTuple(scan->slot);
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
	scan->nrows = scan->next_row = 0;
}

/*
 * A mark of now; rel is locked.  None where pages do not say when they were
 * written.
 */
void
zdm_page_mark_now(Relation rel, ZdmPageMark *mark)
{
	TransactionId oldest = GetLatestSnapshot()->xmin;
	FullTransactionId next = ReadNextFullTransactionId();

	mark->lsn = RelationNeedsWAL(rel) ? GetXLogInsertRecPtr() : InvalidXLogRecPtr;
	mark->xid = FullTransactionIdFromU64(U64FromFullTransactionId(next) -
										 (uint32) (XidFromFullTransactionId(next) - oldest));
}

/*
 * Leave out the rows that a complete scan of the same storage has seen, before
 * which the mark was taken.  A mark too old to compare with changes nothing.
 */
void
zdm_page_scan_leave_out(ZdmPageScan *scan, const ZdmPageMark *mark)
{
	uint64		age = U64FromFullTransactionId(ReadNextFullTransactionId()) -
	U64FromFullTransactionId(mark->xid);

	if (age < MaxTransactionId / 4)
		scan->mark = *mark;
}

static inline void
set_tuple(ZdmPageScan *scan, Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);

	scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	scan->tuple.t_len = ItemIdGetLength(item);
	ItemPointerSet(&scan->tuple.t_self, scan->block, offset);
}

/* Has the scan before the mark seen the row, on a page not written since? */
static inline bool
is_seen(const ZdmPageScan *scan)
{
	HeapTupleHeader header = scan->tuple.t_data;

	return HeapTupleHeaderXminFrozen(header) ||
		TransactionIdPrecedes(HeapTupleHeaderGetRawXmin(header), XidFromFullTransactionId(scan->mark.xid));
}

/*
 * The offsets of the rows that the snapshot sees; needs the page locked.
 * Where all are visible nothing touches them yet, so the processor is asked
 * for them: each would be waited for by itself later on.
 */
static void
find_rows(ZdmPageScan *scan)
{
	Page		page = BufferGetPage(scan->buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	bool		all_visible = PageIsAllVisible(page) && !scan->snapshot->takenDuringRecovery;
	bool		unchanged = !XLogRecPtrIsInvalid(scan->mark.lsn) &&
	BufferGetLSNAtomic(scan->buffer) <= scan->mark.lsn;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);

		if (!ItemIdIsNormal(item))
			continue;
		if (unchanged)
		{
			set_tuple(scan, page, offset);
			if (is_seen(scan))
				continue;
		}
		if (all_visible)
			PREFETCH(PageGetItem(page, item));
		else
		{
			set_tuple(scan, page, offset);
			if (!HeapTupleSatisfiesVisibility(&scan->tuple, scan->snapshot, scan->buffer))
				continue;
		}
		scan->rows[scan->nrows++] = offset;
	}
}

/* On to the next page, scan->block; false after the last one. */
bool
zdm_page_scan_next_page(ZdmPageScan *scan)
{
	(void) zdm_yield_after(PAGE_NS + scan->nrows * ROW_NS);
	leave_page(scan);
	CHECK_FOR_INTERRUPTS();
	scan->buffer = zdm_compat_page_stream_next(&scan->pages);
	if (!BufferIsValid(scan->buffer))
		return false;
	scan->block = BufferGetBlockNumber(scan->buffer);
	LockBuffer(scan->buffer, BUFFER_LOCK_SHARE);
	zdm_compat_test_for_old_snapshot(scan->snapshot, scan->pages.rel, BufferGetPage(scan->buffer));
	find_rows(scan);
	LockBuffer(scan->buffer, BUFFER_LOCK_UNLOCK);
	return true;
}

/* ExecStoreHeapTuple(), without three calls for each row. */
static inline void
store_tuple(ZdmPageScan *scan)
{
	TupleTableSlot *slot = scan->slot;

	if (TTS_SHOULDFREE(slot))
		ExecClearTuple(slot);
	((HeapTupleTableSlot *) slot)->tuple = &scan->tuple;
	((HeapTupleTableSlot *) slot)->off = 0;
	slot->tts_nvalid = 0;
	slot->tts_flags &= ~TTS_FLAG_EMPTY;
	slot->tts_tid = scan->tuple.t_self;
}

/*
 * Put the page's next row into scan->slot; false after its last one.  The slot
 * points into the page: it lasts until the next row or page.
 */
bool
zdm_page_scan_next_row(ZdmPageScan *scan)
{
	if (scan->next_row == scan->nrows)
		return false;
	set_tuple(scan, BufferGetPage(scan->buffer), scan->rows[scan->next_row++]);
	store_tuple(scan);
	return true;
}

/* Locks stay. */
void
zdm_page_scan_end(ZdmPageScan *scan)
{
	leave_page(scan);
	zdm_compat_page_stream_end(&scan->pages);
	if (scan->pages.strategy)
		FreeAccessStrategy(scan->pages.strategy);
	ExecDropSingleTupleTableSlot(scan->slot);
	pfree(scan);
}
