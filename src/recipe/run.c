/*
 * run.c
 *	  The kind of job "recipe": its steps in order; when it is cancelled, what
 *	  undoes them in reverse order.
 *
 * A step that is one statement commits together with the note that it is
 * done, so a crash repeats none and loses none.  Under its locks it may turn
 * out to need others before it (below.c), which are then done first.  A validation and the build of
 * an index are the work of those kinds of jobs, done under the recipe's own
 * job: they have their definition and their place in their own tables, go on
 * where they stopped, and leave the rows that are in the way in
 * zdm.violations.
 *
 * A step that is about a partition or child is run as if that were the target
 * of the job.  One that is gone, or no longer below the table, is left out.
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
#include "recipe/below.h"
#include "recipe/run.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "violation/violation.h"

typedef struct RecipeRun
{
	ZdmRun		base;			/* first: a step is given this */
	MemoryContext recipe_mcxt;	/* reset when the recipe is loaded again */
	ZdmRecipe  *recipe;
	MemoryContext step_mcxt;	/* reset with every step */
	bool		has_target;		/* it was there when the run began */
} RecipeRun;

/* The job as a step sees it, until the next step. */
static const ZdmJob *
step_job(RecipeRun *run, const ZdmStep *step)
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

static Oid
step_target(const RecipeRun *run, const ZdmStep *step)
{
	return step->target_name ? step->target : run->base.job->target;
}

/* ---------- the run ---------- */

static void
apply_settings(ZdmRun *base)
{
	(void) zdm_try_session_setting("search_path", "pg_catalog, pg_temp");
}

/* Step: load the recipe as it is now; what was known of its steps is no longer there. */
static void
load_recipe_step(void *arg)
{
	RecipeRun  *run = arg;
	MemoryContext old;

	run->base.activity = NULL;
	MemoryContextReset(run->recipe_mcxt);
	old = MemoryContextSwitchTo(run->recipe_mcxt);
	run->recipe = zdm_recipe_load(run->base.job->id);
	MemoryContextSwitchTo(old);
}

/* Step: load everything the run needs; what it makes is removed when it is cancelled. */
static void
load_step(void *arg)
{
	RecipeRun  *run = arg;

	zdm_recipe_find_targets(run->base.job->id);
	load_recipe_step(run);
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
	run->recipe_mcxt = AllocSetContextCreate(mcxt, "zdm recipe steps", ALLOCSET_DEFAULT_SIZES);
	run->step_mcxt = AllocSetContextCreate(mcxt, "zdm recipe step", ALLOCSET_DEFAULT_SIZES);
	if (zdm_run_bookkeep(&run->base, load_step, run))
		return run;
	*outcome = run->base.outcome;
	return NULL;
}

/* ---------- steps that are left out ---------- */

/* What else a step may have left behind.  False when the run has ended. */
static bool
clear_away(RecipeRun *run, const ZdmStep *step)
{
	const ZdmJob *job = step_job(run, step);
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

/* What there is to know of the relation of a step. */
typedef struct Place
{
	RecipeRun  *run;
	ZdmStep    *step;
	const char *state;			/* of the step, when it is left out */
	bool		gone;			/* the relation */
	bool		left;			/* it is gone, or no longer below the table */
} Place;

/* Of the table itself, nothing is ever left out. */
static bool
has_left(const RecipeRun *run, const ZdmStep *step)
{
	return step->target_name && !zdm_below_is_part(step->target, run->base.job->target);
}

/* Step. */
static void
look_at_place_step(void *arg)
{
	Place	   *place = arg;

	place->gone = place->step->target_name && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(place->step->target));
	place->left = place->gone || has_left(place->run, place->step);
}

/* Step: what was found in a relation that is not part of the table is not in the way. */
static void
leave_out_step(void *arg)
{
	Place	   *place = arg;
	int64		job_id = place->run->base.job->id;

	if (place->step->kind == ZDM_STEP_VALIDATE)
	{
		zdm_violation_clear(job_id);
		zdm_validation_discard(job_id);
	}
	zdm_recipe_set_state(job_id, place->step->number, place->state);
}

/* False when the run has ended. */
static bool
leave_out(Place *place)
{
	ZdmRun	   *base = &place->run->base;

	if (!clear_away(place->run, place->step) || !zdm_run_bookkeep(base, leave_out_step, place))
		return false;
	zdm_note_event(base, "left out",
				   psprintf("step %d: table %s.%s is no longer part of the target", place->step->number,
							place->step->target_schema, place->step->target_name));
	place->step->done = true;
	return !base->ended;
}

/* ---------- one statement ---------- */

typedef struct StepStatement
{
	RecipeRun  *run;
	ZdmStep    *step;
	const char *text;
	bool		undoes;
	AlterTableStmt *tree;		/* of text, on the step's target whatever its
								 * name is now; in step_mcxt */
	List	   *targets;
	int			wanted;			/* steps that were added, and come first */
	int			kept;			/* ... and are done */
} StepStatement;

