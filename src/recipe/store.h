/*
 * store.h
 *	  The tables zdm.recipe and zdm.recipe_step.
 */
#ifndef ZDM_RECIPE_STORE_H
#define ZDM_RECIPE_STORE_H

#include "recipe/recipe.h"
#include "recipe/stage.h"

extern const char *zdm_recipe_kind_name(ZdmStepKind kind);
extern ZdmStepKind zdm_recipe_kind_parse(const char *name);
extern const char *zdm_recipe_phase_name(ZdmPhase phase);
extern ZdmPhase zdm_recipe_phase_parse(const char *name);

/* Each needs a transaction; none of them commits. */
extern void zdm_recipe_store(int64 job_id, const ZdmRecipe *recipe);
extern void zdm_recipe_append_step(int64 job_id, const ZdmStep *step);
extern void zdm_recipe_replace_steps(int64 job_id, List *steps);
extern ZdmRecipe *zdm_recipe_load(int64 job_id);
extern List *zdm_recipe_objects(Oid target);
extern void zdm_recipe_insert(int64 job_id, int number, const List *steps);
extern void zdm_recipe_find_targets(int64 job_id);
extern void zdm_recipe_set_state(int64 job_id, const ZdmStep *step, const char *state);
extern void zdm_recipe_set_began(int64 job_id, ZdmStep *step);

#endif							/* ZDM_RECIPE_STORE_H */
