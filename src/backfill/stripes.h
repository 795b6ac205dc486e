/*
 * stripes.h
 *	  Windows and stripes: in which order the rows of a leaf are taken.
 */
#ifndef ZDM_BACKFILL_STRIPES_H
#define ZDM_BACKFILL_STRIPES_H

#include "backfill/run.h"
#include "backfill/batch.h"

extern void zdm_stripes_init(ZdmBackfillRun *run);
extern void zdm_stripes_begin_leaf(ZdmBackfillRun *run, int leaf_stripes);
extern bool zdm_stripes_begin_window(ZdmBackfillRun *run);
extern bool zdm_stripes_must_check_horizon(const ZdmBackfillRun *run);
extern bool zdm_stripes_wait_for_horizon(ZdmBackfillRun *run);
extern void zdm_stripes_after_batch(ZdmBackfillRun *run, const ZdmBatch *batch,
									int stripe_before, BlockNumber window_before);

#endif							/* ZDM_BACKFILL_STRIPES_H */
