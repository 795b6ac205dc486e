/*
 * preview.c
 *	  The steps of a recipe without starting it: how long they would take, and
 *	  zdm.plan_steps().
 *
 * zdm.plan_steps() is given the call itself and has it executed, so that its
 * arguments mean what they will mean; the functions of recipes hand over the
 * plan to here instead of starting a job as long as that lasts.
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "constraint/sample.h"
#include "core/args.h"
#include "core/settings.h"
#include "ddl/statement.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "recipe/preview.h"
#include "recipe/store.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* of a concurrent build besides reading the table twice: measured, a B-tree of one number */
#define BUILD_US_PER_ROW 0.5

PG_FUNCTION_INFO_V1(zdm_plan_steps);

enum
{
	OUT_STEP, OUT_KIND, OUT_STATEMENT, OUT_LOCK, OUT_UNDO, OUT_TIME, OUT_BASIS, OUT_COUNT
};

static ReturnSetInfo *preview = NULL;	/* where rows go, while a call is
										 * executed */

/* ---------- how long ---------- */

/* Reads the table twice, whatever the duty, and sorts. */
static double
build_ms(const ZdmScanSample *sample)
{
	double		scan = zdm_sample_ms(sample, sample->pages);

	if (scan <= 0)
		return scan;
	return 2 * scan + BUILD_US_PER_ROW / 1000 * sample->rows / sample->blocks * sample->pages;
}

static void
estimate_steps(Relation rel, ZdmRecipe *recipe, ZdmScanSample *sample)
{
	List	   *relids = recipe->scans_children ?
	find_all_inheritors(RelationGetRelid(rel), NoLock, NULL) : list_make1_oid(RelationGetRelid(rel));
	ListCell   *lc;

	zdm_sample_scan(relids, sample);
	foreach(lc, recipe->steps)
	{
		ZdmStep    *step = lfirst(lc);

		if (step->kind == ZDM_STEP_VALIDATE)
			step->expected_ms = zdm_sample_ms(sample, sample->pages) / zdm_duty;
		else if (step->kind == ZDM_STEP_INDEX)
			step->expected_ms = build_ms(sample);
		else
			step->expected_ms = 0;
	}
}

/*
 * Set the expected time of each step.  rel is open; takes as long as
 * zdm_sample_scan(), and needs a snapshot.
 */
void
zdm_recipe_estimate(Relation rel, ZdmRecipe *recipe)
{
	ZdmScanSample sample;

	estimate_steps(rel, recipe, &sample);
}

/* ---------- the plan ---------- */

/* Is the recipe that is called only to be looked at? */
bool
zdm_recipe_previewed(void)
{
	return preview != NULL;
}

/* Return the steps as rows.  Called instead of starting a job. */
void
zdm_recipe_preview(Relation rel, ZdmRecipe *recipe)
{
	ZdmScanSample sample;
	ListCell   *lc;

	estimate_steps(rel, recipe, &sample);
	foreach(lc, recipe->steps)
	{
		const ZdmStep *step = lfirst(lc);
		Datum		values[OUT_COUNT] = {0};
		bool		nulls[OUT_COUNT] = {false};

		values[OUT_STEP] = Int32GetDatum(step->number);
		values[OUT_KIND] = CStringGetTextDatum(zdm_recipe_kind_name(step->kind));
		values[OUT_STATEMENT] = CStringGetTextDatum(step->statement);
		values[OUT_LOCK] = CStringGetTextDatum(step->lock);
		nulls[OUT_UNDO] = step->undo == NULL;
		values[OUT_UNDO] = step->undo ? CStringGetTextDatum(step->undo) : (Datum) 0;
		nulls[OUT_TIME] = step->expected_ms < 0;
		values[OUT_TIME] = IntervalPGetDatum(zdm_sample_interval(step->expected_ms));
		values[OUT_BASIS] = CStringGetTextDatum(step->kind == ZDM_STEP_DDL ? "changes the catalogs only" :
												zdm_sample_basis(&sample));
		tuplestore_putvalues(preview->setResult, preview->setDesc, values, nulls);
	}
}

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
	if (zdm_recipe_is_function(info.fn_addr))
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
				 errmsg("call must be a SELECT of one function that changes a constraint"),
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
	preview = (ReturnSetInfo *) fcinfo->resultinfo;
	PG_TRY();
	{
		if (SPI_execute(text, true, 1) != SPI_OK_SELECT)
			elog(ERROR, "the call could not be executed");
	}
	PG_FINALLY();
	{
		preview = NULL;
	}
	PG_END_TRY();
	SPI_finish();
	return (Datum) 0;
}
