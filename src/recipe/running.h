/*
 * running.h
 *	  A recipe while it runs, and how steps of each kind are done, for the files
 *	  of this room.
 */
#ifndef ZDM_RECIPE_RUNNING_H
#define ZDM_RECIPE_RUNNING_H

#include "recipe/recipe.h"
#include "run/run.h"

typedef struct ZdmRecipeRun
{
	ZdmRun		base;			/* first: a step is given this */
	MemoryContext recipe_mcxt;	/* reset when the recipe is loaded again */
	ZdmRecipe  *recipe;
	MemoryContext step_mcxt;	/* reset with every step */
	bool		has_target;		/* it was there when the run began */
	bool		user_texts;		/* the statements of the current step are the
								 * user's: names in them are looked up as in
								 * his session */
} ZdmRecipeRun;

/* run.c.  Each that returns bool is false when the run has ended. */
extern bool zdm_recipe_load_again(ZdmRecipeRun *run);
extern bool zdm_recipe_note(ZdmRecipeRun *run, ZdmStep *step, const char *state);
extern bool zdm_recipe_clear_away(ZdmRecipeRun *run, const ZdmStep *step);

/* What has become of the relation that a step is about. */
typedef struct ZdmPlace
{
	bool		gone;			/* it is not there any more */
	bool		left;			/* that, or it is no longer below the table */
} ZdmPlace;

/* place.c, likewise */
extern const ZdmJob *zdm_place_job(ZdmRecipeRun *run, const ZdmStep *step);
extern Oid	zdm_place_target(const ZdmRecipeRun *run, const ZdmStep *step);
extern bool zdm_place_has_left(const ZdmRecipeRun *run, const ZdmStep *step);
extern bool zdm_place_look(ZdmRecipeRun *run, const ZdmStep *step, ZdmPlace *place);
extern bool zdm_place_leave_out(ZdmRecipeRun *run, ZdmStep *step, const char *state);

/* do_ddl.c, do_sql.c, likewise */
extern bool zdm_recipe_do_ddl(ZdmRecipeRun *run, ZdmStep *step, bool undoes);
extern bool zdm_recipe_do_sql(ZdmRecipeRun *run, ZdmStep *step, bool undoes);
extern bool zdm_recipe_do_wait(ZdmRecipeRun *run, ZdmStep *step);
extern bool zdm_recipe_await_leave(ZdmRecipeRun *run, const ZdmStep *step);
extern bool zdm_recipe_begin(ZdmRecipeRun *run, ZdmStep *step);

extern bool zdm_recipe_is_ddl(const char *text);

#endif							/* ZDM_RECIPE_RUNNING_H */
