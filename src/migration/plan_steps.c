/*
 * plan_steps.c
 *	  zdm.plan_steps(): what a recipe would do.
 *
 * It is given the call itself and has it executed, so that its arguments mean
 * what they will mean.
 */
#include "postgres.h"

#include "core/args.h"
#include "ddl/statement.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "migration/constraints.h"
#include "migration/plan_columns.h"
#include "parser/parser.h"
#include "recipe/preview.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_plan_steps);

typedef struct Call
{
	const char *text;
	FuncExpr   *func;			/* NULL: it is something else */
} Call;

/* One SELECT of one function and nothing else. */
static bool
is_plain_call(Node *node)
{
	SelectStmt *select = (SelectStmt *) node;

	return IsA(node, SelectStmt) && select->op == SETOP_NONE && list_length(select->targetList) == 1 &&
		IsA(linitial_node(ResTarget, select->targetList)->val, FuncCall) &&
		!select->distinctClause && !select->intoClause && !select->fromClause && !select->whereClause &&
		!select->groupClause && !select->havingClause && !select->windowClause && !select->valuesLists &&
		!select->sortClause && !select->limitOffset && !select->limitCount && !select->lockingClause &&
		!select->withClause;
}

static void
analyze_step(void *arg)
{
	Call	   *call = arg;
	List	   *stmts = raw_parser(call->text, RAW_PARSE_DEFAULT);
	Query	   *query;
	Node	   *expr;
	FmgrInfo	info;

	if (list_length(stmts) != 1 || !is_plain_call(linitial_node(RawStmt, stmts)->stmt))
		return;
	query = parse_analyze_fixedparams(linitial_node(RawStmt, stmts), call->text, NULL, 0, NULL);
	expr = (Node *) linitial_node(TargetEntry, query->targetList)->expr;
	if (!IsA(expr, FuncExpr))
		return;
	fmgr_info(((FuncExpr *) expr)->funcid, &info);
	if (zdm_recipe_is_function(info.fn_addr) || zdm_columns_is_function(info.fn_addr))
		call->func = (FuncExpr *) expr;
}

static void
check_call(const char *text)
{
	Call		call = {0};

	call.text = text;

	zdm_statement_errors(analyze_step, &call, text);
	if (call.func == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("call must be a SELECT of one function that changes a constraint or a column"),
				 errhint("Give the call as you would run it, as in: SELECT zdm.set_not_null('orders', 'channel')")));
	if (contain_volatile_functions((Node *) call.func->args) || contain_subplans((Node *) call.func->args))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments of the call must be constants"),
				 errhint("Put in the values.")));
}

/* zdm.plan_steps(call text) */
Datum
zdm_plan_steps(PG_FUNCTION_ARGS)
{
	char	   *text;

	zdm_args_not_null(fcinfo, 0, "call");
	text = zdm_args_text(fcinfo, 0);

	check_call(text);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	zdm_recipe_preview_into((ReturnSetInfo *) fcinfo->resultinfo);
	PG_TRY();
	{
		if (SPI_execute(text, true, 1) != SPI_OK_SELECT)
			elog(ERROR, "the call could not be executed");
	}
	PG_FINALLY();
	{
		zdm_recipe_preview_into(NULL);
	}
	PG_END_TRY();
	SPI_finish();
	return (Datum) 0;
}
