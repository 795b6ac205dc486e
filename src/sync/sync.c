/*
 * sync.c
 *	  The trigger function zdm.sync(): keeps the two sides of a row in step.
 *
 * BEFORE INSERT OR UPDATE FOR EACH ROW.  It finds out by value what the
 * statement has written, asks decide.c what to do, and evaluates what that
 * needs.  Where neither side was written it compares and does nothing else.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tupmacs.h"
#include "commands/trigger.h"
#include "core/image.h"
#include "core/row_key.h"
#include "fmgr.h"
#include "sync/activity.h"
#include "sync/decide.h"
#include "sync/evaluate.h"
#include "sync/program.h"
#include "sync/statement.h"
#include "sync/sync.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_sync);

/* a row at work */
typedef struct Row
{
	const TriggerData *data;
	ZdmSyncProgram *program;
	TupleTableSlot *slot;		/* as it is to be stored */
	TupleTableSlot *before;		/* NULL in an INSERT */
	HeapTuple	tuple;			/* slot's */
	ZdmSyncFacts facts;
	ZdmSyncDecision decision;
} Row;

/* The statement of a backfill that assigns forward to the column itself. */
static const QueryDesc *filling_query = NULL;
static int64 filling_mapping = 0;

/*
 * Between this and its counterpart with NULL: what query, when it is the
 * innermost one, assigns to the new column of the mapping is forward, of the
 * same row.  It saves evaluating that again.  For a backfill; an error in
 * between must lead to the counterpart, too.
 */
void
zdm_sync_filling(const QueryDesc *query, int64 mapping_id)
{
	filling_query = query;
	filling_mapping = mapping_id;
}

static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (CALLED_AS_TRIGGER(fcinfo) && TRIGGER_FIRED_BEFORE(data->tg_event) &&
		TRIGGER_FIRED_FOR_ROW(data->tg_event) &&
		(TRIGGER_FIRED_BY_INSERT(data->tg_event) || TRIGGER_FIRED_BY_UPDATE(data->tg_event)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"zdm.sync\" is for triggers BEFORE INSERT OR UPDATE FOR EACH ROW"),
			 errhint("zdm makes such triggers itself; drop this one.")));
}

/* ---- what the statement has written ---- */

/*
 * The common case, without looking at values: an UPDATE by the executor that
 * assigns to neither side, with nobody else to change the row, which is filled.
 */
static bool
touches_neither_side(const Row *row)
{
	const ZdmSyncProgram *program = row->program;

	return row->before != NULL && program->only_trigger && zdm_sync_query() != NULL &&
		row->data->tg_updatedcols != NULL &&
		!bms_overlap(program->sides, row->data->tg_updatedcols) &&
		!heap_attisnull(row->tuple, program->new_column.attno, row->slot->tts_tupleDescriptor);
}

static bool
changed(const Row *row, const ZdmSyncColumn *column)
{
	int			i = column->attno - 1;

	if (row->slot->tts_isnull[i] || row->before->tts_isnull[i])
		return row->slot->tts_isnull[i] != row->before->tts_isnull[i];
	return zdm_image_differs(column->image, row->slot->tts_values[i], row->before->tts_values[i]);
}

static bool
named(const Row *row, const ZdmSyncColumn *column)
{
	return bms_is_member(column->attno - FirstLowInvalidHeapAttributeNumber,
						 row->data->tg_updatedcols);
}

static void
see_names(Row *row)
{
	const ZdmSyncProgram *program = row->program;

	row->facts.new_named = named(row, &program->new_column);
	for (int i = 0; i < program->nold && !row->facts.old_named; i++)
		row->facts.old_named = named(row, &program->old_side[i]);
	if (row->facts.old_named != row->facts.new_named &&
		!zdm_sync_names_columns(row->data->tg_relation))
		row->facts.old_named = row->facts.new_named = false;
}

static void
see_update(Row *row)
{
	const ZdmSyncProgram *program = row->program;

	slot_getsomeattrs(row->before, program->max_attno);
	row->facts.event = ZDM_SYNC_UPDATE;
	row->facts.new_changed = changed(row, &program->new_column);
	for (int i = 0; i < program->nold && !row->facts.old_changed; i++)
		row->facts.old_changed = changed(row, &program->old_side[i]);
	if (!row->facts.new_changed && !row->facts.old_changed)
		see_names(row);
}

