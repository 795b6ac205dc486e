/*
 * rows.c
 *	  Looks at rows: which of them are not consistent with the mapping.
 *
 * A row on which the expression fails is one of those, with its error.  The
 * error ends the transaction; in the next one that looks at these pages each
 * row is evaluated in a subtransaction of its own, which costs too much to be
 * done always.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "verify/run.h"
#include "verify/sample.h"
#include "violation/violation.h"

/* How the rows of one relation are looked at. */
typedef struct RowTest
{
	ZdmVerify  *v;
	Relation	rel;
	ZdmLook    *look;
	TupleTableSlot *slot;
	Expr	   *consistent_expr;
	Expr	   *forward_expr;

	/* made anew after an error, which may have left anything in them */
	ExprState  *consistent;
	ExprState  *forward;
	ExprContext *econtext;
} RowTest;

static void
prepare(RowTest *test)
{
	EState	   *estate = CreateExecutorState();

	test->consistent = ExecPrepareExpr(test->consistent_expr, estate);
	test->forward = ExecPrepareExpr(test->forward_expr, estate);
	test->econtext = GetPerTupleExprContext(estate);
	test->econtext->ecxt_scantuple = test->slot;
}

static bool
is_consistent(RowTest *test)
{
	bool		isnull;
	Datum		value = ExecEvalExprSwitchContext(test->consistent, test->econtext, &isnull);

	if (!test->econtext->ecxt_per_tuple_memory->isReset)
		ResetExprContext(test->econtext);
	return !isnull && DatumGetBool(value);
}

/* ---- in a subtransaction ---- */

typedef void (*RowStep) (RowTest *test, void *arg);

static ZdmError *
end_subtransaction(RowTest *test)
{
	MemoryContext old = MemoryContextSwitchTo(test->v->base.batch_mcxt);
	ErrorData  *edata = CopyErrorData();
	ZdmError   *error = palloc0(sizeof(ZdmError));

	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	error->sqlerrcode = edata->sqlerrcode;
	error->message = edata->message ? edata->message : pstrdup("unknown error");
	if (zdm_txn_classify(&test->v->base, error) != ZDM_ROW_ERROR)
		ReThrowError(edata);
	MemoryContextSwitchTo(old);
	return error;
}

/*
 * Do something with the row; its error, in batch_mcxt, when that fails because of the row.
 * Other errors go on.
 */
