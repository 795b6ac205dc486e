/*
 * do_ddl.c
 *	  Steps of kind "ddl": statements under their locks, in the transaction that
 *	  notes that they are done.
 *
 * Several statements of one step are one to the application: their locks are
 * taken together, the strongest on each relation, and given back together.  A
 * later one may refer to what an earlier one makes.
 *
 * A step that is one ALTER TABLE may turn out under its locks to need others
 * before it (below.c), which are then done first.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "core/identity.h"
#include "core/settings.h"
#include "ddl/lock.h"
#include "ddl/portal.h"
#include "ddl/statement.h"
#include "ddl/targets.h"
#include "constraint/facts.h"
#include "mapping/mapping.h"
#include "recipe/below.h"
#include "recipe/retarget.h"
#include "recipe/running.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/sinval.h"
#include "sync/sync.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* before trying again with other locks than those that were thought of */
#define CHANGED_PAUSE_MS 100

typedef struct StepStatements
{
	ZdmRecipeRun *run;
	ZdmStep    *step;
	bool		undoes;
	const char *text;
	List	   *statements;		/* of ZdmStatement, as planned */
	List	   *relations;		/* of ZdmNamedRelation: what they are about */
	List	   *targets;		/* of ZdmLockTarget, in step_mcxt */
	uint64		targets_as_of;	/* count of invalidations before they were
								 * found */
	bool		unknown;		/* one of them may lock what we cannot tell */
	bool		harmless;		/* all of them are */
	int			wanted;			/* steps that were added, and come first */
	int			kept;			/* ... and are done */
} StepStatements;

/* ---------- what is locked ---------- */

static void
add_target(List **targets, Oid relid, LOCKMODE mode)
{
	ListCell   *lc;

	foreach(lc, *targets)
	{
		ZdmLockTarget *target = lfirst(lc);

		if (target->relid == relid)
		{
			/* the modes are numbered by strength */
			target->mode = Max(target->mode, mode);
			return;
		}
	}
	*targets = lappend(*targets, zdm_lock_target(relid, mode));
}

static void
add_targets(List **targets, List *more)
{
	ListCell   *lc;

	foreach(lc, more)
	{
		const ZdmLockTarget *target = lfirst(lc);

		add_target(targets, target->relid, target->mode);
	}
}

/* The lock of a statement on the relations that it names. */
static LOCKMODE
usual_mode(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			return AlterTableGetLockLevel(((const AlterTableStmt *) stmt)->cmds);
		case T_CreateTrigStmt:
		case T_CreateSeqStmt:
		case T_AlterSeqStmt:
			return ShareRowExclusiveLock;
		case T_CommentStmt:
		case T_CreateStatsStmt:
			return ShareUpdateExclusiveLock;
		case T_GrantStmt:
			return AccessShareLock;
		default:
			return AccessExclusiveLock;
	}
}

static List *
usual_targets(Node *stmt)
{
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, zdm_retarget_relations(stmt))
		add_target(&targets, lfirst_oid(lc), usual_mode(stmt));
	return targets;
}

/* Errors that say that what is named is not there, or is there already. */
static bool
is_about_names(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
		sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE;
}

/*
 * The locks of a statement that follows others, which may make, rename or drop
 * what it is about: if so, those that such a statement takes as a rule.
 */
static List *
later_targets(const ZdmStatement *statement)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	List	   *volatile targets = NIL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		targets = zdm_ddl_targets(statement);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_about_names(edata->sqlerrcode))
			ReThrowError(edata);
		FreeErrorData(edata);
		MemoryContextSwitchTo(mcxt);
		targets = usual_targets(statement->tree);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	return targets;
}

/* One of the planned statements, about its relations as they are called now. */
static ZdmStatement *
present_statement(const StepStatements *these, int n)
{
	const ZdmStatement *planned = list_nth(these->statements, n);
	ZdmStatement *statement = palloc(sizeof(ZdmStatement));

	*statement = *planned;
	statement->tree = copyObject(planned->tree);
	zdm_retarget(statement->tree, these->relations);
	return statement;
}

