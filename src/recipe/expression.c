/*
 * expression.c
 *	  The expression of a CHECK constraint: from text to text that is safe to
 *	  put into a statement.
 *
 * The text is parsed by itself, as an expression and nothing else, analyzed
 * against the table, and deparsed again with every name qualified.  So what
 * ends up in a statement is one expression, whatever the text has in it, and
 * means the same under any search_path.
 */
#include "postgres.h"

#include "core/identity.h"
#include "ddl/statement.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "recipe/expression.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

static void
refuse_more(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("expression must be one expression and nothing else"),
			 errhint("Give what stands between the parentheses of CHECK, as in: amount > 0.")));
}

/* What is parsed is the part of a SELECT that follows the word. */
static Node *
parse_expression(const char *expression)
{
	List	   *stmts = raw_parser(expression, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, stmts)->stmt);
	ResTarget  *target;

	if (list_length(select->targetList) != 1 || select->distinctClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause || select->windowClause ||
		select->sortClause || select->limitOffset || select->limitCount || select->lockingClause)
		refuse_more();
	target = linitial_node(ResTarget, select->targetList);
	if (target->name || target->indirection)
		refuse_more();
	return target->val;
}

typedef struct Analysis
{
	Relation	rel;
	const char *expression;
	Node	   *expr;
} Analysis;

static void
analyze_step(void *arg)
{
	Analysis   *analysis = arg;
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *expr;

	pstate->p_sourcetext = analysis->expression;
	item = addRangeTableEntryForRelation(pstate, analysis->rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	expr = transformExpr(pstate, parse_expression(analysis->expression), EXPR_KIND_CHECK_CONSTRAINT);
	expr = coerce_to_boolean(pstate, expr, "CHECK");
	assign_expr_collations(pstate, expr);
	free_parsestate(pstate);
	analysis->expr = expr;
}

/*
 * The expression as PostgreSQL writes it, names qualified.  rel is open.
 * Errors: SYNTAX_ERROR, and what PostgreSQL says of columns, functions and
 * types, with the position in the expression.
 */
char *
zdm_expression_canonical(Relation rel, const char *expression)
{
	Analysis	analysis = {rel, expression, NULL};
	ZdmBorrowedIdentity borrowed;
	char	   *text;

	zdm_statement_errors(analyze_step, &analysis, expression);
	zdm_identity_borrow(&borrowed, GetUserId(), "pg_catalog, pg_temp");
	text = deparse_expression(analysis.expr,
							  deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel)),
							  false, false);

	zdm_identity_give_back(&borrowed);
	return text;
}