static ZdmError *
guarded(RowTest *test, RowStep step, void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ZdmError   *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		step(test, arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		error = end_subtransaction(test);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	if (error)
		prepare(test);
	return error;
}

static void
evaluate_step(RowTest *test, void *arg)
{
	*(bool *) arg = is_consistent(test);
}

/* ---- what is told of a row ---- */

static char *
cut(const char *text)
{
	int			len = strlen(text);

	return len <= ZDM_SAMPLE_VALUE_LIMIT ? pstrdup(text) :
		psprintf("%.*s...", pg_mbcliplen(text, len, ZDM_SAMPLE_VALUE_LIMIT), text);
}

static char *
value_text(Oid type, Datum value, bool isnull)
{
	Oid			output;
	bool		is_varlena;

	if (isnull)
		return NULL;
	getTypeOutputInfo(type, &output, &is_varlena);
	return cut(OidOutputFunctionCall(output, value));
}

static char *
column_text(const RowTest *test, AttrNumber attno)
{
	bool		isnull;
	Datum		value = slot_getattr(test->slot, attno, &isnull);

	return value_text(TupleDescAttr(RelationGetDescr(test->rel), attno - 1)->atttypid, value, isnull);
}

/* The old side of the row: the old column, or what forward reads. */
static char *
old_side_text(const RowTest *test)
{
	const ZdmMapping *mapping = test->v->mapping;
	AttrNumber	columns[MaxHeapAttributeNumber];
	Bitmapset  *read = NULL;
	int			ncolumns = 0;
	int			bit = -1;

	if (mapping->old_column)
		return column_text(test, get_attnum(RelationGetRelid(test->rel), mapping->old_column));
	pull_varattnos((Node *) test->forward_expr, 1, &read);
	while ((bit = bms_next_member(read, bit)) >= 0)
	{
		if (bit + FirstLowInvalidHeapAttributeNumber > 0)
			columns[ncolumns++] = bit + FirstLowInvalidHeapAttributeNumber;
	}
	if (ncolumns == 1)
		return column_text(test, columns[0]);
	return ncolumns == 0 ? NULL : cut(zdm_violation_values(test->rel, test->slot, columns, ncolumns));
}

/* What forward makes of the row may fail; then the rest is told. */
static void
sample_step(RowTest *test, void *arg)
{
	ZdmRowSample *sample = arg;
	AttrNumber	attno = get_attnum(RelationGetRelid(test->rel), test->v->mapping->new_column);
	Datum		value;
	bool		isnull;

	sample->row_key = zdm_violation_key(test->rel, test->slot);
	sample->old_value = old_side_text(test);
	sample->new_value = column_text(test, attno);
	value = ExecEvalExpr(test->forward, test->econtext, &isnull);
	sample->expected = value_text(TupleDescAttr(RelationGetDescr(test->rel), attno - 1)->atttypid, value, isnull);
}

/* Keep what is told of the row; what row security hides from the owner is not. */
static void
list_row(RowTest *test, const ZdmError *error)
{
	ZdmRowSample sample = {0};

	if (check_enable_rls(RelationGetRelid(test->rel), InvalidOid, true) != RLS_ENABLED)
		(void) guarded(test, sample_step, &sample);
	zdm_sample_store(test->v->base.job->id, test->rel, &test->slot->tts_tid, &sample, error);
	test->look->listed++;
}

/* ---- rows ---- */

static void
look_at_row(RowTest *test)
{
	ZdmVerify  *v = test->v;
	ZdmError   *error = NULL;
	bool		consistent = false;

	test->look->rows++;
	if (v->row_by_row)
		error = guarded(test, evaluate_step, &consistent);
	else
		consistent = is_consistent(test);
	if (consistent)
		return;
	test->look->inconsistent++;
	if (v->listed + test->look->listed < ZDM_SAMPLE_LIMIT)
		list_row(test, error);
}

static void
note_place(void *arg)
{
	RowTest    *test = arg;

	if (!TTS_EMPTY(test->slot))
		test->v->error_row = test->slot->tts_tid;
}

static void
look_at_pages(RowTest *test, ZdmPageScan *scan)
{
	ZdmLook    *look = test->look;
	ErrorContextCallback callback = {.callback = note_place,.arg = test,.previous = error_context_stack};

	error_context_stack = &callback;
	test->v->base.at_rows = true;
	while (zdm_page_scan_next_page(scan))
	{
		while (zdm_page_scan_next_row(scan))
			look_at_row(test);
		if (look->stop && look->stop(look->stop_arg))
		{
			look->next = scan->block + 1;
			break;
		}
	}
	test->v->base.at_rows = false;
	error_context_stack = callback.previous;
}

/*
 * Look at the rows of look's range that the active snapshot sees.  In a
 * transaction, rel locked and open.  Counts and samples are the caller's to
 * keep, once it has committed.
 */
void
zdm_verify_look(ZdmVerify *v, Relation rel, ZdmLook *look)
{
	RowTest		test = {.v = v,.rel = rel,.look = look};
	ZdmPageScan *scan = zdm_page_scan_begin(rel, GetActiveSnapshot(), look->from, look->to);

	zdm_page_scan_leave_out(scan, &look->seen);
	look->next = look->to;
	test.slot = scan->slot;
	test.consistent_expr = zdm_mapping_consistent_expr(rel, v->mapping, 1);
	test.forward_expr = zdm_mapping_forward_expr(rel, v->mapping, 1);
	prepare(&test);
	look_at_pages(&test, scan);
	zdm_page_scan_end(scan);
}
