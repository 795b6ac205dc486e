/*
 * query.c
 *	  The statements of a backfill, put together as trees.
 *
 * For each relation there are two, both over a range of TIDs:
 *
 *	UPDATE ONLY rel SET <set_clause>
 *	 WHERE ctid >= $1 AND ctid < $2 AND in_stripe(ctid) AND batch_takes(ctid, xmin)
 *	   AND <filter> AND (differs(a, <a's value>) OR ...)
 * RETURNING <filter> AND (differs(a, <a's value>) OR ...)
 *
 *	SELECT ctid, xmin FROM ONLY rel WHERE <the same>
 *
 * Of a backfill by mapping, the assignment is <new column> = <forward>, and NOT
 * <consistent> stands for <filter> AND (...): both are what the table's trigger
 * goes by, too.
 *
 * <filter> AND (...) is the predicate of the backfill: true for a row that is
 * not right yet.  It alone decides what is left to do, and what RETURNING
 * gives must be false: a row that still matches after its update would be
 * updated again by the next sweep, and "n = n + 1" would count on and on.
 *
 * The user's clauses are analyzed by PostgreSQL as they stand; what zdm adds
 * is added to the analyzed tree, by OID, so that no schema in the user's
 * search_path and no column name can get in between.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "backfill/query.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "compat/tree.h"
#include "core/catalog.h"
#include "core/time_dependence.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define RESULT_RTI 1			/* the target is the first range table entry */

static RangeVar *
target_range(const ZdmBackfillSpec *spec, Relation rel)
{
	RangeVar   *range = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
									 pstrdup(RelationGetRelationName(rel)), -1);

	range->inh = false;
	/* a clause may name the table that the user named, not its partition */
	if (strcmp(RelationGetRelationName(rel), spec->target_name) != 0)
		range->alias = makeAlias(spec->target_name, NIL);
	return range;
}

/*
 * A name may have become another column's since the job was submitted, by a
 * rename or by DROP and ADD COLUMN: what would be written then is not what was
 * meant.  Partitions and children have the names of the target.
 */
static void
check_columns(const ZdmBackfillSpec *spec)
{
	ListCell   *name;
	ListCell   *number;

	forboth(name, spec->column_names, number, spec->column_numbers)
	{
		AttrNumber	attno = get_attnum(spec->target, lfirst(name));

		if (attno != InvalidAttrNumber && attno != lfirst_int(number))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of table \"%s\" is another one than when the job was submitted",
							(char *) lfirst(name), get_rel_name(spec->target)),
					 errdetail("It was renamed, or dropped and added again."),
					 errhint("Cancel the job; then start another one, for the columns that there are now.")));
	}
}

/* SET new_column = NULL, in whose place forward is put once it is analyzed. */
static List *
mapping_set_list(const ZdmMapping *mapping)
{
	ResTarget  *target = makeNode(ResTarget);
	A_Const    *null = makeNode(A_Const);

	null->isnull = true;
	null->location = -1;
	target->name = mapping->new_column;
	target->val = (Node *) null;
	target->location = -1;
	return list_make1(target);
}

/* UPDATE ONLY rel SET ... WHERE filter, analyzed. */
static Query *
analyze_clauses(const ZdmBackfillSpec *spec, Relation rel)
{
	Query	   *query;
	UpdateStmt *stmt = makeNode(UpdateStmt);
	RawStmt    *raw = makeNode(RawStmt);

	stmt->relation = target_range(spec, rel);
	stmt->targetList = spec->mapping ? mapping_set_list(spec->mapping) : copyObject(spec->set_list);
	stmt->whereClause = copyObject(spec->filter_tree);
	raw->stmt = (Node *) stmt;
	query = parse_analyze_fixedparams(raw, spec->set_clause, NULL, 0, NULL);

	/* a lock on the table does not keep its schema from being renamed */
	if (rt_fetch(RESULT_RTI, query->rtable)->relid != RelationGetRelid(rel))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("table \"%s\" was renamed concurrently", RelationGetRelationName(rel))));
	return query;
}

/*
 * What DEFAULT means for a column of rel: the default of the target's column
 * of that name, as for an UPDATE of the target.
 */
