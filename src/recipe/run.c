/*
 * run.c
 *	  The kind of job "recipe": its steps in order; when it is cancelled, what
 *	  undoes them in reverse order.
 *
 * A step that is one statement commits together with the note that it is
 * done, so a crash repeats none and loses none.  A validation and the build of
 * an index are the work of those kinds of jobs, done under the recipe's own
 * job: they have their definition and their place in their own tables, go on
 * where they stopped, and leave the rows that are in the way in
 * zdm.violations.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "constraint/facts.h"
#include "constraint/guard.h"
#include "constraint/store.h"
#include "constraint/target.h"
#include "constraint/validation.h"
#include "core/identity.h"
#include "ddl/lock.h"
#include "ddl/statement.h"
#include "ddl/targets.h"
#include "index/index.h"
#include "nodes/makefuncs.h"
#include "recipe/run.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

typedef struct RecipeRun
{
	ZdmRun		base;			/* first: a step is given this */
	ZdmRecipe  *recipe;
	bool		has_target;		/* it was there when the run began */
} RecipeRun;

/* ---------- the run ---------- */

static void
apply_settings(ZdmRun *base)
{
	(void) zdm_try_session_setting("search_path", "pg_catalog, pg_temp");
}

/* Step: load everything the run needs; what it makes is removed when it is cancelled. */
static void
load_step(void *arg)
{
	RecipeRun  *run = arg;
	MemoryContext old = MemoryContextSwitchTo(run->base.run_mcxt);

	run->recipe = zdm_recipe_load(run->base.job->id);
	MemoryContextSwitchTo(old);
	run->has_target = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(run->base.job->target));
	zdm_job_set_cleanup(run->base.job->id, true);
	if (run->recipe == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.recipe", run->base.job->id),
				 errhint("Cancel the job and start it under another name.")));
}

/* NULL, and *outcome is set, when it could not be loaded. */
static RecipeRun *
begin_run(const ZdmJob *job, ZdmRunOutcome *outcome)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm recipe", ALLOCSET_DEFAULT_SIZES);
	RecipeRun  *run = MemoryContextAllocZero(mcxt, sizeof(RecipeRun));

	zdm_txn_init();
	zdm_run_init(&run->base, job, mcxt);
	run->base.apply_settings = apply_settings;
	if (zdm_run_bookkeep(&run->base, load_step, run))
		return run;
	*outcome = run->base.outcome;
	return NULL;
}

/* ---------- one statement ---------- */

typedef struct StepStatement
{
	RecipeRun  *run;
	const ZdmStep *step;
	const char *text;
	const char *state;			/* of the step, once it has run */
	AlterTableStmt *tree;		/* of text, on the job's target whatever its
								 * name is now; in run_mcxt */
	List	   *targets;
} StepStatement;

/* The target's name may have changed, or be another table's by now. */
static ZdmVerdict
find_targets_body(ZdmRun *base, void *arg)
{
	StepStatement *statement = arg;
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(base->job->target));
	ZdmStatement *parsed;
	MemoryContext old;
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return ZDM_GONE;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (owner != base->owner)
		return ZDM_OTHER_OWNER;

	old = MemoryContextSwitchTo(base->run_mcxt);
	parsed = zdm_statement_parse(statement->text);
	statement->tree = castNode(AlterTableStmt, parsed->tree);
	statement->tree->relation = makeRangeVar(get_namespace_name(get_rel_namespace(base->job->target)),
											 get_rel_name(base->job->target), -1);
	statement->targets = zdm_ddl_targets(parsed);
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	StepStatement *statement = arg;

	if (RangeVarGetRelid(statement->tree->relation, NoLock, true) != base->job->target)
		return ZDM_GONE;
	zdm_ddl_execute_tree((Node *) statement->tree, statement->text);
	zdm_recipe_set_state(base->job->id, statement->step->number, statement->state);
	return ZDM_DONE;
}

/* Try until it has run.  False when the run has ended. */
static bool
execute(RecipeRun *run, const ZdmStep *step, const char *text, const char *state)
{
	StepStatement statement = {.run = run,.step = step};
	ZdmRun	   *base = &run->base;
	ZdmVerdict	verdict;
	ZdmError   *error;

	statement.text = text;

	statement.state = state;
	base->activity = text;

	for (;;)
	{
		verdict = zdm_txn(base, 0, find_targets_body, &statement, &error);
		if (verdict == ZDM_DONE)
			verdict = zdm_ddl_locked(base, statement.targets, execute_body, &statement, &error);
		if (verdict == ZDM_DONE)
			break;
		if (base->ended || (verdict == ZDM_GONE && zdm_run_target_is_gone(base)))
			return false;
		if (verdict != ZDM_GONE && !zdm_verdict_try_again(base, base->job->target, verdict, error))
			return false;
	}
	zdm_run_progressed(base);
	zdm_say_progress(base);
	return true;
}

/* ---------- validation ---------- */

