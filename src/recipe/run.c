/*
 * run.c
 *	  The kind of job "recipe": its steps in order; when it is cancelled, what
 *	  undoes them in reverse order.
 *
 * A step of statements commits together with the note that it is done, so a
 * crash repeats none and loses none.  A validation, a backfill, a verification
 * and the build of an index are the work of those kinds of jobs, done under the
 * recipe's own job: they have their definition and their place in their own
 * tables, go on where they stopped, and leave the rows that are in the way in
 * zdm.violations or zdm.quarantine.
 *
 * A step that is about another relation is run as if that were the target of
 * the job (place.c).
 */
#include "postgres.h"

#include "backfill/backfill.h"
#include "constraint/facts.h"
#include "constraint/guard.h"
#include "constraint/store.h"
#include "constraint/target.h"
#include "constraint/validation.h"
#include "core/identity.h"
#include "index/index.h"
#include "recipe/run.h"
#include "recipe/running.h"
#include "recipe/store.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "verify/verify.h"

/* ---------- the run ---------- */

/*
 * The statements of recipes are qualified; what else a text may mean, as a
 * date, depends on the settings of the session that has made it.
 */
static void
apply_settings(ZdmRun *base)
{
	const ZdmRecipeRun *run = (ZdmRecipeRun *) base;

	zdm_session_apply(&run->recipe->settings);
	if (!run->user_texts)
		(void) zdm_try_session_setting("search_path", "pg_catalog, pg_temp");
}

/* Step: load the recipe as it is now; what was known of its steps is no longer there. */
static void
load_recipe_step(void *arg)
{
	ZdmRecipeRun *run = arg;
	MemoryContext old;

	run->base.activity = NULL;
	MemoryContextReset(run->recipe_mcxt);
	old = MemoryContextSwitchTo(run->recipe_mcxt);
	run->recipe = zdm_recipe_load(run->base.job->id);
	MemoryContextSwitchTo(old);
}

/* Load the recipe again after steps were added.  False when the run has ended. */
bool
zdm_recipe_load_again(ZdmRecipeRun *run)
{
	return zdm_run_bookkeep(&run->base, load_recipe_step, run);
}

/* Step: load everything the run needs; what it makes is removed when it is cancelled. */
static void
load_step(void *arg)
{
	ZdmRecipeRun *run = arg;
	const ZdmJob *job = run->base.job;

	zdm_recipe_find_targets(job->id);
	load_recipe_step(run);
	run->has_target = !OidIsValid(job->target) ? job->as_caller :
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(job->target));
	zdm_job_set_cleanup(job->id, true);
	if (run->recipe == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.recipe", job->id),
				 errhint("Cancel the job and start it under another name.")));
}

/* A role that is gone has nobody's rights. */
static void
fail_without_role(ZdmRecipeRun *run)
{
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_UNDEFINED_OBJECT,
							   "Cancel the job, and start it again as another role.",
							   "role \"%s\", as which the job runs, no longer exists", run->base.job->owner));
}

/* Has the user written its statements?  The statements of others name everything with its schema. */
static bool
is_of_user(const ZdmRecipeRun *run)
{
	return run->base.job->as_caller || strcmp(run->recipe->recipe, ZDM_RECIPE_CUSTOM) == 0;
}

/* NULL, and *outcome is set, when it could not be loaded. */
static ZdmRecipeRun *
begin_run(const ZdmJob *job, ZdmRunOutcome *outcome)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm recipe", ALLOCSET_DEFAULT_SIZES);
	ZdmRecipeRun *run = MemoryContextAllocZero(mcxt, sizeof(ZdmRecipeRun));

	zdm_txn_init();
	zdm_run_init(&run->base, job, mcxt);
	run->base.apply_settings = apply_settings;
	run->recipe_mcxt = AllocSetContextCreate(mcxt, "zdm recipe steps", ALLOCSET_DEFAULT_SIZES);
	run->step_mcxt = AllocSetContextCreate(mcxt, "zdm recipe step", ALLOCSET_DEFAULT_SIZES);
	if (job->as_caller && !OidIsValid(job->owner_id))
		fail_without_role(run);
	else if (zdm_run_bookkeep(&run->base, load_step, run))
		return run;
	*outcome = run->base.outcome;
	return NULL;
}

/* ---------- validation ---------- */

typedef struct Preparation
{
	ZdmRecipeRun *run;
	const ZdmStep *step;
	bool		is_valid;		/* the constraint */
} Preparation;

/*
 * Step: make the validation of the step's constraint that of the job, unless
 * it is, perhaps begun.
 */