static void
see_insert(Row *row)
{
	ZdmSyncMove move = zdm_sync_moves_rows(row->data->tg_relation);

	row->facts.event = row->facts.new_is_null && move != ZDM_SYNC_MOVES_NO ? ZDM_SYNC_MOVED : ZDM_SYNC_INSERT;
	row->facts.was_there = move == ZDM_SYNC_MOVES;
}

/* The old side is NULL when the old column is, or, without one, all of it. */
static bool
old_is_null(const Row *row)
{
	const ZdmSyncProgram *program = row->program;

	if (program->old_column.attno != 0)
		return row->slot->tts_isnull[program->old_column.attno - 1];
	for (int i = 0; i < program->nold; i++)
	{
		if (!row->slot->tts_isnull[program->old_side[i].attno - 1])
			return false;
	}
	return true;
}

static void
see(Row *row)
{
	slot_getsomeattrs(row->slot, row->program->max_attno);
	row->facts.new_is_null = row->slot->tts_isnull[row->program->new_column.attno - 1];
	row->facts.old_is_null = old_is_null(row);
	if (row->before)
		see_update(row);
	else
		see_insert(row);
}

static bool
is_filled_by_us(const Row *row)
{
	return row->facts.new_changed && !row->facts.old_changed && filling_query != NULL &&
		row->program->only_trigger && filling_mapping == row->program->mapping->id &&
		filling_query == zdm_sync_query();
}

/* ---- what is done about it ---- */

static void
count(const Row *row, ZdmSyncCount kind, const char *message)
{
	int64		mapping_id = row->program->mapping->id;

	if (zdm_sync_count(mapping_id, kind))
		zdm_sync_sample(mapping_id, kind, RelationGetRelid(row->data->tg_relation),
						zdm_row_key(row->data->tg_relation, row->slot), message);
}

/*
 * Can the other expression not make the row consistent?  When the row was
 * consistent by the expression that is to be applied, what the other one says
 * has not changed since, and did not need to be asked then.  This saves a
 * subtransaction.  (Only with expressions for which there and back and there
 * is not the same as there would it make a difference; consistent is the row in
 * either case.)
 */
static bool
was_consistent(Row *row, const ZdmSyncExpr *applied, const ZdmSyncExpr *other)
{
	ZdmSyncValue value;

	if (row->before == NULL || !applied->infallible ||
		row->facts.old_changed == row->facts.new_changed)
		return false;
	if (applied == &row->program->forward && !other->alone)
		return false;
	value = zdm_sync_evaluate(row->program, applied, row->before, row->data->tg_relation);
	return zdm_sync_has_value(row->before, &applied->target, &value);
}

/* Is the row consistent by the expression that is not to be applied? */
static bool
is_consistent_by(Row *row, const ZdmSyncExpr *other, const ZdmSyncExpr *applied)
{
	ZdmSyncValue value;

	if (other->state == NULL)
		return false;
	if (applied && !other->infallible && was_consistent(row, applied, other))
		return false;
	value = zdm_sync_try_evaluate(row->program, other, row->slot, row->data->tg_relation);
	return value.error == NULL && zdm_sync_has_value(row->slot, &other->target, &value);
}

/*
 * Put a value into the tuple and the slot that holds it, in place of another
 * one of the same length.  The tuple is the executor's own copy, made for the
 * triggers, and the slot's values are what later triggers and the executor
 * look at.  False when that is not possible.
 */
static bool
replace_in_place(Row *row, const ZdmSyncColumn *column, const ZdmSyncValue *value)
{
	TupleDesc	desc = row->slot->tts_tupleDescriptor;
	HeapTupleHeader header = row->tuple->t_data;
	char	   *data = (char *) header + header->t_hoff;
	int			i = column->attno - 1;
	uint32		offset = 0;

	if (!TupleDescAttr(desc, i)->attbyval || value->isnull || row->slot->tts_isnull[i] ||
		HeapTupleHeaderGetNatts(header) < column->attno)
		return false;
	for (int before = 0; before <= i; before++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, before);

		if (HeapTupleHasNulls(row->tuple) && att_isnull(before, header->t_bits))
			continue;
		offset = att_align_pointer(offset, att->attalign, att->attlen, data + offset);
		if (before < i)
			offset = att_addlength_pointer(offset, att->attlen, data + offset);
	}
	store_att_byval(data + offset, value->value, TupleDescAttr(desc, i)->attlen);
	row->slot->tts_values[i] = value->value;
	return true;
}

