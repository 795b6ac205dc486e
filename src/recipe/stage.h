/*
 * stage.h
 *	  What migrations use of recipes: a job made of given steps, and what it
 *	  tells of itself.
 */
#ifndef ZDM_RECIPE_STAGE_H
#define ZDM_RECIPE_STAGE_H

#include "job/job.h"
#include "recipe/recipe.h"

/* What the job of a recipe is to be. */
typedef struct ZdmRecipeJob
{
	const char *name;
	Oid			target;			/* InvalidOid: no table, and as_caller */
	const char *what;			/* shown in its place when there is none */
	Oid			role;			/* as whom it runs */
	bool		as_caller;		/* as that role whoever owns the target;
								 * otherwise role is its owner */
	TimestampTz not_before;		/* 0: at once */
} ZdmRecipeJob;

extern void zdm_recipe_check_step(const ZdmStep *step);
extern int64 zdm_recipe_create(const ZdmRecipeJob *job, const ZdmRecipe *recipe);

/*
 * In the transaction that notes that a step is done or undone (state), as
 * whoever the transaction runs.
 */
typedef void (*ZdmRecipeStepHook) (int64 job_id, const ZdmStep *step, const char *state);

/*
 * In the transaction in which a recipe's job changes its state, and once more
 * when the clean-up of a cancelled one has ended: state is cancelled both
 * times, and zdm_job_load()->cleanup tells which: true, there is something to
 * undo, or an attempt to has failed (with error); false, there is nothing, or
 * not any more (with error: it has been given up).  The job's row is locked.
 */
typedef void (*ZdmRecipeEndHook) (int64 job_id, ZdmJobState state, const ZdmError *error);

/*
 * Before a step begins, in a transaction of its own: NULL, or why it has to
 * wait, in the current memory context; then it is asked again every second or
 * two.  Steps that are undone are not asked for.
 */
typedef char *(*ZdmRecipeMayBegin) (int64 job_id, const ZdmStep *step);

extern ZdmRecipeStepHook zdm_recipe_step_hook;
extern ZdmRecipeEndHook zdm_recipe_end_hook;
extern ZdmRecipeMayBegin zdm_recipe_may_begin;

extern void zdm_recipe_init(void);

#endif							/* ZDM_RECIPE_STAGE_H */
