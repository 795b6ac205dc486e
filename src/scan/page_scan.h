/*
 * page_scan.h
 *	  Reads all rows of a range of pages that a snapshot sees.
 */
#ifndef ZDM_SCAN_PAGE_SCAN_H
#define ZDM_SCAN_PAGE_SCAN_H

#include "access/htup_details.h"
#include "access/transam.h"
#include "compat/page_stream.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

/*
 * An instant, taken before a scan of a relation begins, by which a later scan
 * tells what that one has seen; lsn invalid: it cannot.
 */
typedef struct ZdmPageMark
{
	XLogRecPtr	lsn;
	FullTransactionId xid;		/* the oldest transaction at work then */
} ZdmPageMark;

typedef struct ZdmPageScan
{
	TupleTableSlot *slot;		/* the row returned last */

	Snapshot	snapshot;
	ZdmPageStream pages;
	Buffer		buffer;			/* the page whose rows are returned, pinned */
	BlockNumber block;			/* its number */
	ZdmPageMark mark;			/* rows seen since then are left out */
	HeapTupleData tuple;
	int			nrows;
	int			next_row;
	OffsetNumber rows[MaxHeapTuplesPerPage];	/* of that page, visible */
} ZdmPageScan;

extern ZdmPageScan *zdm_page_scan_begin(Relation rel, Snapshot snapshot,
										BlockNumber start, BlockNumber end);
extern void zdm_page_mark_now(Relation rel, ZdmPageMark *mark);
extern void zdm_page_scan_leave_out(ZdmPageScan *scan, const ZdmPageMark *mark);
extern bool zdm_page_scan_next_page(ZdmPageScan *scan);
extern bool zdm_page_scan_next_row(ZdmPageScan *scan);
extern void zdm_page_scan_end(ZdmPageScan *scan);

#endif							/* ZDM_SCAN_PAGE_SCAN_H */
