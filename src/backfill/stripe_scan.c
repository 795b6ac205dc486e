/*
 * stripe_scan.c
 *	  Reads the rows of one stripe of each page.
 *
 * A page is visited once for each stripe.  PostgreSQL's scan would look at
 * the visibility of every row on it each time and hand them all over; this
 * one looks at the line pointers of its stripe only, which makes a whole
 * backfill a tenth faster.  Otherwise it does to a page what heap's own scan
 * does: prune, then decide with the page share-locked, then return the rows
 * with the page pinned.
 *
 * Heap only: other access methods number their rows in other ways.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "backfill/stripe_scan.h"
#include "compat/heap.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

struct ZdmStripeScan
{
	Relation	rel;
	Snapshot	snapshot;
	const ZdmRange *range;
	bool		prune;
	BlockNumber next_block;
	BlockNumber end_block;		/* exclusive */
	Buffer		buffer;			/* the page whose rows are returned, pinned */
	HeapTupleData tuple;		/* the row returned last */
	int			nrows;
	int			next_row;
	OffsetNumber rows[MaxHeapTuplesPerPage];	/* of that page, visible */
};

/* Is it a table that zdm_stripe_scan_begin() takes? */
bool
zdm_stripe_scan_can_read(Relation rel)
{
	return rel->rd_tableam == GetHeapamTableAmRoutine();
}

/*
 * A scan of the rows of range's stripe that are visible to snapshot, in the
 * current memory context; the range is of whole pages.  With prune, each page
 * is pruned before it is read, if that is worth it.  range must last as long
 * as the scan.  There is no end: the pin goes with the last row, or with the
 * current resource owner.
 */
ZdmStripeScan *
zdm_stripe_scan_begin(Relation rel, Snapshot snapshot, const ZdmRange *range, bool prune)
{
	ZdmStripeScan *scan = palloc(sizeof(ZdmStripeScan));
	BlockNumber end = ItemPointerGetBlockNumberNoCheck(&range->to);

	Assert(IsMVCCSnapshot(snapshot));
	Assert(ItemPointerGetOffsetNumberNoCheck(&range->from) == 0 &&
		   ItemPointerGetOffsetNumberNoCheck(&range->to) == 0);
	scan->rel = rel;
	scan->snapshot = snapshot;
	scan->range = range;
	scan->prune = prune;
	scan->next_block = ItemPointerGetBlockNumberNoCheck(&range->from);
	scan->end_block = Min(end, RelationGetNumberOfBlocks(rel));
	scan->buffer = InvalidBuffer;
	scan->tuple.t_tableOid = RelationGetRelid(rel);
	scan->nrows = scan->next_row = 0;
	return scan;
}

static void
set_tuple(ZdmStripeScan *scan, Page page, OffsetNumber offset)
{
	ItemId		item = PageGetItemId(page, offset);

	scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	scan->tuple.t_len = ItemIdGetLength(item);
	ItemPointerSet(&scan->tuple.t_self, BufferGetBlockNumber(scan->buffer), offset);
}

/* The offsets of the stripe's rows that the snapshot sees; needs the page locked. */
static void
find_rows(ZdmStripeScan *scan)
{
	Page		page = BufferGetPage(scan->buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	int			stripes = scan->range->stripes;
	int			first = scan->range->stripe >= FirstOffsetNumber ? scan->range->stripe : stripes;

	for (int offset = first; offset <= last; offset += stripes)
	{
		if (!ItemIdIsNormal(PageGetItemId(page, offset)))
			continue;
		set_tuple(scan, page, offset);
		if (HeapTupleSatisfiesVisibility(&scan->tuple, scan->snapshot, scan->buffer))
			scan->rows[scan->nrows++] = offset;
	}
}

/* On to the next page; false after the last one. */
static bool
next_page(ZdmStripeScan *scan)
{
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	scan->buffer = InvalidBuffer;
	scan->nrows = scan->next_row = 0;
	if (scan->next_block >= scan->end_block)
		return false;

	CHECK_FOR_INTERRUPTS();
	scan->buffer = ReadBuffer(scan->rel, scan->next_block++);
	if (scan->prune)
		heap_page_prune_opt(scan->rel, scan->buffer);
	LockBuffer(scan->buffer, BUFFER_LOCK_SHARE);
	zdm_compat_test_for_old_snapshot(scan->snapshot, scan->rel, BufferGetPage(scan->buffer));
	find_rows(scan);
	LockBuffer(scan->buffer, BUFFER_LOCK_UNLOCK);
	return true;
}

/* Put the next row into slot, which keeps it pinned; false at the end. */
bool
zdm_stripe_scan_next(ZdmStripeScan *scan, TupleTableSlot *slot)
{
	while (scan->next_row == scan->nrows)
	{
		if (!next_page(scan))
			return false;
	}
	set_tuple(scan, BufferGetPage(scan->buffer), scan->rows[scan->next_row++]);
	ExecStoreBufferHeapTuple(&scan->tuple, slot, scan->buffer);
	return true;
}
