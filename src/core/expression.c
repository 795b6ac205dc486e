/*
 * expression.c
 *	  An expression that a user gave as text, parsed by itself.
 *
 * PostgreSQL's parser has an entry for the part of a SELECT that follows the
 * word.  The text is accepted when that part is one expression and nothing
 * else, so whatever comments, quotes or parentheses it has, it cannot reach
 * into what it is put into as a tree.
 */
#include "postgres.h"

#include "core/expression.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"

static void
refuse_more(const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("expression must be one expression and nothing else"),
			 errhint("%s", hint)));
}

/* All columns: what expands it in a SELECT does not see it here. */
static bool
is_star(const Node *node)
{
	return IsA(node, ColumnRef) && IsA(llast(((const ColumnRef *) node)->fields), A_Star);
}

/*
 * The raw tree of the expression.  Errors: SYNTAX_ERROR, with the hint when it
 * is more than an expression.
 */
Node *
zdm_expression_parse(const char *source, const char *hint)
{
	List	   *stmts = raw_parser(source, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, stmts)->stmt);
	ResTarget  *target;

	if (list_length(select->targetList) != 1 || select->distinctClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause || select->windowClause ||
		select->sortClause || select->limitOffset || select->limitCount || select->lockingClause)
		refuse_more(hint);
	target = linitial_node(ResTarget, select->targetList);
	if (target->name || target->indirection || is_star(target->val))
		refuse_more(hint);
	return target->val;
}
