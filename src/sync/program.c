/*
 * program.c
 *	  A mapping compiled for one trigger of one table, kept for the session.
 *
 * There is an entry for each trigger that has fired in this session, found by
 * its OID, and after the first row of a statement by fn_extra.  An entry has
 * one program for each role that has evaluated it; a function in an expression
 * may write the same table again, so a program is taken while expressions are
 * evaluated, and who finds it taken gets another one.
 *
 * A program is compiled anew once anything that its text may mean has changed:
 * the table (relcache), functions, operators, casts, schemas, roles, and the
 * types and domains that it uses.  A callback only marks; memory is freed by
 * the next compilation.
 *
 * What an error has left taken, and may be in the middle of something, is
 * thrown away with the (sub)transaction.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "executor/executor.h"
#include "mapping/arguments.h"
#include "mapping/expression.h"
#include "mapping/rights.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "sync/program.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* programs of one trigger: more roles than this take turns */
#define MAX_PROGRAMS 8

typedef struct ZdmSyncEntry
{
	Oid			trigger;		/* the key */
	Oid			table;
	ZdmSyncProgram *programs;	/* the newest first */
} ZdmSyncEntry;

static HTAB *entries = NULL;
static MemoryContext programs_mcxt = NULL;
static ZdmSyncProgram *taken = NULL;	/* the newest first, by below */
static uint64 invalidations = 0;

/* ---- invalidation ---- */

static void
invalidate(ZdmSyncEntry *entry)
{
	for (ZdmSyncProgram *program = entry->programs; program; program = program->next)
		program->valid = false;
}

static void
table_changed(Datum arg, Oid table)
{
	HASH_SEQ_STATUS scan;
	ZdmSyncEntry *entry;

	invalidations++;
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (table == InvalidOid || entry->table == table)
			invalidate(entry);
	}
}

/* Functions and the like: whatever changes, a name may mean something else. */
static void
names_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	table_changed(arg, InvalidOid);
}

static bool
uses_type(const ZdmSyncProgram *program, int cacheid, uint32 hashvalue)
{
	ListCell   *lc;

	if (hashvalue == 0)
		return true;
	foreach(lc, program->inval_items)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == cacheid && item->hashValue == hashvalue)
			return true;
	}
	return false;
}

/* Types change all the time: each temporary table has one. */
static void
type_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS scan;
	ZdmSyncEntry *entry;

	invalidations++;
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		for (ZdmSyncProgram *program = entry->programs; program; program = program->next)
		{
			if (cacheid == CONSTROID ? program->has_domain : uses_type(program, cacheid, hashvalue))
				program->valid = false;
		}
	}
}

static void
create_cache(void)
{
	static const int name_caches[] = {PROCOID, OPEROID, CASTSOURCETARGET, NAMESPACEOID,
	AUTHOID, AUTHMEMROLEMEM};
	HASHCTL		ctl = {.keysize = sizeof(Oid),.entrysize = sizeof(ZdmSyncEntry)};

	programs_mcxt = AllocSetContextCreate(CacheMemoryContext, "zdm sync", ALLOCSET_SMALL_SIZES);
	ctl.hcxt = programs_mcxt;
	entries = hash_create("zdm sync triggers", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(table_changed, (Datum) 0);
	for (int i = 0; i < lengthof(name_caches); i++)
		CacheRegisterSyscacheCallback(name_caches[i], names_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CONSTROID, type_changed, (Datum) 0);
}

/* ---- memory ---- */

static void
discard(ZdmSyncProgram *program)
{
	ZdmSyncProgram **link = &program->entry->programs;

	while (*link != program)
		link = &(*link)->next;
	*link = program->next;
	MemoryContextDelete(program->mcxt);
}

/* Free what nobody uses: what is not valid, and too many of one trigger. */
static void
sweep(void)
{
	HASH_SEQ_STATUS scan;
	ZdmSyncEntry *entry;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		ZdmSyncProgram *next;
		int			n = 0;

		for (ZdmSyncProgram *program = entry->programs; program; program = next)
		{
			next = program->next;
			if (++n >= MAX_PROGRAMS || !program->valid)
			{
				if (!program->taken)
					discard(program);
			}
		}
	}
}

