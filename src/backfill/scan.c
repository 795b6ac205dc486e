/*
 * scan.c
 *	  The scan under a batch: in place of the loop of PostgreSQL's TID range
 *	  scan, one of our own.
 *
 * Each page is visited once a stripe and each row taken once, so a batch with
 * stripes reads them by stripe_scan.c; one without reads as PostgreSQL does.
 * in_stripe() stays in the statement's WHERE: it decides, this is only faster.
 * EvalPlanQual builds executor nodes of its own and is not affected.
 *
 * A scan that only reads does not prune: the pages of the last stripes would
 * be changed, and after a checkpoint logged whole, once more.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "backfill/scan.h"
#include "backfill/stripe_scan.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "throttle/wal_flush.h"
#include "throttle/yield.h"

/* what a row takes: estimates */
#define ROW_NS 1000
#define WAL_BYTE_NS 8

/* of the one statement that runs; statements do not nest */
static const ZdmRange *scan_range;
static bool scan_reads_only;
static bool scan_begun;
static ZdmStripeScan *stripe_scan;	/* NULL: PostgreSQL's own scan */

static uint64 wal_seen;			/* pgWalUsage.wal_bytes at the row before */

static void
begin_scan(TidRangeScanState *node)
{
	Relation	rel = node->ss.ss_currentRelation;
	EState	   *estate = node->ss.ps.state;
	ItemPointerData from = scan_range->from;
	ItemPointerData last = scan_range->to;

	scan_begun = true;
	if (scan_range->stripes > 1 && zdm_stripe_scan_can_read(rel))
	{
		MemoryContext save_mcxt = MemoryContextSwitchTo(estate->es_query_cxt);

		stripe_scan = zdm_stripe_scan_begin(rel, estate->es_snapshot, scan_range, !scan_reads_only);
		MemoryContextSwitchTo(save_mcxt);
		return;
	}
	ItemPointerDec(&last);
	node->ss.ss_currentScanDesc = table_beginscan_tidrange(rel, estate->es_snapshot, &from, &last);
	if (scan_reads_only)
		node->ss.ss_currentScanDesc->rs_flags &= ~SO_ALLOW_PAGEMODE;
}

static bool
next_row(TidRangeScanState *node, TupleTableSlot *slot)
{
	if (stripe_scan)
		return zdm_stripe_scan_next(stripe_scan, slot);
	return table_scan_getnextslot_tidrange(node->ss.ss_currentScanDesc, ForwardScanDirection, slot);
}

/* Between two rows: make way for the application. */
static void
make_way(void)
{
	uint64		wal = pgWalUsage.wal_bytes - wal_seen;

	wal_seen = pgWalUsage.wal_bytes;
	if (zdm_yield_after(ROW_NS + Min(wal, ZDM_YIELD_INTERVAL_NS) * WAL_BYTE_NS))
		zdm_wal_flush_if_due();
}

static TupleTableSlot *
exec_scan(PlanState *ps)
{
	TidRangeScanState *node = castNode(TidRangeScanState, ps);
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	ExprContext *econtext = ps->ps_ExprContext;

	if (!scan_begun)
		begin_scan(node);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		make_way();
		ResetExprContext(econtext);
		if (!next_row(node, slot))
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
	scan_begun = false;
	stripe_scan = NULL;
	ExecSetExecProcNode(ps, exec_scan);
}
