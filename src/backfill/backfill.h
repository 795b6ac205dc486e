/*
 * backfill.h
 *	  The kind of job "backfill": what the worker calls.
 */
#ifndef ZDM_BACKFILL_BACKFILL_H
#define ZDM_BACKFILL_BACKFILL_H

#include "job/kind.h"

extern ZdmRunOutcome zdm_backfill_run(const ZdmJob *job);

#endif							/* ZDM_BACKFILL_BACKFILL_H */