/* What was taken at that level of subtransaction or below it is lost. */
static void
discard_taken(int level)
{
	while (taken && taken->level >= level)
	{
		ZdmSyncProgram *program = taken;

		taken = program->below;
		discard(program);
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		discard_taken(0);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mySubid,
					  SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		discard_taken(GetCurrentTransactionNestLevel());
}

/* From _PG_init. */
void
zdm_sync_program_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

/* ---- compilation ---- */

static void
column_of(Relation rel, const char *name, ZdmSyncColumn *column)
{
	ZdmMappingColumn type;

	zdm_mapping_column(rel, name, &type);
	column->attno = get_attnum(RelationGetRelid(rel), name);
	column->image = zdm_image_type(type.type, CurrentMemoryContext);
}

static void
find_sides(Relation rel, ZdmSyncProgram *program, const List *columns)
{
	List	   *names = list_copy(columns);
	ListCell   *lc;

	if (program->mapping->old_column)
		names = list_append_unique(names, makeString(program->mapping->old_column));
	program->old_side = palloc(sizeof(ZdmSyncColumn) * Max(list_length(names), 1));
	program->max_attno = program->new_column.attno;
	program->sides = bms_make_singleton(program->max_attno - FirstLowInvalidHeapAttributeNumber);
	foreach(lc, names)
	{
		ZdmSyncColumn *column = &program->old_side[program->nold++];

		column_of(rel, strVal(lfirst(lc)), column);
		program->max_attno = Max(program->max_attno, column->attno);
		program->sides = bms_add_member(program->sides,
										column->attno - FirstLowInvalidHeapAttributeNumber);
	}
}

static bool
not_leakproof(Oid function, void *context)
{
	return !get_func_leakproof(function);
}

/* Can it fail for some value?  A leakproof function is one that cannot. */
static bool
may_fail(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_List:
		case T_RelabelType:
		case T_CollateExpr:
		case T_BoolExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CoalesceExpr:
		case T_NullTest:
		case T_BooleanTest:
			break;
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (check_functions_in_node(node, not_leakproof, NULL))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, may_fail, context);
}

static bool
has_domain(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return IsA(node, CoerceToDomain) || expression_tree_walker(node, has_domain, context);
}

static void
find_inputs(ZdmSyncExpr *expr, Expr *tree)
{
	List	   *vars = pull_var_clause((Node *) tree, 0);
	ListCell   *lc;

	expr->inputs = palloc(sizeof(AttrNumber) * Max(list_length(vars), 1));
	foreach(lc, vars)
		expr->inputs[expr->ninputs++] = lfirst_node(Var, lc)->varattno;
}

static bool
needs_settings(const ZdmMappingExpr *analyzed)
{
	ListCell   *lc;

	if (analyzed->is_stable)
		return true;
	/* names in its body are resolved when it runs */
	foreach(lc, analyzed->functions)
	{
		if (lfirst_oid(lc) >= FirstNormalObjectId)
			return true;
	}
	return false;
}

static ZdmPinned *
pin_settings(const ZdmSessionSettings *settings)
{
	int			nestlevel = zdm_session_override(settings);
	ZdmPinned  *pinned = zdm_pinned_prepare(settings);

	zdm_session_restore(nestlevel);
	return pinned;
}

/* In the program's memory context, from what was analyzed in another one. */
static void
init_expr(ZdmSyncProgram *program, ZdmSyncExpr *expr, const ZdmMappingExpr *analyzed,
		  const char *source, const ZdmSyncColumn *target)
{
	Expr	   *tree = copyObject(analyzed->expr);
	bool		domain = has_domain((Node *) tree, NULL);

	zdm_mapping_require_rights(analyzed->functions);
	expr->source = source;
	expr->target = *target;
	find_inputs(expr, tree);
	expr->strict = expr->ninputs > 0 && !domain && !contain_nonstrict_functions((Node *) tree);
	expr->infallible = !may_fail((Node *) tree, NULL);
	if (needs_settings(analyzed))
		expr->pinned = pin_settings(&program->mapping->settings);
	expr->state = ExecInitExpr(tree, NULL);
	program->has_domain |= domain;
	program->inval_items = list_concat(program->inval_items, copyObject(analyzed->inval_items));
}

/* Is ours the only trigger that could change a row before it is updated? */
static bool
is_only_trigger(const TriggerDesc *triggers, Oid ours)
{
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgoid != ours && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			TRIGGER_FOR_ROW(trigger->tgtype) && TRIGGER_FOR_UPDATE(trigger->tgtype))
			return false;
	}
	return true;
}

/* May another trigger change a row after ours? */
static bool
is_followed(const TriggerDesc *triggers, const Trigger *ours)
{
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_ROW(trigger->tgtype) &&
			(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)) &&
			trigger->tgenabled != TRIGGER_DISABLED && trigger->tgfoid != ours->tgfoid &&
			strcmp(trigger->tgname, ours->tgname) > 0)
			return true;
	}
	return false;
}

