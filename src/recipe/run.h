/*
 * run.h
 *	  The kind of job "recipe".
 */
#ifndef ZDM_RECIPE_RUN_H
#define ZDM_RECIPE_RUN_H

#include "job/kind.h"

extern ZdmRunOutcome zdm_recipe_run(const ZdmJob *job);
extern ZdmRunOutcome zdm_recipe_clean_up(const ZdmJob *job);

#endif							/* ZDM_RECIPE_RUN_H */
