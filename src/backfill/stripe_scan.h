/*
 * stripe_scan.h
 *	  Reads the rows of one stripe of each page.
 */
#ifndef ZDM_BACKFILL_STRIPE_SCAN_H
#define ZDM_BACKFILL_STRIPE_SCAN_H

#include "backfill/statement.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct ZdmStripeScan ZdmStripeScan;

extern bool zdm_stripe_scan_can_read(Relation rel);
extern ZdmStripeScan *zdm_stripe_scan_begin(Relation rel, Snapshot snapshot,
											const ZdmRange *range, bool prune);
extern bool zdm_stripe_scan_next(ZdmStripeScan *scan, TupleTableSlot *slot);

#endif							/* ZDM_BACKFILL_STRIPE_SCAN_H */
