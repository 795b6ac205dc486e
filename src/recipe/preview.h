/*
 * preview.h
 *	  The steps of a recipe without starting it: as rows, and how long they
 *	  would take.
 */
#ifndef ZDM_RECIPE_PREVIEW_H
#define ZDM_RECIPE_PREVIEW_H

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "recipe/recipe.h"

extern void zdm_recipe_estimate(Relation rel, ZdmRecipe *recipe);
extern void zdm_recipe_preview_into(ReturnSetInfo *result);
extern bool zdm_recipe_previewed(void);
extern void zdm_recipe_preview(Relation rel, ZdmRecipe *recipe, const char *stage);

#endif							/* ZDM_RECIPE_PREVIEW_H */
