/*
 * definition.c
 *	  CREATE INDEX statements: from text to trees.
 *
 * A definition is kept as text and parsed whenever it is needed; what runs is
 * the tree, with the table, the index's name and CONCURRENTLY put in, so that
 * nothing has to be turned back into text.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "index/definition.h"
#include "index/store.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Positions in errors are in the definition, not in the caller's statement. */
static void
point_into_definition(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

static void
begin_context(ErrorContextCallback *context, const char *definition)
{
	context->callback = point_into_definition;
	context->arg = unconstify(char *, definition);
	context->previous = error_context_stack;
	error_context_stack = context;
}

static void
end_context(ErrorContextCallback *context)
{
	error_context_stack = context->previous;
}

/*
 * The raw tree of a definition.  Errors with SYNTAX_ERROR unless it is one
 * CREATE INDEX statement.
 */
IndexStmt *
zdm_index_parse(const char *definition)
{
	ErrorContextCallback context;
	List	   *list;
	Node	   *stmt;

	begin_context(&context, definition);
	list = raw_parser(definition, RAW_PARSE_DEFAULT);
	end_context(&context);
	stmt = list_length(list) == 1 ? linitial_node(RawStmt, list)->stmt : NULL;
	if (stmt == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("definition must be one statement, not %d", list_length(list)),
				 errhint("Call zdm.create_index() once for each index.")));
	if (!IsA(stmt, IndexStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("definition must be a CREATE INDEX statement"),
				 errhint("Give it as in: CREATE INDEX orders_customer ON orders (customer_id)")));
	return (IndexStmt *) stmt;
}

/*
 * The tree with its expressions analyzed, in names of the current
 * search_path.  Errors are PostgreSQL's own.  Needs a lock on the table.
 */
IndexStmt *
zdm_index_analyze(const IndexStmt *stmt, Oid table, const char *definition)
{
	IndexStmt  *copy = copyObject(unconstify(IndexStmt *, stmt));
	ErrorContextCallback context;

	copy->relation = zdm_index_range_var(table);
	begin_context(&context, definition);
	copy = transformIndexStmt(table, copy, definition);
	end_context(&context);
	return copy;
}

/*
 * A name for an index that was given none, by PostgreSQL's rule, and that no
 * relation has now nor an index of that table will have.  stmt is an analyzed
 * tree.
 */
char *
zdm_index_choose_name(const IndexStmt *stmt, Oid table)
{
	StringInfoData columns;
	ListCell   *lc;

	initStringInfo(&columns);
	foreach(lc, stmt->indexParams)
	{
		IndexElem  *elem = lfirst_node(IndexElem, lc);

		if (columns.len > 0)
			appendStringInfoChar(&columns, '_');
		appendStringInfoString(&columns, elem->name ? elem->name :
							   elem->indexcolname ? elem->indexcolname : "expr");
		if (columns.len >= NAMEDATALEN)
			break;
	}
	for (int n = 0;; n++)
	{
		char	   *name = ChooseRelationName(get_rel_name(table), columns.data,
											  n == 0 ? "idx" : psprintf("idx%d", n),
											  get_rel_namespace(table), false);

		if (!zdm_index_is_planned(table, name))
			return name;
	}
}

/* A relation as the parser would name it. */
RangeVar *
zdm_index_range_var(Oid relid)
{
	return makeRangeVar(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid), -1);
}

/*
 * The tree to execute: this definition on that table under that name, on the
 * table alone when it is partitioned.
 */
IndexStmt *
zdm_index_statement(const IndexStmt *stmt, Oid table, const char *name, bool concurrent)
{
	IndexStmt  *copy = copyObject(unconstify(IndexStmt *, stmt));

	copy->relation = zdm_index_range_var(table);
	copy->relation->inh = concurrent;
	copy->idxname = pstrdup(name);
	copy->if_not_exists = false;
	copy->concurrent = concurrent;
	return copy;
}
