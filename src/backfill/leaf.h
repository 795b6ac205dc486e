/*
 * leaf.h
 *	  The relations with storage that a target consists of.
 */
#ifndef ZDM_BACKFILL_LEAF_H
#define ZDM_BACKFILL_LEAF_H

#include "backfill/run.h"
#include "run/txn.h"
#include "scan/leaves.h"

extern Oid	zdm_leaf_next(Oid target, Oid after);
extern ZdmVerdict zdm_leaf_lock(ZdmBackfillRun *run, Oid leaf, Relation *rel);
extern ZdmVerdict zdm_leaf_open(ZdmBackfillRun *run, Oid leaf, Relation *rel);
extern int	zdm_leaf_stripes(ZdmBackfillRun *run, Relation rel);

#endif							/* ZDM_BACKFILL_LEAF_H */
