/*
 * standins.h
 *	  What other rooms are going to provide.
 */
#ifndef ZDM_RECIPE_STANDINS_H
#define ZDM_RECIPE_STANDINS_H

#include "backfill/spec.h"
#include "ddl/portal.h"
#include "job/kind.h"
#include "utils/memutils.h"

#define zdm_spec_init(spec) memset(spec, 0, sizeof(*(spec)))
#define zdm_spec_discard(job_id) ((void) (job_id))

static inline ZdmRunOutcome
missing(void)
{
	ZdmRunOutcome outcome = {ZDM_RUN_FAILED, NULL};

	outcome.error = zdm_error_make(TopMemoryContext, ERRCODE_FEATURE_NOT_SUPPORTED, NULL, "not there yet");
	return outcome;
}

#define zdm_backfill_run_for(job, target, spec) missing()
#define zdm_verify_run_for(job, target, mapping_id) missing()
#define zdm_sync_create_trigger(stmt) zdm_ddl_execute_tree((Node *) stmt, "")

#endif							/* ZDM_RECIPE_STANDINS_H */
