/*
 * mapping.c
 *	  What a mapping must be on its table, and the expressions that others put
 *	  into their statements.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "mapping/expression.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"

/* ---- checks ---- */

static bool
reads(const ZdmMappingExpr *expr, const char *column)
{
	return list_member(expr->columns, makeString(unconstify(char *, column)));
}

static void
check_names(Relation rel, const ZdmMapping *mapping)
{
	ZdmMappingColumn column;

	if (mapping->old_column && strcmp(mapping->old_column, mapping->new_column) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("old and new column are both \"%s\"", mapping->new_column),
				 errhint("Give the new column another name.")));
	if (mapping->old_column)
		zdm_mapping_column(rel, mapping->old_column, &column);
	if (mapping->reverse && mapping->old_column == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reverse expression needs an old column to assign it to"),
				 errhint("Name the old column, or leave the reverse expression out.")));
	if (mapping->reverse && mapping->mode == ZDM_MAPPING_FILL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a column that is only filled has no reverse expression"),
				 errhint("Leave the reverse expression out.")));
}

/* Both directions must see what the other side writes, and nothing of their own. */
static void
check_direction(const ZdmMappingExpr *expr, const char *side, const char *assigned, const char *read)
{
	if (reads(expr, assigned))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("%s expression: it reads column \"%s\", which it is assigned to", side, assigned),
				 errhint("It must be computed from other columns.")));
	if (read && !reads(expr, read))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("%s expression: it does not read column \"%s\"", side, read),
				 errhint("What is written into that column would be lost. A mapping that goes one way only has no reverse expression.")));
}

static void
check_partition_key_of(Relation rel, const char *column)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), column);
	Bitmapset  *attnos;
	bool		in_expression;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || attno <= 0)
		return;
	attnos = bms_make_singleton(attno - FirstLowInvalidHeapAttributeNumber);
	if (has_partition_attrs(rel, attnos, &in_expression))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is part of the partition key of \"%s\"", column,
						RelationGetRelationName(rel)),
				 errdetail("A trigger cannot change the partition that a row belongs to."),
				 errhint("Leave the reverse expression out, or map another column.")));
}

/* Neither rel nor a table above or below it may be partitioned by the column. */
static void
check_partition_keys(Relation rel, const char *column)
{
	List	   *tables = find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL);
	ListCell   *lc;

	if (rel->rd_rel->relispartition)
		tables = list_concat(tables, get_partition_ancestors(RelationGetRelid(rel)));
	foreach(lc, tables)
	{
		Relation	table = try_relation_open(lfirst_oid(lc), AccessShareLock);

		if (table == NULL)
			continue;
		check_partition_key_of(table, column);
		relation_close(table, NoLock);
	}
}

static List *
user_functions(List *functions, List *more)
{
	List	   *result = functions;
	ListCell   *lc;

	foreach(lc, more)
	{
		if (lfirst_oid(lc) >= FirstNormalObjectId)
			result = list_append_unique_oid(result, lfirst_oid(lc));
	}
	return result;
}

static List *
names_of(List *strings)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, strings)
		names = lappend(names, strVal(lfirst(lc)));
	return names;
}

/* See mapping.h.  Errors also as zdm_mapping_analyze() has them. */
ZdmMappingFacts *
zdm_mapping_check(Relation rel, const ZdmMapping *mapping, const ZdmMappingColumn *new_column)
{
	ZdmMappingFacts *facts = palloc0(sizeof(ZdmMappingFacts));
	ZdmMappingExpr *expr;

	check_names(rel, mapping);
	expr = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_NEW, new_column);
	check_direction(expr, mapping->mode == ZDM_MAPPING_FILL ? "fill" : "forward", mapping->new_column, mapping->reverse ? mapping->old_column : NULL);
	check_partition_keys(rel, mapping->new_column);
	facts->forward_columns = names_of(expr->columns);
	facts->functions = user_functions(NIL, expr->functions);
	facts->is_stable = expr->is_stable;
	if (mapping->reverse == NULL)
		return facts;

	expr = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_OLD, new_column);
	check_direction(expr, "reverse", mapping->old_column, mapping->new_column);
	check_partition_keys(rel, mapping->old_column);
	facts->functions = user_functions(facts->functions, expr->functions);
	facts->is_stable |= expr->is_stable;
	return facts;
}

/* ---- expressions for statements ---- */

static Expr *
with_varno(Expr *expr, int varno)
{
	expr = copyObject(expr);
	ChangeVarNodes((Node *) expr, 1, varno, 0);
	return expr;
}

/* See mapping.h.  Errors as zdm_mapping_analyze() has them. */
Expr *
zdm_mapping_forward_expr(Relation rel, const ZdmMapping *mapping, int varno)
{
	return with_varno(zdm_mapping_analyze(rel, mapping, ZDM_SIDE_NEW, NULL)->expr, varno);
}

static Expr *
column_var(Relation rel, const char *name)
{
	ZdmMappingColumn column;

	zdm_mapping_column(rel, name, &column);
	return (Expr *) makeVar(1, get_attnum(RelationGetRelid(rel), name), column.type,
							column.typmod, column.collation, 0);
}

static Expr *
null_test(Expr *arg, NullTestType type)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = arg;
	test->nulltesttype = type;
	test->location = -1;
	return (Expr *) test;
}

/* NOT zdm.differs(column, expression) */
static Expr *
is_same(Relation rel, const char *column, Expr *expr)
{
	static const Oid argtypes[] = {ANYELEMENTOID, ANYELEMENTOID};
	Oid			differs = zdm_own_function("differs", 2, argtypes);
	Expr	   *call = (Expr *) makeFuncExpr(differs, BOOLOID, list_make2(column_var(rel, column), expr),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);

	return makeBoolExpr(NOT_EXPR, list_make1(call), -1);
}

/* See mapping.h.  Errors as zdm_mapping_analyze() has them. */
Expr *
zdm_mapping_consistent_expr(Relation rel, const ZdmMapping *mapping, int varno)
{
	Expr	   *forward = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_NEW, NULL)->expr;
	List	   *args;

	if (mapping->mode == ZDM_MAPPING_FILL)
		args = list_make2(null_test(column_var(rel, mapping->new_column), IS_NOT_NULL),
						  null_test(forward, IS_NULL));
	else
	{
		args = list_make1(is_same(rel, mapping->new_column, forward));
		if (mapping->reverse)
			args = lappend(args, is_same(rel, mapping->old_column,
										 zdm_mapping_analyze(rel, mapping, ZDM_SIDE_OLD, NULL)->expr));
	}
	return with_varno(expression_planner(makeBoolExpr(OR_EXPR, args, -1)), varno);
}
