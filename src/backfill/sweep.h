/*
 * sweep.h
 *	  One pass over all leaves of the target.
 */
#ifndef ZDM_BACKFILL_SWEEP_H
#define ZDM_BACKFILL_SWEEP_H

#include "backfill/run.h"

extern bool zdm_sweep(ZdmBackfillRun *run);
extern void zdm_retry_quarantined(ZdmBackfillRun *run);

#endif							/* ZDM_BACKFILL_SWEEP_H */