/*
 * Does it undo what was done to a column that somebody has dropped, or given
 * another name, since?  Then there is nothing left to undo.
 */
static bool
is_moot(const StepStatements *these, const ZdmStatement *statement)
{
	const AlterTableStmt *tree = (const AlterTableStmt *) statement->tree;
	Oid			relid;
	ListCell   *lc;

	if (!these->undoes || !IsA(tree, AlterTableStmt))
		return false;
	relid = RangeVarGetRelid(tree->relation, NoLock, true);
	foreach(lc, tree->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if ((cmd->subtype == AT_DropNotNull || cmd->subtype == AT_SetNotNull || cmd->subtype == AT_ColumnDefault) &&
			OidIsValid(relid) && get_attnum(relid, cmd->name) == InvalidAttrNumber)
			return true;
	}
	return false;
}

/*
 * What all of them lock, in the current memory context, and the relations that
 * the step is about, so that their names stay what they are.
 */
static List *
all_targets(StepStatements *these)
{
	List	   *targets = NIL;
	ListCell   *lc;

	these->unknown = false;
	these->harmless = true;
	for (int i = 0; i < list_length(these->statements); i++)
	{
		const ZdmStatement *statement = present_statement(these, i);
		List	   *its;

		if (statement->sets_sequence || is_moot(these, statement))
			continue;
		its = i == 0 ? zdm_ddl_targets(statement) : later_targets(statement);
		these->unknown = these->unknown || its == NIL;
		these->harmless = these->harmless && statement->harmless;
		add_targets(&targets, its);
	}
	foreach(lc, these->relations)
		add_target(&targets, ((ZdmNamedRelation *) lfirst(lc))->relid, AccessShareLock);
	return targets;
}

/*
 * Is the step's relation there, and below the table if it was, and does it
 * belong to whom the job runs as?  That of another table is not asked for.
 */
static ZdmVerdict
check_target(const StepStatements *these)
{
	const ZdmRun *base = &these->run->base;
	const ZdmStep *step = these->step;
	Oid			target = zdm_place_target(these->run, step);
	Oid			owner;

	if (!OidIsValid(target))
		return step->target_name ? ZDM_GONE : ZDM_DONE;
	owner = zdm_relation_owner(target);
	if (!OidIsValid(owner))
		return ZDM_GONE;
	if (owner != base->owner && !base->job->as_caller && (step->target_name == NULL || step->is_below))
		return ZDM_OTHER_OWNER;
	return !these->undoes && zdm_place_has_left(these->run, step) ? ZDM_GONE : ZDM_DONE;
}

/* ---------- what must come before ---------- */

/* The tree, when there is one statement and it is ALTER TABLE; otherwise NULL. */
static AlterTableStmt *
single_alter_table(const StepStatements *these)
{
	Node	   *tree;

	if (list_length(these->statements) != 1)
		return NULL;
	tree = present_statement(these, 0)->tree;
	return IsA(tree, AlterTableStmt) ? (AlterTableStmt *) tree : NULL;
}

/*
 * Add the steps without which this one cannot run.  True when there are such:
 * they come first.
 */
static bool
add_wanted(StepStatements *these)
{
	const ZdmRecipeRun *run = these->run;
	const AlterTableStmt *tree = single_alter_table(these);
	List	   *wanted;

	if (these->undoes || tree == NULL)
		return false;
	PushActiveSnapshot(GetTransactionSnapshot());
	wanted = zdm_below_wanted(run->recipe, zdm_place_target(run, these->step), these->step, tree);
	PopActiveSnapshot();
	if (wanted != NIL)
		zdm_recipe_insert(run->base.job->id, these->step->number, wanted);
	these->wanted = list_length(wanted);
	return wanted != NIL;
}