static HeapTuple
with_value(Row *row, const ZdmSyncColumn *column, const ZdmSyncValue *value)
{
	TupleDesc	desc = row->slot->tts_tupleDescriptor;
	ZdmSyncProgram *program = row->program;

	if (replace_in_place(row, column, value))
		return row->tuple;
	slot_getallattrs(row->slot);
	memcpy(program->values, row->slot->tts_values, sizeof(Datum) * desc->natts);
	memcpy(program->nulls, row->slot->tts_isnull, sizeof(bool) * desc->natts);
	program->values[column->attno - 1] = value->value;
	program->nulls[column->attno - 1] = value->isnull;
	return heap_form_tuple(desc, program->values, program->nulls);
}

static HeapTuple
apply(Row *row, const ZdmSyncExpr *expr)
{
	Relation	rel = row->data->tg_relation;
	ZdmSyncValue value;

	if (row->program->mapping->on_error == ZDM_ON_ERROR_FAIL && !row->decision.tolerant)
		value = zdm_sync_evaluate(row->program, expr, row->slot, rel);
	else
		value = zdm_sync_try_evaluate(row->program, expr, row->slot, rel);
	if (value.error)
	{
		count(row, ZDM_COUNT_ERROR, value.error->message);
		if (row->decision.tolerant)
			return row->tuple;
	}
	if (zdm_sync_has_value(row->slot, &expr->target, &value))
		return row->tuple;
	if (row->decision.count == ZDM_COUNT_CONFLICT)
		count(row, ZDM_COUNT_CONFLICT, expr == &row->program->forward ?
			  "both sides were changed; the old one was kept" :
			  "both sides were changed; the new one was kept");
	return with_value(row, &expr->target, &value);
}

static HeapTuple
carry_out(Row *row)
{
	const ZdmSyncExpr *forward = &row->program->forward;
	const ZdmSyncExpr *reverse = &row->program->reverse;

	switch (row->decision.action)
	{
		case ZDM_SYNC_FORWARD:
			if (row->decision.if_inconsistent && is_consistent_by(row, reverse, forward))
				return row->tuple;
			return apply(row, forward);
		case ZDM_SYNC_REVERSE:
			if (is_consistent_by(row, forward, reverse))
				return row->tuple;
			return apply(row, reverse);
		case ZDM_SYNC_LEAVE:
			if (!is_consistent_by(row, forward, NULL))
				count(row, row->decision.count, "the new side was changed, and there is no reverse expression");
			return row->tuple;
		case ZDM_SYNC_NOTHING:
			break;
	}
	return row->tuple;
}

/* zdm.sync(), see above. */
Datum
zdm_sync(PG_FUNCTION_ARGS)
{
	Row			row = {.data = (TriggerData *) fcinfo->context};
	HeapTuple	result;

	check_call(fcinfo);
	row.program = zdm_sync_program(fcinfo, row.data);
	if (TRIGGER_FIRED_BY_UPDATE(row.data->tg_event))
	{
		row.slot = row.data->tg_newslot;
		row.before = row.data->tg_trigslot;
		row.tuple = row.data->tg_newtuple;
	}
	else
	{
		row.slot = row.data->tg_trigslot;
		row.tuple = row.data->tg_trigtuple;
	}

	if (row.program->is_followed)
		count(&row, ZDM_COUNT_DRIFT, "a trigger that fires later may have changed the row");
	if (touches_neither_side(&row))
		return PointerGetDatum(row.tuple);
	see(&row);
	row.decision = zdm_sync_decide(row.program->mapping, &row.facts);
	if (row.decision.action == ZDM_SYNC_NOTHING || is_filled_by_us(&row))
		return PointerGetDatum(row.tuple);

	row.program = zdm_sync_take(row.program, row.data);
	result = carry_out(&row);
	zdm_sync_give_back(row.program);
	return PointerGetDatum(result);
}
