/*
 * steps.h
 *	  A recipe while it runs, and how steps of each kind are done, for the files
 *	  of this room.
 */
#ifndef ZDM_RECIPE_STEPS_H
#define ZDM_RECIPE_STEPS_H

#include "recipe/recipe.h"
#include "run/run.h"

typedef struct ZdmRecipeRun
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmRecipe  *recipe;
	bool		has_target;		/* it was there when the run began */
	bool		user_texts;		/* the statements of the current step are the
								 * user's: names in them are looked up as in
								 * his session */
} ZdmRecipeRun;

/* Each is false when the run has ended. */
extern bool zdm_recipe_do_ddl(ZdmRecipeRun *run, const ZdmStep *step, const char *text,
							  const char *state);
extern bool zdm_recipe_do_sql(ZdmRecipeRun *run, const ZdmStep *step, const char *text,
							  const char *state);
extern bool zdm_recipe_do_wait(ZdmRecipeRun *run, ZdmStep *step);
extern bool zdm_recipe_await_leave(ZdmRecipeRun *run, const ZdmStep *step);

extern bool zdm_recipe_begin(ZdmRecipeRun *run, ZdmStep *step);
extern bool zdm_recipe_is_ddl(const char *text);
extern bool zdm_recipe_note(ZdmRecipeRun *run, const ZdmStep *step, const char *state);

#endif							/* ZDM_RECIPE_STEPS_H */