/* Note what is to be given back when the step is undone. */
static void
add_kept(StepStatements *these)
{
	const ZdmRecipeRun *run = these->run;
	Oid			target = zdm_place_target(run, these->step);
	List	   *kept;

	these->kept = 0;
	if (these->undoes || !OidIsValid(target))
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	kept = zdm_below_kept(run->recipe, target, these->step, single_alter_table(these));
	PopActiveSnapshot();
	if (kept != NIL)
		zdm_recipe_insert(run->base.job->id, these->step->number, kept);
	these->kept = list_length(kept);
}

static ZdmVerdict
find_targets_body(ZdmRun *base, void *arg)
{
	StepStatements *these = arg;
	ZdmVerdict	verdict = check_target(these);
	List	   *targets;
	MemoryContext old;

	these->wanted = 0;
	if (verdict != ZDM_DONE || add_wanted(these))
		return verdict;
	these->targets_as_of = SharedInvalidMessageCounter;
	targets = all_targets(these);
	list_free_deep(these->targets);
	these->targets = NIL;
	old = MemoryContextSwitchTo(these->run->step_mcxt);
	add_targets(&these->targets, targets);
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

/* ---------- running them ---------- */

/*
 * With all targets locked: may the statements lock something else by now?
 * Whoever changes what names mean sends an invalidation before its locks are
 * free.
 */
static bool
targets_have_changed(StepStatements *these)
{
	return SharedInvalidMessageCounter != these->targets_as_of &&
		!zdm_lock_covers(these->targets, all_targets(these));
}

/* Is it a trigger that keeps two columns in step? */
static bool
is_sync_trigger(const Node *stmt)
{
	const CreateTrigStmt *trigger = (const CreateTrigStmt *) stmt;

	return IsA(stmt, CreateTrigStmt) && list_length(trigger->funcname) == 2 &&
		strcmp(strVal(linitial(trigger->funcname)), "zdm") == 0 &&
		strcmp(strVal(lsecond(trigger->funcname)), ZDM_SYNC_FUNCTION) == 0;
}

/*
 * Has somebody made the constraint one of the table above?  Then it is theirs.
 * One that is to be given back may never have gone: its partition was detached.
 */
static bool
is_left_alone(const StepStatements *these)
{
	const AlterTableStmt *tree = single_alter_table(these);
	const AlterTableCmd *cmd = tree ? linitial_node(AlterTableCmd, tree->cmds) : NULL;
	ZdmConstraint *constraint;

	if (!these->undoes || these->step->target_name == NULL || cmd == NULL)
		return false;
	if (cmd->subtype == AT_AddConstraint)
		return zdm_constraint_load(these->step->target, castNode(Constraint, cmd->def)->conname) != NULL;
	if (cmd->subtype != AT_DropConstraint)
		return false;
	constraint = zdm_constraint_load(these->step->target, cmd->name);
	return constraint && OidIsValid(constraint->parent);
}

static void
execute_all(const StepStatements *these)
{
	for (int i = 0; i < list_length(these->statements); i++)
	{
		const ZdmStatement *statement = present_statement(these, i);
		Node	   *tree = statement->tree;

		if (is_moot(these, statement))
			continue;
		if (is_sync_trigger(tree))
			(void) zdm_sync_create_trigger((CreateTrigStmt *) tree);
		else
			zdm_ddl_execute_tree(tree, these->text);
		CommandCounterIncrement();
	}
}

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	StepStatements *these = arg;
	ZdmStep		step = *these->step;

	if (check_target(these) == ZDM_GONE || targets_have_changed(these))
		return ZDM_GONE;
	if (add_wanted(these))
		return ZDM_DONE;
	add_kept(these);
	if (!is_left_alone(these))
		execute_all(these);
	step.number += these->kept;
	zdm_job_hold_state(base->job->id, base->job->state);
	zdm_recipe_set_state(base->job->id, &step, these->undoes ? "undone" : "done");
	return ZDM_DONE;
}

