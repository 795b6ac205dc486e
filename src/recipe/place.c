/*
 * place.c
 *	  The relation that a step is about: the job's table or another one; and
 *	  steps that are left out because that is gone.
 */
#include "postgres.h"

#include "constraint/store.h"
#include "recipe/below.h"
#include "recipe/running.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "violation/violation.h"

/* The job as a step sees it, until the next step. */
const ZdmJob *
zdm_place_job(ZdmRecipeRun *run, const ZdmStep *step)
{
	ZdmJob	   *job;

	if (step->target_name == NULL)
		return run->base.job;
	job = MemoryContextAlloc(run->step_mcxt, sizeof(ZdmJob));
	*job = *run->base.job;
	job->target = step->target;
	job->target_schema = step->target_schema;
	job->target_name = step->target_name;
	return job;
}

/* The relation of a step; InvalidOid when it is about none, or that is gone. */
Oid
zdm_place_target(const ZdmRecipeRun *run, const ZdmStep *step)
{
	return step->target_name ? step->target : run->base.job->target;
}

/*
 * In a transaction: is a step's relation, which is there, no longer below the
 * table, as it was when the step was made?
 */
bool
zdm_place_has_left(const ZdmRecipeRun *run, const ZdmStep *step)
{
	return step->is_below && !zdm_below_is_part(step->target, run->base.job->target);
}

typedef struct Look
{
	ZdmRecipeRun *run;
	const ZdmStep *step;
	ZdmPlace   *place;
} Look;

static void
look_step(void *arg)
{
	Look	   *look = arg;
	const ZdmStep *step = look->step;
	ZdmPlace   *place = look->place;

	place->gone = step->target_name && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(step->target));
	place->left = place->gone || zdm_place_has_left(look->run, step);
}

/* Look at the relation of a step; of the table itself, nothing is ever left out. */
bool
zdm_place_look(ZdmRecipeRun *run, const ZdmStep *step, ZdmPlace *place)
{
	Look		look = {run, step, place};

	return zdm_run_bookkeep(&run->base, look_step, &look);
}

typedef struct Leaving
{
	int64		job_id;
	const ZdmStep *step;
	const char *state;
} Leaving;

/* Step: what was found in a relation that is not part of the table is not in the way. */
static void
leave_out_step(void *arg)
{
	Leaving    *leaving = arg;

	if (leaving->step->kind == ZDM_STEP_VALIDATE)
	{
		zdm_violation_clear(leaving->job_id);
		zdm_validation_discard(leaving->job_id);
	}
	zdm_recipe_set_state(leaving->job_id, leaving->step, leaving->state);
}

/* Leave a step out; state is what it has then. */
bool
zdm_place_leave_out(ZdmRecipeRun *run, ZdmStep *step, const char *state)
{
	ZdmRun	   *base = &run->base;
	Leaving		leaving = {base->job->id, step, state};

	if (!zdm_recipe_clear_away(run, step) || !zdm_run_bookkeep(base, leave_out_step, &leaving))
		return false;
	zdm_note_event(base, "left out",
				   psprintf("step %d: table %s.%s is no longer part of the target", step->number,
							step->target_schema, step->target_name));
	step->done = true;
	return !base->ended;
}
