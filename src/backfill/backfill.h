/*
 * backfill.h
 *	  The kind of job "backfill": what the worker calls.
 */
#ifndef ZDM_BACKFILL_BACKFILL_H
#define ZDM_BACKFILL_BACKFILL_H

#include "backfill/spec.h"
#include "job/kind.h"

extern ZdmRunOutcome zdm_backfill_run(const ZdmJob *job);
extern ZdmRunOutcome zdm_backfill_run_for(const ZdmJob *job, Oid target, const ZdmBackfillSpec *spec);
extern double zdm_backfill_expected_ms(double rows);	/* estimate.c */

#endif							/* ZDM_BACKFILL_BACKFILL_H */