typedef struct Preparation
{
	RecipeRun  *run;
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
	const char *name = preparation->step->object;
	Oid			target = preparation->run->base.job->target;
	ZdmConstraint *constraint = zdm_constraint_load(target, name);
	ZdmValidationSpec *there = zdm_validation_load(job_id);
	ZdmValidationSpec spec = {.target = target};

	if (constraint == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\", which the job has added, does not exist any more", name),
				 errhint("Cancel the job, and start it again under another name.")));
	preparation->is_valid = constraint->valid;
	if (preparation->is_valid || (there && strcmp(there->constraint_name, name) == 0))
		return;
	spec.constraint_name = pstrdup(name);
	spec.constraint_type = pstrdup(zdm_constraint_type_name(constraint->contype));
	spec.definition = zdm_constraint_definition(constraint);
	spec.method = pstrdup(ZDM_METHOD_CHUNKED);
	spec.settings = preparation->run->recipe->settings;
	zdm_validation_discard(job_id);
	zdm_validation_store(job_id, &spec);
}

/* ---------- steps ---------- */

static void
note_done_step(void *arg)
{
	Preparation *preparation = arg;

	zdm_recipe_set_state(preparation->run->base.job->id, preparation->step->number, "done");
}

/* Is the outcome done?  If not, it is the run's. */
static bool
accept(RecipeRun *run, const ZdmStep *step, ZdmRunOutcome outcome)
{
	Preparation preparation = {.run = run,.step = step};

	if (outcome.result != ZDM_RUN_DONE)
	{
		run->base.ended = true;
		run->base.outcome = outcome;
		return false;
	}
	return zdm_run_bookkeep(&run->base, note_done_step, &preparation);
}

/*
 * The constraint may be valid already: marked by a worker that died before it
 * had removed its guard, or by somebody else while the job was paused.
 */
static bool
validate(RecipeRun *run, const ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!zdm_run_bookkeep(&run->base, prepare_validation_step, &preparation))
		return false;
	return accept(run, step, preparation.is_valid ? zdm_guard_clean_up(run->base.job) :
				  zdm_validation_run(run->base.job));
}

/* False when the run has ended. */
static bool
do_step(RecipeRun *run, const ZdmStep *step)
{
	switch (step->kind)
	{
		case ZDM_STEP_DDL:
			return execute(run, step, step->statement, "done");
		case ZDM_STEP_VALIDATE:
			return validate(run, step);
		case ZDM_STEP_INDEX:
			return accept(run, step, zdm_index_build_for(run->base.job, step->statement, step->object));
	}
	return false;				/* keep the compiler quiet */
}

/*
 * Run a recipe to its end, or until somebody stops it.  Outside of any
 * transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_recipe_run(const ZdmJob *job)
{
	ZdmRunOutcome outcome;
	RecipeRun  *run = begin_run(job, &outcome);
	ListCell   *lc;

	if (run == NULL)
		return outcome;
	foreach(lc, run->recipe->steps)
	{
		ZdmStep    *step = lfirst(lc);

		if (!step->done && !do_step(run, step))
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
	zdm_recipe_set_state(job_id, preparation->step->number, "undone");
}

/* What else a step may have left behind.  False when the run has ended. */
static bool
clear_away(RecipeRun *run, const ZdmStep *step)
{
	const ZdmJob *job = run->base.job;
	ZdmRunOutcome outcome = {ZDM_RUN_DONE, NULL};

	if (step->kind == ZDM_STEP_INDEX)
		outcome = zdm_index_remove_for(job, step->object);
	else if (step->kind == ZDM_STEP_VALIDATE)
		outcome = zdm_guard_clean_up(job);
	if (outcome.result == ZDM_RUN_DONE)
		return true;
	run->base.ended = true;
	run->base.outcome = outcome;
	return false;
}

/*
 * A step that has nothing to undo is undone too: what it rested on will be
 * made anew when the job is tried again.  False when the run has ended.
 */
static bool
undo_step(RecipeRun *run, const ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!clear_away(run, step))
		return false;
	if (!step->done && step->kind != ZDM_STEP_VALIDATE)
		return true;
	if (step->kind == ZDM_STEP_DDL && step->undo)
		return execute(run, step, step->undo, "undone");
	return zdm_run_bookkeep(&run->base, note_undone_step, &preparation);
}

/*
 * Undo what a cancelled recipe has done, so that nothing of it is left; with
 * the table all of it is gone.  Called likewise.
 */
ZdmRunOutcome
zdm_recipe_clean_up(const ZdmJob *job)
{
	ZdmRunOutcome outcome;
	RecipeRun  *run = begin_run(job, &outcome);

	if (run == NULL)
		return outcome;
	for (int i = list_length(run->recipe->steps) - 1; run->has_target && i >= 0; i--)
	{
		if (!undo_step(run, list_nth(run->recipe->steps, i)))
			return run->base.outcome;
	}
	zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	return run->base.outcome;
}