static void
prepare_validation_step(void *arg)
{
	Preparation *preparation = arg;
	int64		job_id = preparation->run->base.job->id;
	const ZdmStep *step = preparation->step;
	const char *name = step->object;
	Oid			target = zdm_place_target(preparation->run, step);
	ZdmConstraint *constraint = zdm_constraint_load(target, name);
	ZdmValidationSpec *there = zdm_validation_load(job_id);
	ZdmValidationSpec spec = {.target = target};

	if (constraint == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\", which the job has added, does not exist any more", name),
				 errhint("Cancel the job, and start it again under another name.")));
	preparation->is_valid = constraint->valid;
	if (preparation->is_valid ||
		(there && there->target == target && strcmp(there->constraint_name, name) == 0))
		return;
	spec.target_schema = step->target_schema;
	spec.target_name = step->target_name;
	spec.constraint_name = pstrdup(name);
	spec.constraint_type = pstrdup(zdm_constraint_type_name(constraint->contype));
	spec.definition = zdm_constraint_definition(constraint);
	spec.method = pstrdup(ZDM_METHOD_CHUNKED);
	spec.settings = preparation->run->recipe->settings;
	zdm_validation_discard(job_id);
	zdm_validation_store(job_id, &spec);
}

/* ---------- steps ---------- */

typedef struct Note
{
	int64		job_id;
	const ZdmStep *step;
	const char *state;
} Note;

static void
note_step(void *arg)
{
	Note	   *note = arg;

	zdm_recipe_set_state(note->job_id, note->step, note->state);
}

/* Note what has become of a step.  False when the run has ended instead. */
bool
zdm_recipe_note(ZdmRecipeRun *run, ZdmStep *step, const char *state)
{
	Note		note = {run->base.job->id, step, state};

	if (!zdm_run_bookkeep(&run->base, note_step, &note))
		return false;
	step->done = strcmp(state, "done") == 0;
	return true;
}

/* Is the outcome done?  If not, it is the run's. */
static bool
is_done(ZdmRecipeRun *run, ZdmRunOutcome outcome)
{
	if (outcome.result == ZDM_RUN_DONE)
		return true;
	run->base.ended = true;
	run->base.outcome = outcome;
	return false;
}

/* What else a step may have left behind.  False when the run has ended. */
bool
zdm_recipe_clear_away(ZdmRecipeRun *run, const ZdmStep *step)
{
	const ZdmJob *job = zdm_place_job(run, step);

	if (step->kind == ZDM_STEP_INDEX)
		return is_done(run, zdm_index_remove_for(job, step->object));
	if (step->kind == ZDM_STEP_VALIDATE)
		return is_done(run, zdm_guard_clean_up(job));
	return true;
}

static bool
accept(ZdmRecipeRun *run, ZdmStep *step, ZdmRunOutcome outcome)
{
	return is_done(run, outcome) && zdm_recipe_note(run, step, "done");
}

/*
 * Validate the step's constraint.  It may be valid already: marked by a worker
 * that died before it had removed its guard, or by somebody else while the job
 * was paused.
 */
static ZdmRunOutcome
run_validation(ZdmRecipeRun *run, ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!zdm_run_bookkeep(&run->base, prepare_validation_step, &preparation))
		return run->base.outcome;
	return preparation.is_valid ? zdm_guard_clean_up(run->base.job) : zdm_validation_run(zdm_place_job(run, step));
}

/* What is not there need not be valid: neither before nor when that is why it failed. */
static bool
validate(ZdmRecipeRun *run, ZdmStep *step)
{
	ZdmRunOutcome outcome;
	ZdmPlace	place;

	if (!zdm_place_look(run, step, &place))
		return false;
	if (place.left)
		return zdm_place_leave_out(run, step, "done");
	outcome = run_validation(run, step);
	if (run->base.ended)
		return false;
	if (outcome.result == ZDM_RUN_FAILED && !zdm_place_look(run, step, &place))
		return false;
	return place.left ? zdm_place_leave_out(run, step, "done") : accept(run, step, outcome);
}

/* Step: where an earlier backfill of the job has stopped is not about this one. */
static void
discard_step(void *arg)
{
	zdm_spec_discard(((ZdmRecipeRun *) arg)->base.job->id);
}

static bool
backfill(ZdmRecipeRun *run, ZdmStep *step)
{
	const ZdmJob *job = zdm_place_job(run, step);
	ZdmBackfillSpec spec;

	if (step->began_at == 0 && !zdm_run_bookkeep(&run->base, discard_step, run))
		return false;
	if (!zdm_recipe_begin(run, step))
		return false;
	zdm_spec_init(&spec);
	spec.target = job->target;
	spec.target_name = job->target_name;
	spec.mapping_id = step->mapping_id;
	spec.set_clause = step->set_clause;
	spec.filter = step->filter;
	spec.settings = run->recipe->settings;
	return accept(run, step, zdm_backfill_run_for(job, job->target, &spec));
}

