/*
 * time_dependence.c
 *	  Does an expression depend on when, or in which transaction, it is
 *	  evaluated?
 *
 * Such a value is stable for PostgreSQL and yet another one in the next
 * statement: what was stored can never be compared with it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/time_dependence.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "utils/fmgroids.h"

/* 'now' and its like become a value when the statement is analyzed */
static bool
has_special_time(Node *node, void *context)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	if (node == NULL)
		return false;
	if (IsA(node, A_Const))
	{
		A_Const    *constant = (A_Const *) node;
		char	   *text;

		if (constant->isnull || !IsA(&constant->val, String))
			return false;
		text = constant->val.sval.sval;
		text	  +=strspn(text, " \t\n");

		for (int i = 0; i < lengthof(words); i++)
		{
			if (pg_strncasecmp(text, words[i], strlen(words[i])) == 0)
				return true;
		}
		return false;
	}
	return raw_expression_tree_walker(node, has_special_time, context);
}

static bool
has_time_value(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_time_value, context, 0);
	if (IsA(node, Const) || IsA(node, FuncExpr) || IsA(node, CoerceViaIO))
	{
		switch (exprType(node))
		{
			case DATEOID:
			case TIMEOID:
			case TIMETZOID:
			case TIMESTAMPOID:
			case TIMESTAMPTZOID:
				return true;
		}
	}
	return expression_tree_walker(node, has_time_value, context);
}

static bool
is_time_dependent(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SQLValueFunction))
	{
		SQLValueFunctionOp op = ((SQLValueFunction *) node)->op;

		if (op <= SVFOP_LOCALTIMESTAMP_N)
			return true;
	}
	if (IsA(node, FuncExpr))
	{
		Oid			func = ((FuncExpr *) node)->funcid;

		if (func == F_NOW || func == F_TRANSACTION_TIMESTAMP ||
			func == F_STATEMENT_TIMESTAMP || func == F_AGE_TIMESTAMP ||
			func == F_AGE_TIMESTAMPTZ || func == F_TXID_CURRENT ||
			func == F_TXID_CURRENT_IF_ASSIGNED || func == F_PG_CURRENT_XACT_ID ||
			func == F_PG_CURRENT_XACT_ID_IF_ASSIGNED || func == F_TXID_CURRENT_SNAPSHOT ||
			func == F_PG_CURRENT_SNAPSHOT || func == F_PG_BACKEND_PID)
			return true;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, is_time_dependent, context, 0);
	return expression_tree_walker(node, is_time_dependent, context);
}

/*
 * Does it?  raw and analyzed are the same expressions, or lists of them,
 * before and after analysis.
 */
bool
zdm_depends_on_time(Node *raw, Node *analyzed)
{
	if (is_time_dependent(analyzed, NULL))
		return true;
	return has_special_time(raw, NULL) && has_time_value(analyzed, NULL);
}
