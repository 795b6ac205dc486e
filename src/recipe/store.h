/*
 * store.h
 *	  The tables zdm.recipe and zdm.recipe_step.
 */
#ifndef ZDM_RECIPE_STORE_H
#define ZDM_RECIPE_STORE_H

#include "recipe/recipe.h"

extern const char *zdm_recipe_kind_name(ZdmStepKind kind);

/* Each needs a transaction; none of them commits. */
extern void zdm_recipe_store(int64 job_id, const ZdmRecipe *recipe);
extern ZdmRecipe *zdm_recipe_load(int64 job_id);
extern List *zdm_recipe_objects(Oid target);
extern void zdm_recipe_insert(int64 job_id, int number, const List *steps);
extern void zdm_recipe_find_targets(int64 job_id);
extern void zdm_recipe_set_state(int64 job_id, int step, const char *state);

#endif							/* ZDM_RECIPE_STORE_H */