/* The target's name may have changed, or be another table's by now. */
static void
parse_step(StepStatement *statement, Oid target)
{
	MemoryContext old = MemoryContextSwitchTo(statement->run->step_mcxt);
	ZdmStatement *parsed = zdm_statement_parse(statement->text);
	RangeVar   *relation = makeRangeVar(get_namespace_name(get_rel_namespace(target)), get_rel_name(target), -1);

	statement->tree = castNode(AlterTableStmt, parsed->tree);
	relation->inh = statement->tree->relation->inh;
	statement->tree->relation = relation;
	statement->targets = zdm_ddl_targets(parsed);
	MemoryContextSwitchTo(old);
}

/*
 * Add the steps without which this one cannot run.  True when there are such:
 * they come first.
 */
static bool
add_wanted(StepStatement *statement)
{
	const RecipeRun *run = statement->run;
	const ZdmStep *step = statement->step;
	List	   *wanted;

	PushActiveSnapshot(GetTransactionSnapshot());
	wanted = zdm_below_wanted(run->recipe, step_target(run, step), step, statement->tree);
	PopActiveSnapshot();
	if (wanted != NIL)
		zdm_recipe_insert(run->base.job->id, step->number, wanted);
	statement->wanted = list_length(wanted);
	return wanted != NIL;
}

/* Note what is to be given back when the step is undone. */
static void
add_kept(StepStatement *statement)
{
	const RecipeRun *run = statement->run;
	const ZdmStep *step = statement->step;
	List	   *kept;

	PushActiveSnapshot(GetTransactionSnapshot());
	kept = zdm_below_kept(run->recipe, step_target(run, step), step);
	PopActiveSnapshot();
	if (kept != NIL)
		zdm_recipe_insert(run->base.job->id, step->number, kept);
	statement->kept = list_length(kept);
}

static ZdmVerdict
find_targets_body(ZdmRun *base, void *arg)
{
	StepStatement *statement = arg;
	Oid			target = step_target(statement->run, statement->step);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(target));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return ZDM_GONE;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (owner != base->owner)
		return ZDM_OTHER_OWNER;
	parse_step(statement, target);
	if (!statement->undoes && (has_left(statement->run, statement->step) || add_wanted(statement)))
		return statement->wanted > 0 ? ZDM_DONE : ZDM_GONE;
	return ZDM_DONE;
}

/* Has somebody made the constraint one of the table above?  Then it is theirs. */
static bool
is_theirs(const StepStatement *statement, Oid target)
{
	const AlterTableCmd *cmd = linitial_node(AlterTableCmd, statement->tree->cmds);
	ZdmConstraint *constraint;

	if (!statement->undoes || statement->step->target_name == NULL || cmd->subtype != AT_DropConstraint)
		return false;
	constraint = zdm_constraint_load(target, cmd->name);
	return constraint && OidIsValid(constraint->parent);
}

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	StepStatement *statement = arg;
	Oid			target = step_target(statement->run, statement->step);

	if (RangeVarGetRelid(statement->tree->relation, NoLock, true) != target)
		return ZDM_GONE;
	if (!statement->undoes && has_left(statement->run, statement->step))
		return ZDM_GONE;
	if (!statement->undoes && add_wanted(statement))
		return ZDM_DONE;
	if (!statement->undoes)
		add_kept(statement);
	if (!is_theirs(statement, target))
		zdm_ddl_execute_tree((Node *) statement->tree, statement->text);
	zdm_recipe_set_state(base->job->id, statement->step->number + statement->kept,
						 statement->undoes ? "undone" : "done");
	return ZDM_DONE;
}

/* The statement's table could not be found.  True: look again. */
static bool
may_look_again(StepStatement *statement, bool *left_out)
{
	Place		place = {.run = statement->run,.step = statement->step};
	ZdmRun	   *base = &statement->run->base;

	place.state = statement->undoes ? "undone" : "done";
	if (statement->step->target_name == NULL)
		return !zdm_run_target_is_gone(base);
	if (!zdm_run_bookkeep(base, look_at_place_step, &place))
		return false;
	*left_out = statement->undoes ? place.gone : place.left;
	return *left_out ? leave_out(&place) : true;
}

/*
 * Try until it has run, has been left out, or other steps have been added
 * before it.  False when the run has ended.
 */
