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

#include "core/expression.h"
#include "core/identity.h"
#include "ddl/statement.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "recipe/expression.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#define HINT "Give what stands between the parentheses of CHECK, as in: amount > 0."

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
	expr = transformExpr(pstate, zdm_expression_parse(analysis->expression, HINT), EXPR_KIND_CHECK_CONSTRAINT);
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