static void
compile_mapping(ZdmSyncProgram *program, const TriggerData *data, MemoryContext scratch)
{
	Relation	rel = data->tg_relation;
	ZdmMapping *mapping = program->mapping;
	ZdmMappingExpr *analyzed;

	column_of(rel, mapping->new_column, &program->new_column);
	if (mapping->old_column)
		column_of(rel, mapping->old_column, &program->old_column);

	MemoryContextSwitchTo(scratch);
	analyzed = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_NEW, NULL);
	MemoryContextSwitchTo(program->mcxt);
	find_sides(rel, program, analyzed->columns);
	init_expr(program, &program->forward, analyzed, mapping->forward, &program->new_column);
	if (mapping->reverse)
	{
		MemoryContextSwitchTo(scratch);
		analyzed = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_OLD, NULL);
		MemoryContextSwitchTo(program->mcxt);
		init_expr(program, &program->reverse, analyzed, mapping->reverse, &program->old_column);
		program->reverse.alone = list_length(analyzed->columns) == 1;
	}
	program->only_trigger = is_only_trigger(rel->trigdesc, data->tg_trigger->tgoid);
	program->is_followed = is_followed(rel->trigdesc, data->tg_trigger);
	program->econtext = CreateStandaloneExprContext();
	program->values = palloc(sizeof(Datum) * RelationGetDescr(rel)->natts);
	program->nulls = palloc(sizeof(bool) * RelationGetDescr(rel)->natts);
}

static void
compile_error_context(void *arg)
{
	const TriggerData *data = arg;

	errcontext("zdm trigger \"%s\" on table \"%s\"", data->tg_trigger->tgname,
			   RelationGetRelationName(data->tg_relation));
}

/* A program of the entry for the current role. */
static ZdmSyncProgram *
compile(ZdmSyncEntry *entry, const TriggerData *data)
{
	MemoryContext scratch = CurrentMemoryContext;
	MemoryContext mcxt = AllocSetContextCreate(scratch, "zdm sync program", ALLOCSET_SMALL_SIZES);
	uint64		seen = invalidations;
	ErrorContextCallback callback = {.previous = error_context_stack,.callback = compile_error_context,
	.arg = unconstify(TriggerData *, data)};
	ZdmSyncProgram *program;

	error_context_stack = &callback;
	sweep();
	MemoryContextSwitchTo(mcxt);
	program = palloc0(sizeof(ZdmSyncProgram));
	program->mcxt = mcxt;
	program->entry = entry;
	program->role = GetUserId();
	program->mapping = zdm_mapping_parse(data->tg_trigger);
	compile_mapping(program, data, scratch);
	MemoryContextSwitchTo(scratch);
	MemoryContextSetParent(mcxt, programs_mcxt);
	error_context_stack = callback.previous;

	program->valid = seen == invalidations;
	program->next = entry->programs;
	entry->programs = program;
	return program;
}

/* ---- use ---- */

static ZdmSyncEntry *
find_entry(const TriggerData *data)
{
	Oid			trigger = data->tg_trigger->tgoid;
	ZdmSyncEntry *entry;
	bool		found;

	if (entries == NULL)
		create_cache();
	entry = hash_search(entries, &trigger, HASH_ENTER, &found);
	if (!found)
		entry->programs = NULL;
	entry->table = RelationGetRelid(data->tg_relation);
	return entry;
}

/*
 * A program for the trigger that fires: for comparing, not for evaluating.  It
 * is good until the next call of this or of zdm_sync_take().  Errors as
 * zdm_mapping_parse() and zdm_mapping_analyze() have them.
 */
ZdmSyncProgram *
zdm_sync_program(FunctionCallInfo fcinfo, const TriggerData *data)
{
	ZdmSyncEntry *entry = fcinfo->flinfo->fn_extra;

	if (entry == NULL || entry->trigger != data->tg_trigger->tgoid)
	{
		entry = find_entry(data);
		fcinfo->flinfo->fn_extra = entry;
	}
	if (entry->programs && entry->programs->valid)
		return entry->programs;
	return compile(entry, data);
}

/*
 * A program of the same trigger for evaluating, until zdm_sync_give_back().
 * In between, user code may do anything, this trigger included.
 */
ZdmSyncProgram *
zdm_sync_take(ZdmSyncProgram *program, const TriggerData *data)
{
	ZdmSyncEntry *entry = program->entry;
	Oid			role = GetUserId();

	while (program && (!program->valid || program->taken || program->role != role))
		program = program->next;
	if (program == NULL)
		program = compile(entry, data);
	program->taken = true;
	program->level = GetCurrentTransactionNestLevel();
	program->below = taken;
	taken = program;
	return program;
}

/* The end of zdm_sync_take(); an error ends it, too. */
void
zdm_sync_give_back(ZdmSyncProgram *program)
{
	Assert(taken == program);
	taken = program->below;
	program->taken = false;
	ResetExprContext(program->econtext);
}
