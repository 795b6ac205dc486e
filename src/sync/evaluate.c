/*
 * evaluate.c
 *	  Evaluating the expressions of a mapping over a row.
 *
 * They run as whoever writes the row, under the settings recorded with the
 * mapping where these can matter.  A subtransaction is begun only to survive
 * an error, and only for an expression that some value could make fail.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/image.h"
#include "executor/executor.h"
#include "sync/evaluate.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

typedef struct Evaluation
{
	const ZdmSyncProgram *program;
	const ZdmSyncExpr *expr;
	Relation	rel;
} Evaluation;

/*
 * Is the error about a value, so that another row may do better?  Everything
 * else (a cancelled query, a deadlock, a missing right) is no matter of the
 * mapping.
 */
static bool
is_about_a_value(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_CASE_NOT_FOUND:
		case ERRCODE_CARDINALITY_VIOLATION:
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_SQL_ROUTINE_EXCEPTION:
		case ERRCODE_EXTERNAL_ROUTINE_EXCEPTION:
		case ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION:
		case ERRCODE_PLPGSQL_ERROR:
			return sqlerrcode != ERRCODE_ASSERT_FAILURE;
		default:
			return false;
	}
}

static bool
is_not_null(Relation rel, const char *column)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), column) == 0)
			return TupleDescAttr(desc, i)->attnotnull;
	}
	return false;
}

/* A callback is also called for notices, which need no advice. */
static void
error_context(void *arg)
{
	const Evaluation *evaluation = arg;
	const ZdmMapping *mapping = evaluation->program->mapping;
	const char *column = evaluation->expr == &evaluation->program->forward ? mapping->new_column : mapping->old_column;

	errcontext("zdm mapping " INT64_FORMAT " on table \"%s\", column \"%s\": %s", mapping->id,
			   RelationGetRelationName(evaluation->rel),
			   column, evaluation->expr->source);
	if (mapping->on_error != ZDM_ON_ERROR_FAIL || !is_about_a_value(geterrcode()))
		return;
	if (is_not_null(evaluation->rel, column))
		errhint("Correct the value: column \"%s\" is NOT NULL and has to get one.", column);
	else
		errhint("Correct the value. To let such statements through, with NULL in column \"%s\", run zdm.set_mapping_on_error(migration, 'null').",
				column);
}

static void
evaluate(ZdmSyncProgram *program, const ZdmSyncExpr *expr, TupleTableSlot *slot, Relation rel,
		 ZdmSyncValue *value)
{
	Evaluation	evaluation = {program, expr, rel};
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = error_context,
	.arg = &evaluation};
	int			nestlevel;

	error_context_stack = &callback;
	nestlevel = expr->pinned ? zdm_pinned_enter(expr->pinned) : 0;
	program->econtext->ecxt_scantuple = slot;
	value->value = ExecEvalExprSwitchContext(expr->state, program->econtext, &value->isnull);
	if (nestlevel > 0)
		zdm_session_restore(nestlevel);
	error_context_stack = callback.previous;
}

static void
evaluate_in_subtransaction(ZdmSyncProgram *program, const ZdmSyncExpr *expr,
						   TupleTableSlot *slot, Relation rel, ZdmSyncValue *value)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		evaluate(program, expr, slot, rel, value);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		value->error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		/* what the functions keep for themselves may be half done */
		program->valid = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	if (value->error && !is_about_a_value(value->error->sqlerrcode))
		ReThrowError(value->error);
}

/* Is the result NULL whatever the function, because a column is? */
static bool
is_null_by_input(const ZdmSyncExpr *expr, TupleTableSlot *slot)
{
	if (!expr->strict)
		return false;
	for (int i = 0; i < expr->ninputs; i++)
	{
		if (slot_attisnull(slot, expr->inputs[i]))
			return true;
	}
	return false;
}

/*
 * What the expression is for the row, in memory that lasts until
 * zdm_sync_give_back().  An error of it is raised, with what it was about.
 */
ZdmSyncValue
zdm_sync_evaluate(ZdmSyncProgram *program, const ZdmSyncExpr *expr, TupleTableSlot *slot,
				  Relation rel)
{
	ZdmSyncValue value = {.isnull = true};

	if (!is_null_by_input(expr, slot))
		evaluate(program, expr, slot, rel, &value);
	return value;
}

/*
 * The same, but an error that is about a value is returned, in the current
 * memory context.
 */
ZdmSyncValue
zdm_sync_try_evaluate(ZdmSyncProgram *program, const ZdmSyncExpr *expr, TupleTableSlot *slot,
					  Relation rel)
{
	ZdmSyncValue value = {.isnull = true};

	if (is_null_by_input(expr, slot))
		return value;
	if (expr->infallible)
		evaluate(program, expr, slot, rel, &value);
	else
		evaluate_in_subtransaction(program, expr, slot, rel, &value);
	return value;
}

/* See evaluate.h. */
bool
zdm_sync_has_value(TupleTableSlot *slot, const ZdmSyncColumn *column, const ZdmSyncValue *value)
{
	bool		isnull;
	Datum		now = slot_getattr(slot, column->attno, &isnull);

	if (isnull || value->isnull)
		return isnull == value->isnull;
	return !zdm_image_differs(column->image, now, value->value);
}