static Expr *
default_value(const ZdmBackfillSpec *spec, Relation rel, Form_pg_attribute att)
{
	Relation	target = rel;
	AttrNumber	attno = att->attnum;
	Node	   *value;
	Oid			base;
	int32		typmod = att->atttypmod;

	if (RelationGetRelid(rel) != spec->target)
	{
		target = table_open(spec->target, AccessShareLock);
		attno = get_attnum(spec->target, NameStr(att->attname));
	}
	value = build_column_default(target, attno);
	if (target != rel)
		table_close(target, NoLock);
	if (value)
		return (Expr *) value;

	base = getBaseTypeAndTypmod(att->atttypid, &typmod);
	return (Expr *) coerce_to_domain((Node *) makeNullConst(base, typmod, att->attcollation),
									 base, typmod, att->atttypid, COERCION_IMPLICIT,
									 COERCE_IMPLICIT_CAST, -1, false);
}

/* DEFAULT is resolved now, so that it can be compared as any other value. */
static void
resolve_defaults(Query *query, const ZdmBackfillSpec *spec, Relation rel)
{
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (IsA(tle->expr, SetToDefault))
			tle->expr = default_value(spec, rel,
									  TupleDescAttr(RelationGetDescr(rel), tle->resno - 1));
	}
}

/* The UPDATE of rel, with every value that it assigns. */
static Query *
analyze_update(const ZdmBackfillSpec *spec, Relation rel)
{
	Query	   *query = analyze_clauses(spec, rel);

	if (spec->mapping)
		linitial_node(TargetEntry, query->targetList)->expr =
			zdm_mapping_forward_expr(rel, spec->mapping, RESULT_RTI);
	else
		resolve_defaults(query, spec, rel);
	return query;
}

static bool
is_multiassign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_MULTIEXPR)
		return true;
	return expression_tree_walker(node, is_multiassign, context);
}

/* what sub-selects read of the table that is assigned to */
typedef struct SelfReadContext
{
	List	   *relations;		/* the target, and all above and below it */
	List	   *columns;		/* names of the assigned ones */
	bool		found;
} SelfReadContext;

static bool
reads_assigned(Query *query, Index rti, SelfReadContext *context)
{
	RangeTblEntry *rte = rt_fetch(rti, query->rtable);
	Bitmapset  *columns;
	int			bit = -1;

	if (rte->rtekind != RTE_RELATION || !list_member_oid(context->relations, rte->relid))
		return false;
	columns = *zdm_compat_selected_columns(query, rti);
	while ((bit = bms_next_member(columns, bit)) >= 0)
	{
		AttrNumber	attno = bit + FirstLowInvalidHeapAttributeNumber;

		if (attno == 0 || (attno > 0 &&
						   list_member(context->columns,
									   makeString(get_attname(rte->relid, attno, false)))))
			return true;
	}
	return false;
}

static bool
find_self_reads(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		for (Index rti = 1; rti <= (Index) list_length(query->rtable); rti++)
		{
			if (reads_assigned(query, rti, context))
				return true;
		}
		return query_tree_walker(query, find_self_reads, context, 0);
	}
	return expression_tree_walker(node, find_self_reads, context);
}

/* Does a value depend on the assigned columns of other rows of the table? */
static bool
depends_on_other_rows(Query *query, Relation rel)
{
	SelfReadContext context = {NIL, NIL, false};
	ListCell   *lc;

	context.relations = list_concat(find_all_inheritors(RelationGetRelid(rel), NoLock, NULL),
									get_partition_ancestors(RelationGetRelid(rel)));
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk)
			context.columns = lappend(context.columns,
									  makeString(pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel),
																			   tle->resno - 1)->attname))));
	}
	return find_self_reads((Node *) query->targetList, &context);
}

static bool
has_row_locks(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->rowMarks != NIL ||
			query_tree_walker((Query *) node, has_row_locks, context, 0);
	return expression_tree_walker(node, has_row_locks, context);
}

/* a whole-row reference to the target, also from within a sub-select */
static bool
is_whole_row(Node *node, void *context)
{
	int		   *level = context;
	bool		found;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno == 0 && ((Var *) node)->varno == RESULT_RTI &&
			((Var *) node)->varlevelsup == *level;
	if (IsA(node, Query))
	{
		(*level)++;
		found = query_tree_walker((Query *) node, is_whole_row, context, 0);
		(*level)--;
		return found;
	}
	return expression_tree_walker(node, is_whole_row, context);
}

