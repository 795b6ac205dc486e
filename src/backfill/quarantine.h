/*
 * quarantine.h
 *	  Rows that a backfill could not convert: zdm.quarantined_row.
 */
#ifndef ZDM_BACKFILL_QUARANTINE_H
#define ZDM_BACKFILL_QUARANTINE_H

#include "backfill/run.h"
#include "run/txn.h"

extern void zdm_quarantine_hold_back(ZdmBackfillRun *run, Oid leaf, Oid filenode);
extern void zdm_quarantine_load(ZdmBackfillRun *run);
extern ZdmVerdict zdm_quarantine_add(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row,
									 const ZdmError *cause, ZdmError **error);
extern bool zdm_quarantine_next(ZdmBackfillRun *run, Oid *leaf, ZdmRowVersion *row);
extern ZdmVerdict zdm_quarantine_remove(ZdmBackfillRun *run, Oid leaf, const ZdmRowVersion *row,
										ZdmError **error);

#endif							/* ZDM_BACKFILL_QUARANTINE_H */
