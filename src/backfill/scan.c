/*
 * scan.c
 *	  The scan under a batch: PostgreSQL's TID range scan, with a loop of our
 *	  own on top.
 *
 * Each row of a page is seen once a stripe and taken once.  Passing the others
 * by in a tight loop, before the executor evaluates anything of them, is a
 * third of a backfill's time.  in_stripe() stays in the statement's WHERE: it
 * decides, this is only faster.  EvalPlanQual builds executor nodes of its
 * own and is not affected.
 *
 * A scan that only reads does not prune: the pages of the last stripes would
 * be changed, and after a checkpoint logged whole, once more.
 *
 * Between rows, when no lock of shared memory is held, the processor is
 * offered to whoever waits for it.  A scheduler lets one that only computes
 * finish its slice, some milliseconds, while a query of the application that
 * has just been woken waits; a low priority instead would leave the worker off
 * the processor with a page locked.
 */
#include "postgres.h"

#include <sched.h>

#include "access/tableam.h"
#include "backfill/scan.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"

/* some 50 us of updates; one call costs 0.2 us */
#define ROWS_BETWEEN_YIELDS 16

/* of the one statement that runs; statements do not nest */
static const ZdmRange *scan_range;
static bool scan_reads_only;

static void
give_way(void)
{
	static int	rows = 0;

	if (++rows < ROWS_BETWEEN_YIELDS)
		return;
	rows = 0;
	sched_yield();
}

static TableScanDesc
begin_scan(TidRangeScanState *node)
{
	ItemPointerData from = scan_range->from;
	ItemPointerData last = scan_range->to;
	TableScanDesc scan;

	ItemPointerDec(&last);
	scan = table_beginscan_tidrange(node->ss.ss_currentRelation,
									node->ss.ps.state->es_snapshot, &from, &last);
	if (scan_reads_only)
		scan->rs_flags &= ~SO_ALLOW_PAGEMODE;
	node->ss.ss_currentScanDesc = scan;
	return scan;
}

/* The next row of the stripe; false at the end. */
static bool
next_of_stripe(TableScanDesc scan, TupleTableSlot *slot)
{
	int			stripes = scan_range->stripes;

	do
	{
		if (!table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
			return false;
	} while (stripes > 1 &&
			 ItemPointerGetOffsetNumberNoCheck(&slot->tts_tid) % stripes != scan_range->stripe);
	return true;
}

static TupleTableSlot *
exec_scan(PlanState *ps)
{
	TidRangeScanState *node = castNode(TidRangeScanState, ps);
	TableScanDesc scan = node->ss.ss_currentScanDesc;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	ExprContext *econtext = ps->ps_ExprContext;

	if (scan == NULL)
		scan = begin_scan(node);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		give_way();
		ResetExprContext(econtext);
		if (!next_of_stripe(scan, slot))
			return ExecClearTuple(ps->ps_ProjInfo ? ps->ps_ProjInfo->pi_state.resultslot : slot);
		econtext->ecxt_scantuple = slot;
		if (ExecQual(ps->qual, econtext))
			return ps->ps_ProjInfo ? ExecProject(ps->ps_ProjInfo) : slot;
	}
}

/*
 * Between ExecutorStart() and ExecutorRun() of a batch's statement.  A plan
 * of another shape (a filter that is never true) is left as it is.  range
 * must last as long as the execution.
 */
void
zdm_scan_install(QueryDesc *desc, const ZdmRange *range)
{
	PlanState  *ps = desc->planstate;

	if (IsA(ps, ModifyTableState))
		ps = outerPlanState(ps);
	if (!IsA(ps, TidRangeScanState))
		return;
	scan_range = range;
	scan_reads_only = desc->operation == CMD_SELECT;
	ExecSetExecProcNode(ps, exec_scan);
}