/* Facts of an analyzed UPDATE. */
static ZdmClauseFacts *
facts_of(Query *query, const ZdmBackfillSpec *spec, Relation rel)
{
	ZdmClauseFacts *facts = palloc0(sizeof(ZdmClauseFacts));
	ListCell   *lc;
	int			level = 0;

	facts->comparable = true;
	facts->whole_row = is_whole_row((Node *) query->targetList, &level) ||
		is_whole_row(query->jointree->quals, &level);
	facts->locks_rows = has_row_locks((Node *) query->targetList, NULL) ||
		has_row_locks(query->jointree->quals, NULL);
	facts->volatile_filter = contain_volatile_functions(query->jointree->quals);
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Node	   *value = (Node *) tle->expr;

		if (contain_volatile_functions(value))
			facts->volatile_assignment = true;
		if (is_multiassign(value, NULL))
			facts->comparable = false;
		if (tle->resjunk)
			continue;
		facts->assigned = bms_add_member(facts->assigned,
										 tle->resno - FirstLowInvalidHeapAttributeNumber);
		if (facts->first_column == NULL)
			facts->first_column = pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel),
																tle->resno - 1)->attname));
	}
	facts->used = bms_union(facts->assigned, *zdm_compat_selected_columns(query, RESULT_RTI));
	facts->time_dependent_assignment = zdm_depends_on_time((Node *) spec->set_list,
														   (Node *) query->targetList);
	facts->depends_on_other_rows = depends_on_other_rows(query, rel);
	if (facts->volatile_assignment || facts->time_dependent_assignment ||
		facts->depends_on_other_rows)
		facts->comparable = false;
	return facts;
}

/*
 * Analyze the clauses against rel and say what zdm has to know of them.
 * Errors: whatever PostgreSQL says of them.
 */
ZdmClauseFacts *
zdm_query_facts(const ZdmBackfillSpec *spec, Relation rel)
{
	Query	   *query = analyze_update(spec, rel);

	return facts_of(query, spec, rel);
}

static Var *
system_column(AttrNumber attno, Oid type)
{
	return makeVar(RESULT_RTI, attno, type, -1, InvalidOid, 0);
}

static Expr *
tid_bound(Oid opno, int paramid)
{
	Var		   *ctid = system_column(SelfItemPointerAttributeNumber, TIDOID);

	return make_opclause(opno, BOOLOID, false, (Expr *) ctid,
						 zdm_statement_param(paramid, TIDOID), InvalidOid, InvalidOid);
}

