/*
 * statement.c
 *	  Plans of a backfill's statements: made, kept, checked, run.
 *
 * The target is always read by a TID range scan, through a planner hook that
 * acts only on the statement being planned, not on its sub-selects nor on
 * what functions plan that are evaluated meanwhile: no
 * setting and no statistics may turn a batch into a scan of the table.
 *
 * A plan is kept until any relation, function, type or operator of the
 * database changes.  That is coarser than the plan cache, which cannot be used
 * because it would analyze the statement again without what zdm has added to
 * the tree.
 */
#include "postgres.h"

#include "access/xact.h"
#include "backfill/predicate.h"
#include "backfill/scan.h"
#include "backfill/statement.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "compat/tree.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "storage/lmgr.h"
#include "sync/sync.h"
#include "tcop/tcopprot.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static set_rel_pathlist_hook_type prev_set_rel_pathlist_hook = NULL;
static Query *planning = NULL;	/* the statement being planned */

/* counts invalidations; a plan of an older generation is stale */
static uint64 catalog_generation = 0;

static void
relcache_changed(Datum arg, Oid relid)
{
	catalog_generation++;
}

static void
syscache_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	catalog_generation++;
}

static bool
is_tid_bound(RestrictInfo *rinfo)
{
	Oid			opno;
	Node	   *bound;

	if (!is_opclause(rinfo->clause))
		return false;
	opno = ((OpExpr *) rinfo->clause)->opno;
	bound = llast(((OpExpr *) rinfo->clause)->args);
	return (opno == TIDLessOperator || opno == TIDGreaterEqOperator) &&
		IsA(bound, Param) && ((Param *) bound)->paramkind == PARAM_EXTERN;
}

/* The only path to the target is the range of TIDs. */
static void
force_tid_range(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	List	   *bounds = NIL;
	ListCell   *lc;

	if (prev_set_rel_pathlist_hook)
		prev_set_rel_pathlist_hook(root, rel, rti, rte);
	if (planning == NULL || root->parse != planning || rti != 1)
		return;
	if (IS_DUMMY_REL(rel))
		return;					/* the filter is never true */

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);

		if (is_tid_bound(rinfo))
			bounds = lappend(bounds, rinfo);
	}
	if (list_length(bounds) != 2)
		elog(ERROR, "batch has no TID range");
	rel->pathlist = NIL;
	rel->partial_pathlist = NIL;
	add_path(rel, (Path *) create_tidrangescan_path(root, rel, bounds, NULL));
}

/* In a process that runs backfills. */
void
zdm_statement_init(void)
{
	static bool initialized = false;

	if (initialized)
		return;
	initialized = true;
	prev_set_rel_pathlist_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = force_tid_range;
	CacheRegisterRelcacheCallback(relcache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CONSTROID, syscache_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, syscache_changed, (Datum) 0);
}

/*
 * An empty set of statements with a memory context of its own, below the
 * current one: zdm_statement_keep() makes it last.
 */
ZdmStatements *
zdm_statement_create(const char *source)
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "zdm statements",
											   ALLOCSET_DEFAULT_SIZES);
	ZdmStatements *statements = MemoryContextAllocZero(mcxt, sizeof(ZdmStatements));

	statements->mcxt = mcxt;
	statements->source = MemoryContextStrdup(mcxt, source);
	AcceptInvalidationMessages();
	statements->generation = catalog_generation;
	return statements;
}

/* It is complete and outlives the transaction. */
void
zdm_statement_keep(ZdmStatements *statements)
{
	MemoryContextSetParent(statements->mcxt, TopMemoryContext);
}

/* Free it and its plans; NULL is fine. */
void
zdm_statement_free(ZdmStatements *statements)
{
	if (statements)
		MemoryContextDelete(statements->mcxt);
}

static void
lock_relations(const PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			LockRelationOid(rte->relid, rte->rellockmode);
	}
}

/*
 * True when something changed since the plans were made.  Locks what the
 * plans use, so that the answer holds to the end of the transaction.
 */
bool
zdm_statement_is_stale(const ZdmStatements *statements)
{
	lock_relations(statements->update);
	AcceptInvalidationMessages();
	return statements->generation != catalog_generation;
}

/* A parameter of the statements: $1 and $2, the range of TIDs. */
Expr *
zdm_statement_param(int paramid, Oid type)
{
	Param	   *param = makeNode(Param);

	param->paramkind = PARAM_EXTERN;
	param->paramid = paramid;
	param->paramtype = type;
	param->paramtypmod = -1;
	param->location = -1;
	return (Expr *) param;
}

/* Plan with the TID range forced on the first range table entry. */
PlannedStmt *
zdm_statement_plan(Query *query, const char *source)
{
	PlannedStmt *plan = NULL;
	Query	   *save_planning = planning;

	planning = query;
	PG_TRY();
	{
		plan = pg_plan_query(query, source, 0, NULL);
	}
	PG_FINALLY();
	{
		planning = save_planning;
	}
	PG_END_TRY();
	return plan;
}

