/*
 * mapped.h
 *	  A backfill that is told by a mapping what to assign.
 */
#ifndef ZDM_BACKFILL_MAPPED_H
#define ZDM_BACKFILL_MAPPED_H

#include "backfill/run.h"
#include "run/txn.h"

extern bool zdm_mapped_load(ZdmBackfillRun *run);
extern ZdmVerdict zdm_mapped_read(ZdmBackfillRun *run, Relation rel);

#endif							/* ZDM_BACKFILL_MAPPED_H */
