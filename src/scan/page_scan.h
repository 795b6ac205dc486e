/*
 * page_scan.h
 *	  Reads all rows of a range of pages that a snapshot sees.
 */
#ifndef ZDM_SCAN_PAGE_SCAN_H
#define ZDM_SCAN_PAGE_SCAN_H

#include "access/htup_details.h"
#include "compat/page_stream.h"
#include "executor/tuptable.h"
#include "utils/snapshot.h"

typedef struct ZdmPageScan
{
	TupleTableSlot *slot;		/* the row returned last */

	Snapshot	snapshot;
	ZdmPageStream pages;
	Buffer		buffer;			/* the page whose rows are returned, pinned */
	BlockNumber block;			/* its number */
	HeapTupleData tuple;
	int			nrows;
	int			next_row;
	OffsetNumber rows[MaxHeapTuplesPerPage];	/* of that page, visible */
} ZdmPageScan;

extern ZdmPageScan *zdm_page_scan_begin(Relation rel, Snapshot snapshot,
										BlockNumber start, BlockNumber end);
extern bool zdm_page_scan_next_page(ZdmPageScan *scan);
extern bool zdm_page_scan_next_row(ZdmPageScan *scan);
extern void zdm_page_scan_end(ZdmPageScan *scan);

#endif							/* ZDM_SCAN_PAGE_SCAN_H */