static bool
try_statement(StepStatement *statement)
{
	ZdmRun	   *base = &statement->run->base;
	bool		left_out = false;
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		statement->wanted = 0;
		verdict = zdm_txn(base, 0, find_targets_body, statement, &error);
		if (verdict == ZDM_DONE && statement->wanted == 0)
			verdict = zdm_ddl_locked(base, statement->targets, execute_body, statement, &error);
		if (verdict == ZDM_DONE)
			return true;
		if (base->ended || (verdict == ZDM_GONE && !may_look_again(statement, &left_out)))
			return false;
		if (left_out)
			return true;
		if (verdict != ZDM_GONE &&
			!zdm_verdict_try_again(base, step_target(statement->run, statement->step), verdict, error))
			return false;
	}
}

/* Run a step's statement, or its undo.  False when the run has ended. */
static bool
execute(RecipeRun *run, ZdmStep *step, bool undoes)
{
	StepStatement statement = {.run = run,.step = step,.undoes = undoes};

	statement.text = undoes ? step->undo : step->statement;
	run->base.activity = statement.text;
	MemoryContextReset(run->step_mcxt);
	if (!try_statement(&statement))
		return false;
	zdm_run_progressed(&run->base);
	zdm_say_progress(&run->base);
	if (statement.wanted > 0)
		zdm_note_event(&run->base, "steps added",
					   psprintf("%d, for partitions that have no such foreign key", statement.wanted));
	if (statement.wanted > 0 || statement.kept > 0)
		return !run->base.ended && zdm_run_bookkeep(&run->base, load_recipe_step, run);
	step->done = !undoes;
	return true;
}

/* ---------- validation ---------- */

typedef struct Preparation
{
	RecipeRun  *run;
	ZdmStep    *step;
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
	Oid			target = step_target(preparation->run, step);
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

static void
note_done_step(void *arg)
{
	Preparation *preparation = arg;

	zdm_recipe_set_state(preparation->run->base.job->id, preparation->step->number, "done");
	preparation->step->done = true;
}

/* Is the outcome done?  If not, it is the run's. */
static bool
accept(RecipeRun *run, ZdmStep *step, ZdmRunOutcome outcome)
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
 * Validate the step's constraint.  It may be valid already: marked by a worker
 * that died before it had removed its guard, or by somebody else while the job
 * was paused.
 */
static ZdmRunOutcome
run_validation(RecipeRun *run, ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!zdm_run_bookkeep(&run->base, prepare_validation_step, &preparation))
		return run->base.outcome;
	return preparation.is_valid ? zdm_guard_clean_up(run->base.job) : zdm_validation_run(step_job(run, step));
}

/* What is not there need not be valid: neither before nor when that is why it failed. */
static bool
validate(RecipeRun *run, ZdmStep *step)
{
	Place		place = {.run = run,.step = step,.state = "done"};
	ZdmRunOutcome outcome;

	if (!zdm_run_bookkeep(&run->base, look_at_place_step, &place))
		return false;
	if (place.left)
		return leave_out(&place);
	outcome = run_validation(run, step);
	if (run->base.ended)
		return false;
	if (outcome.result == ZDM_RUN_FAILED && !zdm_run_bookkeep(&run->base, look_at_place_step, &place))
		return false;
	return place.left ? leave_out(&place) : accept(run, step, outcome);
}

/* False when the run has ended. */
static bool
do_step(RecipeRun *run, ZdmStep *step)
{
	switch (step->kind)
	{
		case ZDM_STEP_DDL:
			return execute(run, step, false);
		case ZDM_STEP_VALIDATE:
			return validate(run, step);
		case ZDM_STEP_INDEX:
			return accept(run, step, zdm_index_build_for(step_job(run, step), step->statement, step->object));
	}
	return false;				/* keep the compiler quiet */
}

static ZdmStep *
next_step(const RecipeRun *run)
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
	RecipeRun  *run = begin_run(job, &outcome);
	ZdmStep    *step;

	if (run == NULL)
		return outcome;
	while ((step = next_step(run)) != NULL)
	{
		if (!do_step(run, step))
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

/*
 * A step that has nothing to undo is undone too: what it rested on will be
 * made anew when the job is tried again.  False when the run has ended.
 */
static bool
undo_step(RecipeRun *run, ZdmStep *step)
{
	Preparation preparation = {.run = run,.step = step};

	if (!run->has_target && step->target_name == NULL)
		return true;
	if (!clear_away(run, step))
		return false;
	if (!step->done && step->kind != ZDM_STEP_VALIDATE)
		return true;
	if (step->kind == ZDM_STEP_DDL && step->undo)
		return execute(run, step, true);
	return zdm_run_bookkeep(&run->base, note_undone_step, &preparation);
}

/*
 * Undo what a cancelled recipe has done, so that nothing of it is left; with
 * the table all of it is gone but for what former partitions have.  Called
 * likewise.
 */
ZdmRunOutcome
zdm_recipe_clean_up(const ZdmJob *job)
{
	ZdmRunOutcome outcome;
	RecipeRun  *run = begin_run(job, &outcome);
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