static Expr *
own_call(const char *funcname, List *args, int nargs, const Oid *argtypes)
{
	return (Expr *) makeFuncExpr(zdm_own_function(funcname, nargs, argtypes), BOOLOID,
								 args, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* The range, the stripe and the lists of the batch. */
static List *
batch_quals(void)
{
	static const Oid argtypes[] = {TIDOID, XIDOID};
	Var		   *ctid = system_column(SelfItemPointerAttributeNumber, TIDOID);
	Var		   *xmin = system_column(MinTransactionIdAttributeNumber, XIDOID);

	return list_make4(tid_bound(TIDGreaterEqOperator, 1),
					  tid_bound(TIDLessOperator, 2),
					  own_call("in_stripe", list_make1(ctid), 1, argtypes),
					  own_call("batch_takes", list_make2(copyObject(ctid), xmin), 2, argtypes));
}

/* differs(a, <a's value>) OR differs(b, <b's value>) ... */
static Expr *
differs_any(Query *query, Relation rel)
{
	static const Oid argtypes[] = {ANYELEMENTOID, ANYELEMENTOID};
	List	   *tests = NIL;
	ListCell   *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Form_pg_attribute att;
		Var		   *column;

		if (tle->resjunk)
			continue;
		att = TupleDescAttr(RelationGetDescr(rel), tle->resno - 1);
		column = makeVar(RESULT_RTI, tle->resno, att->atttypid, att->atttypmod, att->attcollation, 0);
		tests = lappend(tests, own_call("differs", list_make2(column, copyObject(tle->expr)),
										lengthof(argtypes), argtypes));
	}
	return list_length(tests) == 1 ? linitial(tests) : makeBoolExpr(OR_EXPR, tests, -1);
}

/* the columns that the predicate reads must be readable */
static void
add_selected_columns(Query *query, const Bitmapset *columns)
{
	Bitmapset **selected = zdm_compat_selected_columns(query, RESULT_RTI);

	*selected = bms_add_members(*selected, columns);
	zdm_compat_require_select(query, RESULT_RTI);
}

static void
set_predicate(Query *query, List *quals, List *unsettled)
{
	query->jointree->quals = (Node *) make_ands_explicit(quals);
	query->returningList = list_make1(makeTargetEntry(make_ands_explicit(unsettled), 1,
													  pstrdup("unsettled"), false));
}

/* Add the predicate to WHERE and RETURNING, and the batch to WHERE. */
static void
add_predicate(Query *query, Relation rel, const ZdmClauseFacts *facts)
{
	List	   *quals = batch_quals();
	List	   *unsettled = NIL;

	if (query->jointree->quals)
	{
		quals = lappend(quals, query->jointree->quals);
		unsettled = lappend(unsettled, copyObject(query->jointree->quals));
	}
	if (facts->comparable)
	{
		Expr	   *differs = differs_any(query, rel);

		quals = lappend(quals, differs);
		unsettled = lappend(unsettled, copyObject(differs));
		add_selected_columns(query, facts->assigned);
	}
	set_predicate(query, quals, unsettled);
}

/* The same of a mapping: rows that are not consistent. */
static void
add_mapping_predicate(Query *query, Relation rel, const ZdmMapping *mapping)
{
	Expr	   *consistent = zdm_mapping_consistent_expr(rel, mapping, RESULT_RTI);
	Expr	   *unsettled = makeBoolExpr(NOT_EXPR, list_make1(consistent), -1);
	Bitmapset  *read = NULL;

	pull_varattnos((Node *) consistent, RESULT_RTI, &read);
	pull_varattnos((Node *) query->targetList, RESULT_RTI, &read);
	add_selected_columns(query, read);
	set_predicate(query, lappend(batch_quals(), unsettled), list_make1(copyObject(unsettled)));
}

/* SELECT ctid, xmin with the predicate of an UPDATE. */
static Query *
select_from_update(const Query *update)
{
	Query	   *query = copyObject(unconstify(Query *, update));
	Var		   *ctid = system_column(SelfItemPointerAttributeNumber, TIDOID);
	Var		   *xmin = system_column(MinTransactionIdAttributeNumber, XIDOID);
	RangeTblRef *rtr = makeNode(RangeTblRef);

	rtr->rtindex = RESULT_RTI;
	query->commandType = CMD_SELECT;
	query->resultRelation = 0;
	query->returningList = NIL;
	query->targetList = list_make2(makeTargetEntry((Expr *) ctid, 1, pstrdup("ctid"), false),
								   makeTargetEntry((Expr *) xmin, 2, pstrdup("xmin"), false));
	query->jointree->fromlist = list_make1(rtr);
	rt_fetch(RESULT_RTI, query->rtable)->inFromCl = true;
	zdm_compat_make_read_only(query, RESULT_RTI);
	return query;
}

/* Errors with FEATURE_NOT_SUPPORTED when the table has a rule ON UPDATE. */
void
zdm_query_check_rules(Relation rel)
{
	if (rel->rd_rules == NULL)
		return;
	for (int i = 0; i < rel->rd_rules->numLocks; i++)
	{
		if (rel->rd_rules->rules[i]->event == CMD_UPDATE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot backfill \"%s.%s\": it has a rule ON UPDATE",
							get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)),
					 errhint("Drop the rule, or make a trigger of it.")));
	}
}

static PlannedStmt *
plan_query(Query *query, const char *source)
{
	return zdm_statement_plan(linitial_node(Query, pg_rewrite_query(query)), source);
}

/*
 * The two statements for one relation, planned.  The caller holds a lock on
 * rel.  Errors: whatever PostgreSQL says of the clauses, now.
 */
ZdmStatements *
zdm_query_prepare(const ZdmBackfillSpec *spec, Relation rel)
{
	ZdmStatements *statements = zdm_statement_create(spec->set_clause);
	MemoryContext old = MemoryContextSwitchTo(statements->mcxt);
	Query	   *update = analyze_update(spec, rel);
	Query	   *select;
	ZdmClauseFacts *facts;

	check_columns(spec);
	zdm_query_check_rules(rel);
	facts = facts_of(update, spec, rel);
	if (spec->mapping)
		add_mapping_predicate(update, rel, spec->mapping);
	else
		add_predicate(update, rel, facts);
	select = select_from_update(update);

	statements->assigned = facts->assigned;
	statements->mapping_id = spec->mapping ? spec->mapping->id : 0;
	statements->update = plan_query(update, statements->source);
	statements->select = plan_query(select, statements->source);
	MemoryContextSwitchTo(old);
	zdm_statement_keep(statements);
	return statements;
}

/*
 * The planner's idea of how many rows of rel and its children the filter
 * takes.  An upper bound: rows that are right already are not known before
 * they are read.
 */
double
zdm_query_estimate_rows(const ZdmBackfillSpec *spec, Relation rel)
{
	Query	   *query = analyze_update(spec, rel);
	PlannedStmt *plan;

	query = select_from_update(query);
	rt_fetch(RESULT_RTI, query->rtable)->inh = true;
	plan = pg_plan_query(linitial_node(Query, pg_rewrite_query(query)),
						 spec->set_clause, 0, NULL);
	return plan->planTree->plan_rows;
}