static bool
verify(ZdmRecipeRun *run, ZdmStep *step)
{
	const ZdmJob *job = zdm_place_job(run, step);

	return zdm_recipe_begin(run, step) &&
		accept(run, step, zdm_verify_run_for(job, job->target, step->mapping_id));
}

/* False when the run has ended. */
static bool
do_step(ZdmRecipeRun *run, ZdmStep *step)
{
	run->user_texts = is_of_user(run);
	switch (step->kind)
	{
		case ZDM_STEP_DDL:
			return zdm_recipe_do_ddl(run, step, false);
		case ZDM_STEP_VALIDATE:
			return validate(run, step);
		case ZDM_STEP_INDEX:
			return accept(run, step, zdm_index_build_for(zdm_place_job(run, step), step->statement, step->object,
														 run->user_texts ? &run->recipe->settings : NULL));
		case ZDM_STEP_BACKFILL:
			return backfill(run, step);
		case ZDM_STEP_VERIFY:
			return verify(run, step);
		case ZDM_STEP_SQL:
			return zdm_recipe_do_sql(run, step, false);
		case ZDM_STEP_WAIT:
			return zdm_recipe_do_wait(run, step);
	}
	return false;				/* keep the compiler quiet */
}

static ZdmStep *
next_step(const ZdmRecipeRun *run)
{
	ListCell   *lc;

	foreach(lc, run->recipe->steps)
	{
		ZdmStep    *step = lfirst(lc);

		if (!step->done)
			return step;
	}
	return NULL;
}

/*
 * Run a recipe to its end, or until somebody stops it.  Outside of any
 * transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_recipe_run(const ZdmJob *job)
{
	ZdmRunOutcome outcome;
	ZdmRecipeRun *run = begin_run(job, &outcome);
	ZdmStep    *step;

	if (run == NULL)
		return outcome;
	while ((step = next_step(run)) != NULL)
	{
		if (!zdm_recipe_await_leave(run, step) || !do_step(run, step))
			return run->base.outcome;
	}
	zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	return run->base.outcome;
}

/* ---------- undoing ---------- */

static void
note_undone_step(void *arg)
{
	Preparation *preparation = arg;
	int64		job_id = preparation->run->base.job->id;

	if (preparation->step->kind == ZDM_STEP_VALIDATE)
		zdm_validation_discard(job_id);
	zdm_recipe_set_state(job_id, preparation->step, "undone");
}

/* Is there a text that undoes a step?  What undoes the others is above. */
static bool
has_undo(const ZdmStep *step)
{
	return step->undo && step->kind != ZDM_STEP_INDEX && step->kind != ZDM_STEP_VALIDATE;
}

/* A backfill may have been cut short, and its text undoes that, too. */
static bool
has_done_something(const ZdmStep *step)
{
	return step->done || step->kind == ZDM_STEP_VALIDATE || step->began_at != 0;
}

/*
 * A step that has nothing to undo is undone too: what it rested on will be
 * made anew when the job is tried again.  False when the run has ended.
 */
static bool
undo_step(ZdmRecipeRun *run, ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!run->has_target && step->target_name == NULL)
		return true;
	run->user_texts = is_of_user(run);
	if (!zdm_recipe_clear_away(run, step))
		return false;
	if (!has_done_something(step))
		return true;
	if (!has_undo(step))
		return zdm_run_bookkeep(&run->base, note_undone_step, &preparation);
	if (step->kind == ZDM_STEP_SQL || !zdm_recipe_is_ddl(step->undo))
		return zdm_recipe_do_sql(run, step, true);
	return zdm_recipe_do_ddl(run, step, true);
}

/*
 * Undo what a cancelled recipe has done, so that nothing of it is left; with
 * the table all of it is gone but for what other relations have.  Called
 * likewise.
 */
ZdmRunOutcome
zdm_recipe_clean_up(const ZdmJob *job)
{
	ZdmRunOutcome outcome;
	ZdmRecipeRun *run = begin_run(job, &outcome);
	List	   *steps;

	if (run == NULL)
		return outcome;
	steps = run->recipe->steps;
	for (int i = list_length(steps) - 1; i >= 0; i--)
	{
		if (!undo_step(run, list_nth(steps, i)))
			return run->base.outcome;
	}
	zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	return run->base.outcome;
}
