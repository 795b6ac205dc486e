/*
 * do_ddl.c
 *	  Steps of kind "ddl": statements under their locks, in the transaction that
 *	  notes that they are done.
 *
 * Several statements of one step are one to the application: their locks are
 * taken together, the strongest on each relation, and given back together.  A
 * later one may refer to what an earlier one makes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "core/settings.h"
#include "ddl/lock.h"
#include "ddl/portal.h"
#include "ddl/statement.h"
#include "ddl/targets.h"
#include "mapping/mapping.h"
#include "recipe/retarget.h"
#include "recipe/steps.h"
#include "recipe/store.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/sinval.h"
#include "sync/sync.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

/* before trying again with other locks than those that were thought of */
#define CHANGED_PAUSE_MS 100

typedef struct StepStatements
{
	ZdmRecipeRun *run;
	const ZdmStep *step;
	const char *text;
	const char *state;			/* of the step, once they have run */
	List	   *statements;		/* of ZdmStatement, as planned */
	List	   *relations;		/* of ZdmNamedRelation: what they are about */
	List	   *targets;		/* of ZdmLockTarget, in run_mcxt */
	uint64		targets_as_of;	/* count of invalidations before they were
								 * found */
	bool		unknown;		/* one of them may lock what we cannot tell */
	bool		harmless;		/* all of them are */
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
		List	   *its = i == 0 ? zdm_ddl_targets(statement) : later_targets(statement);

		these->unknown = these->unknown || its == NIL;
		these->harmless = these->harmless && statement->harmless;
		add_targets(&targets, its);
	}
	foreach(lc, these->relations)
		add_target(&targets, ((ZdmNamedRelation *) lfirst(lc))->relid, AccessShareLock);
	return targets;
}

/* The owner of the job's target; InvalidOid when it is gone. */
static Oid
target_owner(Oid target)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(target));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Is the job's target there, and still its own? */
static ZdmVerdict
check_target(const ZdmRun *base)
{
	Oid			owner;

	if (!OidIsValid(base->job->target))
		return ZDM_DONE;
	owner = target_owner(base->job->target);
	if (!OidIsValid(owner))
		return ZDM_GONE;
	return owner == base->owner || base->job->as_caller ? ZDM_DONE : ZDM_OTHER_OWNER;
}

static ZdmVerdict
find_targets_body(ZdmRun *base, void *arg)
{
	StepStatements *these = arg;
	ZdmVerdict	verdict = check_target(base);
	List	   *targets;
	MemoryContext old;

	if (verdict != ZDM_DONE)
		return verdict;
	these->targets_as_of = SharedInvalidMessageCounter;
	targets = all_targets(these);
	list_free_deep(these->targets);
	these->targets = NIL;
	old = MemoryContextSwitchTo(base->run_mcxt);
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

static ZdmVerdict
execute_body(ZdmRun *base, void *arg)
{
	StepStatements *these = arg;

	if (check_target(base) == ZDM_GONE || targets_have_changed(these))
		return ZDM_GONE;
	for (int i = 0; i < list_length(these->statements); i++)
	{
		Node	   *tree = present_statement(these, i)->tree;

		if (is_sync_trigger(tree))
			zdm_sync_create_trigger((CreateTrigStmt *) tree);
		else
			zdm_ddl_execute_tree(tree, these->text);
		CommandCounterIncrement();
	}
	zdm_recipe_set_state(base->job->id, these->step, these->state);
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

/* What the statements call the job's table. */
static List *
relations_of(const ZdmRecipeRun *run)
{
	const ZdmJob *job = run->base.job;
	ZdmNamedRelation *relation;

	if (!OidIsValid(job->target))
		return NIL;
	relation = palloc(sizeof(ZdmNamedRelation));
	relation->relid = job->target;
	relation->schema = run->recipe->target_name ? run->recipe->target_schema : job->target_schema;
	relation->name = run->recipe->target_name ? run->recipe->target_name : job->target_name;
	return list_make1(relation);
}

/* After ZDM_GONE.  False when the run has ended. */
static bool
may_look_again(ZdmRun *base)
{
	if (OidIsValid(base->job->target) && zdm_run_target_is_gone(base))
		return false;
	return zdm_pause(base, CHANGED_PAUSE_MS);
}

/*
 * Run the statements of text, which are about the step, until they have run,
 * and note the state that the step has then.  False when the run has ended.
 */
bool
zdm_recipe_do_ddl(ZdmRecipeRun *run, const ZdmStep *step, const char *text, const char *state)
{
	StepStatements these = {.run = run,.step = step};
	ZdmRun	   *base = &run->base;
	ZdmVerdict	verdict;
	ZdmError   *error;

	these.text = text;
	these.state = state;
	MemoryContextSwitchTo(base->run_mcxt);
	these.statements = zdm_statement_parse_list(text);
	these.relations = relations_of(run);
	base->activity = text;

	for (;;)
	{
		verdict = zdm_txn(base, 0, find_targets_body, &these, &error);
		if (verdict == ZDM_DONE)
			verdict = execute_locked(&these, &error);
		if (verdict == ZDM_DONE)
			break;
		if (base->ended)
			return false;
		if (verdict == ZDM_GONE ? !may_look_again(base) :
			!zdm_verdict_try_again(base, base->job->target, verdict, error))
			return false;
	}
	zdm_run_progressed(base);
	zdm_say_progress(base);
	return true;
}
