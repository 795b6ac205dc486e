/*
 * scan.h
 *	  The scan under a batch.
 */
#ifndef ZDM_BACKFILL_SCAN_H
#define ZDM_BACKFILL_SCAN_H

#include "backfill/statement.h"
#include "executor/execdesc.h"

extern void zdm_scan_install(QueryDesc *desc, const ZdmRange *range);

#endif							/* ZDM_BACKFILL_SCAN_H */
