/*
 * verify.h
 *	  The kind of job "verify": what the worker calls, and a recipe.
 */
#ifndef ZDM_VERIFY_VERIFY_H
#define ZDM_VERIFY_VERIFY_H

#include "job/kind.h"

extern ZdmRunOutcome zdm_verify_run(const ZdmJob *job);
extern ZdmRunOutcome zdm_verify_run_for(const ZdmJob *job, Oid target, int64 mapping_id);

#endif							/* ZDM_VERIFY_VERIFY_H */