static ParamListInfo
range_params(const ZdmRange *range)
{
	ParamListInfo params = makeParamList(2);

	params->params[0].value = PointerGetDatum(&range->from);
	params->params[1].value = PointerGetDatum(&range->to);
	for (int i = 0; i < params->numParams; i++)
	{
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = TIDOID;
	}
	return params;
}

/* a receiver that hands each row to a function */
typedef struct RowReceiver
{
	DestReceiver pub;
	bool		(*row) (TupleTableSlot *slot, struct RowReceiver *self);
	ZdmRowCallback callback;
	void	   *arg;
	uint64		unsettled;
} RowReceiver;

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	return receiver->row(slot, receiver);
}

static void
receiver_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receiver_nothing(DestReceiver *self)
{
}

static bool
count_unsettled(TupleTableSlot *slot, RowReceiver *self)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);

	if (!isnull && DatumGetBool(value))
		self->unsettled++;
	return true;
}

static bool
pass_row(TupleTableSlot *slot, RowReceiver *self)
{
	bool		isnull;
	ItemPointer tid = (ItemPointer) DatumGetPointer(slot_getattr(slot, 1, &isnull));
	TransactionId xmin = DatumGetTransactionId(slot_getattr(slot, 2, &isnull));

	return self->callback(tid, xmin, self->arg);
}

static void
init_receiver(RowReceiver *receiver)
{
	memset(receiver, 0, sizeof(RowReceiver));
	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.rShutdown = receiver_nothing;
	receiver->pub.rDestroy = receiver_nothing;
	receiver->pub.mydest = DestNone;
}

/*
 * The executor would tell indexes that none of their columns changes, and a
 * B-tree would then try at every full leaf page to delete former versions.
 * Most updates of a backfill are HOT and never get there; for the others it
 * costs a sixth of the whole time and finds next to nothing.
 */
static void
do_without_bottom_up_deletion(EState *estate)
{
	ResultRelInfo *target = estate->es_result_relations[0];

	if (target == NULL || !target->ri_RelationDesc->rd_rel->relhasindex)
		return;
	if (target->ri_IndexRelationDescs == NULL)
		ExecOpenIndices(target, false);
	for (int i = 0; i < target->ri_NumIndices; i++)
	{
		target->ri_IndexRelationInfo[i]->ii_CheckedUnchanged = true;
		target->ri_IndexRelationInfo[i]->ii_IndexUnchanged = false;
	}
}

/* Run it.  The trigger of the mapping need not evaluate again what the statement assigns. */
static void
execute(const ZdmStatements *statements, QueryDesc *desc)
{
	PG_TRY();
	{
		zdm_sync_filling(desc, statements->mapping_id);
		zdm_compat_executor_run(desc);
	}
	PG_CATCH();
	{
		zdm_sync_filling(NULL, 0);
		PG_RE_THROW();
	}
	PG_END_TRY();
	zdm_sync_filling(NULL, 0);
}

/* Run a plan over a range with a snapshot of now; returns rows processed. */
static uint64
run_plan(const ZdmStatements *statements, PlannedStmt *plan,
		 const ZdmRange *range, RowReceiver *receiver)
{
	QueryDesc  *desc;
	uint64		processed;

	lock_relations(plan);
	zdm_predicate_set_stripe(range->stripes, range->stripe);
	desc = CreateQueryDesc(plan, statements->source, GetActiveSnapshot(),
						   InvalidSnapshot, (DestReceiver *) receiver,
						   range_params(range), NULL, 0);
	ExecutorStart(desc, 0);
	zdm_scan_install(desc, range);
	if (desc->operation == CMD_UPDATE)
		do_without_bottom_up_deletion(desc->estate);
	execute(statements, desc);
	processed = desc->estate->es_processed;
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	return processed;
}

/*
 * Update the rows of a range.  Returns how many were.  Errors with
 * TRIGGERED_DATA_CHANGE_VIOLATION when one of them still matches the
 * predicate afterwards, and with whatever the update meets.  Needs an active
 * snapshot.
 */
uint64
zdm_statement_update(ZdmStatements *statements, const ZdmRange *range)
{
	RowReceiver receiver;
	uint64		processed;

	init_receiver(&receiver);
	receiver.row = count_unsettled;
	processed = run_plan(statements, statements->update, range, &receiver);
	if (receiver.unsettled > 0)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("the row still matches the backfill after its update"),
				 errdetail("The assignment gives another value when it is made again, or a trigger changed what was assigned."),
				 statements->mapping_id != 0 ?
				 errhint("Look at the BEFORE UPDATE triggers of the table, and at what the functions in the mapping read.") :
				 errhint("Give a filter that is false for a row that is right, such as \"column IS NULL\".")));
	return processed;
}

/*
 * Call callback for each row of a range that matches the predicate.  Needs an
 * active snapshot.  Changes nothing.
 */
void
zdm_statement_select(ZdmStatements *statements, const ZdmRange *range,
					 ZdmRowCallback callback, void *arg)
{
	RowReceiver receiver;

	init_receiver(&receiver);
	receiver.row = pass_row;
	receiver.callback = callback;
	receiver.arg = arg;
	(void) run_plan(statements, statements->select, range, &receiver);
}