static ZdmVerdict
execute_locked(StepStatements *these, ZdmError **error)
{
	ZdmLockOptions options = {.stall_ms = -1,.deadline_ms = -1};

	if (these->harmless)
		options.stall_ms = 0;
	else if (these->unknown)
		options.stall_ms = zdm_max_stall;
	return zdm_ddl_locked_with(&these->run->base, &options, these->targets, execute_body, these, error);
}

static void
add_relation(List **relations, Oid relid, const char *schema, const char *name)
{
	ZdmNamedRelation *relation = palloc(sizeof(ZdmNamedRelation));

	relation->relid = relid;
	relation->schema = schema;
	relation->name = name;
	*relations = lappend(*relations, relation);
}

/* What the statements call the relations that the step is about. */
static List *
relations_of(const ZdmRecipeRun *run, const ZdmStep *step)
{
	const ZdmJob *job = run->base.job;
	const ZdmRecipe *recipe = run->recipe;
	List	   *relations = NIL;

	if (step->target_name && OidIsValid(step->target))
		add_relation(&relations, step->target, step->target_schema, step->target_name);
	if (OidIsValid(job->target) && recipe->target_name)
		add_relation(&relations, job->target, recipe->target_schema, recipe->target_name);
	else if (OidIsValid(job->target))
		add_relation(&relations, job->target, job->target_schema, job->target_name);
	return relations;
}

/* After ZDM_GONE: the relation may be gone, or called something else now.  False when the run has ended. */
static bool
may_look_again(StepStatements *these, bool *left_out)
{
	ZdmRun	   *base = &these->run->base;
	ZdmPlace	place;

	if (these->step->target_name == NULL)
		return !(OidIsValid(base->job->target) && zdm_run_target_is_gone(base)) &&
			zdm_pause(base, CHANGED_PAUSE_MS);
	if (!zdm_place_look(these->run, these->step, &place))
		return false;
	*left_out = these->undoes ? place.gone : place.left;
	if (*left_out)
		return zdm_place_leave_out(these->run, these->step, these->undoes ? "undone" : "done");
	return zdm_pause(base, CHANGED_PAUSE_MS);
}

/*
 * Try until they have run, the step has been left out, or other steps have
 * been added before it.  False when the run has ended.
 */
static bool
try_statements(StepStatements *these)
{
	ZdmRun	   *base = &these->run->base;
	bool		left_out = false;
	ZdmVerdict	verdict;
	ZdmError   *error;

	while (!left_out)
	{
		verdict = zdm_txn(base, 0, find_targets_body, these, &error);
		if (verdict == ZDM_DONE && these->wanted == 0)
			verdict = execute_locked(these, &error);
		if (verdict == ZDM_DONE)
			return true;
		if (base->ended)
			return false;
		if (verdict == ZDM_GONE ? !may_look_again(these, &left_out) :
			!zdm_verdict_try_again(base, zdm_place_target(these->run, these->step), verdict, error))
			return false;
	}
	return true;
}

/*
 * Run a step's statements, or those that undo it.  False when the run has
 * ended; otherwise the recipe may have been loaded again.
 */
bool
zdm_recipe_do_ddl(ZdmRecipeRun *run, ZdmStep *step, bool undoes)
{
	StepStatements these = {.run = run,.step = step,.undoes = undoes};
	ZdmRun	   *base = &run->base;

	these.text = undoes ? step->undo : step->statement;
	base->activity = these.text;
	MemoryContextReset(run->step_mcxt);
	MemoryContextSwitchTo(run->step_mcxt);
	these.statements = zdm_statement_parse_list(these.text);
	these.relations = relations_of(run, step);
	MemoryContextSwitchTo(base->run_mcxt);
	if (!try_statements(&these))
		return false;
	zdm_run_progressed(base);
	zdm_say_progress(base);
	if (these.wanted > 0)
		zdm_note_event(base, "steps added",
					   psprintf("%d, for partitions that have no such foreign key", these.wanted));
	if (these.wanted > 0 || these.kept > 0)
		return !base->ended && zdm_recipe_load_again(run);
	step->done = !undoes;
	return true;
}
