/*
 * rewrite.c
 *	  A definition that names a column, made to name another one.
 *
 * Definitions are rewritten as text, as PostgreSQL gives it: the parser says
 * where a column is named, the scanner where that name ends, and everything
 * between stays as it is.  So what a new version can say in a definition is
 * carried without being known here.  Sub-selects, in which a name may mean
 * something else, are not in what is given to these functions.
 */
#include "postgres.h"

#include "common/keywords.h"
#include "ddl/statement.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* ---------- tokens ---------- */

typedef struct Token
{
	int			start;
	int			length;
	int			depth;			/* of parentheses, the token's own included */
	int			list;			/* which of the parentheses of depth 1, from 1 */
} Token;

typedef struct Tokens
{
	const char *source;
	Token	   *all;
	int			count;
} Tokens;

static Tokens *
scan(const char *source)
{
	Tokens	   *tokens = palloc(sizeof(Tokens));
	core_yy_extra_type extra;
	core_yyscan_t scanner = scanner_init(source, &extra, &ScanKeywords, ScanKeywordTokens);
	core_YYSTYPE value;
	YYLTYPE		start = 0;
	int			depth = 0;
	int			list = 0;

	tokens->source = source;
	tokens->count = 0;
	tokens->all = palloc(sizeof(Token) * (strlen(source) + 1));
	for (;;)
	{
		int			code = core_yylex(&value, &start, scanner);
		Token	   *token = &tokens->all[tokens->count];

		if (code == 0)
			break;
		if (code == '(' && ++depth == 1)
			list++;
		token->start = start;
		token->length = strlen(extra.scanbuf + start);
		token->depth = depth;
		token->list = list;
		tokens->count++;
		if (code == ')')
			depth--;
	}
	scanner_finish(scanner);
	return tokens;
}

/* Which token begins there. */
static int
token_at(const Tokens *tokens, int start)
{
	for (int i = 0; i < tokens->count; i++)
	{
		if (tokens->all[i].start == start)
			return i;
	}
	elog(ERROR, "no token at position %d of: %s", start, tokens->source);
}

static bool
is_char(const Tokens *tokens, int i, char c)
{
	return i >= 0 && i < tokens->count && tokens->all[i].length == 1 && tokens->source[tokens->all[i].start] == c;
}

/* Is that token this name, as PostgreSQL itself would write it? */
static bool
is_name(const Tokens *tokens, int i, const char *name)
{
	const char *quoted = quote_identifier(name);
	const Token *token = &tokens->all[i];

	return strlen(quoted) == token->length && strncmp(&tokens->source[token->start], quoted, token->length) == 0;
}

/* ---------- edits ---------- */

typedef struct Edit
{
	int			start;
	int			end;
	const char *replacement;
} Edit;

typedef struct Edits
{
	const Tokens *tokens;
	Edit	   *all;			/* as many as there are tokens, at most */
	int			count;
} Edits;

static Edits *
begin_edits(const Tokens *tokens)
{
	Edits	   *edits = palloc0(sizeof(Edits));

	edits->tokens = tokens;
	edits->all = palloc(sizeof(Edit) * (tokens->count + 1));
	return edits;
}

/* Replace tokens from the one to the other. */
static void
replace(Edits *edits, int first, int last, const char *replacement)
{
	Edit	   *edit = &edits->all[edits->count++];

	edit->start = edits->tokens->all[first].start;
	edit->end = edits->tokens->all[last].start + edits->tokens->all[last].length;
	edit->replacement = replacement;
}

static int
compare_edits(const void *a, const void *b)
{
	return ((const Edit *) a)->start - ((const Edit *) b)->start;
}

static char *
apply(Edits *edits)
{
	const char *source = edits->tokens->source;
	StringInfoData buf;
	int			done = 0;

	qsort(edits->all, edits->count, sizeof(Edit), compare_edits);
	initStringInfo(&buf);
	for (int i = 0; i < edits->count; i++)
	{
		appendBinaryStringInfo(&buf, &source[done], edits->all[i].start - done);
		appendStringInfoString(&buf, edits->all[i].replacement);
		done = edits->all[i].end;
	}
	appendStringInfoString(&buf, &source[done]);
	return buf.data;
}

/* ---------- columns in expressions ---------- */

/* The column that is named; NULL for a whole row. */
static const char *
column_of(const ColumnRef *ref)
{
	Node	   *last = llast(ref->fields);

	return IsA(last, String) ? strVal(last) : NULL;
}

typedef struct Renamings
{
	const ZdmRenaming *all;
	int			count;
	Edits	   *edits;
	int			offset;			/* of the parsed text in the scanned one */
} Renamings;

static bool
rename_walker(Node *node, Renamings *renamings)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		const ColumnRef *ref = (const ColumnRef *) node;
		const char *column = column_of(ref);
		int			first = token_at(renamings->edits->tokens, ref->location - renamings->offset);
		int			last = first + 2 * (list_length(ref->fields) - 1);

		for (int i = 0; column && i < renamings->count; i++)
		{
			const ZdmRenaming *renaming = &renamings->all[i];

			if (strcmp(column, renaming->from) != 0)
				continue;
			if (renaming->is_expression)
				replace(renamings->edits, first, last, psprintf("(%s)", renaming->to));
			else
				replace(renamings->edits, last, last, quote_identifier(renaming->to));
			break;
		}
		return false;
	}
	return raw_expression_tree_walker(node, rename_walker, renamings);
}

static Node *
parse_expression(const char *text)
{
	List	   *stmts = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);

	return linitial_node(RawStmt, stmts)->stmt;
}

/*
 * An expression, or several separated by commas, with columns renamed.  Errors
 * with SYNTAX_ERROR.
 */
char *
zdm_rewrite_expression(const char *text, const ZdmRenaming *all, int count)
{
	Renamings	renamings = {all, count, begin_edits(scan(text)), 0};

	(void) rename_walker(parse_expression(text), &renamings);
	return apply(renamings.edits);
}

static bool
read_walker(Node *node, List **columns)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
	{
		const char *column = column_of((ColumnRef *) node);

		*columns = lappend(*columns, pstrdup(column ? column : "*"));
		return false;
	}
	return raw_expression_tree_walker(node, read_walker, columns);
}

/* The columns that an expression names, as often as it does; "*" for a whole row. */
List *
zdm_rewrite_columns_read(const char *text)
{
	List	   *columns = NIL;

	(void) read_walker(parse_expression(text), &columns);
	return columns;
}

/* ---------- definitions ---------- */

/* Element i, from 0, of a list in parentheses begins with this token. */
static int
element_of_list(const Tokens *tokens, int list, int element)
{
	for (int i = 0; i < tokens->count; i++)
	{
		if (tokens->all[i].list != list || tokens->all[i].depth != 1)
			continue;
		if (is_char(tokens, i, '(') && element == 0)
			return i + 1;
		if (is_char(tokens, i, ',') && --element == 0)
			return i + 1;
	}
	elog(ERROR, "list %d is too short: %s", list, tokens->source);
}

static void
rename_elements(Edits *edits, int list, const List *elements, Renamings *renamings)
{
	const ZdmRenaming *renaming = &renamings->all[0];
	ListCell   *lc;

	foreach(lc, elements)
	{
		const IndexElem *elem = lfirst_node(IndexElem, lc);
		int			token = element_of_list(edits->tokens, list, foreach_current_index(lc));

		if (elem->expr)
			(void) rename_walker(elem->expr, renamings);
		else if (strcmp(elem->name, renaming->from) == 0)
			replace(edits, token, token, renaming->is_expression ? psprintf("(%s)", renaming->to) :
					quote_identifier(renaming->to));
	}
}

/*
 * CREATE INDEX name ... as CREATE INDEX CONCURRENTLY new_name ..., with a
 * column renamed.
 */
char *
zdm_rewrite_index(const char *definition, const char *new_name, const ZdmRenaming *renaming)
{
	IndexStmt  *stmt = linitial_node(IndexStmt, list_make1(linitial_node(RawStmt, raw_parser(definition, RAW_PARSE_DEFAULT))->stmt));
	Edits	   *edits = begin_edits(scan(definition));
	Renamings	renamings = {renaming, 1, edits, 0};
	int			name = stmt->unique ? 3 : 2;

	replace(edits, name, name, psprintf("CONCURRENTLY %s", quote_identifier(new_name)));
	rename_elements(edits, 1, stmt->indexParams, &renamings);
	rename_elements(edits, 2, stmt->indexIncludingParams, &renamings);
	(void) rename_walker(stmt->whereClause, &renamings);
	return apply(edits);
}

#define CHECK_PREFIX "ALTER TABLE t ADD "

/* CHECK (...), with a column renamed. */
char *
zdm_rewrite_check(const char *definition, const ZdmRenaming *renaming)
{
	List	   *stmts = raw_parser(psprintf("%s%s", CHECK_PREFIX, definition), RAW_PARSE_DEFAULT);
	AlterTableStmt *stmt = castNode(AlterTableStmt, linitial_node(RawStmt, stmts)->stmt);
	Constraint *constraint = castNode(Constraint, linitial_node(AlterTableCmd, stmt->cmds)->def);
	Renamings	renamings = {renaming, 1, begin_edits(scan(definition)), strlen(CHECK_PREFIX)};

	(void) rename_walker(constraint->raw_expr, &renamings);
	return apply(renamings.edits);
}

/*
 * A definition with a column renamed in these of its lists in parentheses,
 * counted from 1, which have names of columns only.
 */
char *
zdm_rewrite_lists(const char *definition, Bitmapset *lists, const ZdmRenaming *renaming)
{
	Edits	   *edits = begin_edits(scan(definition));

	for (int i = 0; i < edits->tokens->count; i++)
	{
		const Token *token = &edits->tokens->all[i];

		if (token->depth == 1 && bms_is_member(token->list, lists) && is_name(edits->tokens, i, renaming->from))
			replace(edits, i, i, quote_identifier(renaming->to));
	}
	return apply(edits);
}

/* ---------- does it fit the new type ---------- */

/* The targets of a SELECT list, analyzed against the table. */
static List *
analyze(Relation rel, const char *source, bool is_condition)
{
	SelectStmt *select = castNode(SelectStmt, parse_expression(source));
	ParseState *pstate = make_parsestate(NULL);
	List	   *exprs = NIL;
	ListCell   *lc;

	pstate->p_sourcetext = source;
	addNSItemToQuery(pstate, addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true),
					 true, true, true);
	foreach(lc, select->targetList)
	{
		Node	   *expr = transformExpr(pstate, lfirst_node(ResTarget, lc)->val, EXPR_KIND_CHECK_CONSTRAINT);

		if (is_condition)
			expr = coerce_to_boolean(pstate, expr, "CHECK");
		assign_expr_collations(pstate, expr);
		exprs = lappend(exprs, expr);
	}
	free_parsestate(pstate);
	return exprs;
}

/* A condition on rows of the table, analyzed.  Errors are PostgreSQL's own. */
Node *
zdm_analyze_condition(Relation rel, const char *text)
{
	return linitial(analyze(rel, text, true));
}

static void
check_analyzed(ZdmColumnPlan *build, const char *text, bool is_condition, bool must_be_immutable)
{
	if (contain_mutable_functions((Node *) analyze(build->rel, text, is_condition)) && must_be_immutable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("functions in it must be marked IMMUTABLE")));
}

/*
 * Errors unless an expression of the table, or several, still can be evaluated
 * when the old column has the new one's type; what and name are those of the
 * object that it is a part of.
 */
void
zdm_check_as_new(ZdmColumnPlan *build, const char *text, const char *what, const char *name,
				 bool is_condition, bool must_be_immutable)
{
	char	   *type = format_type_with_typemod(build->type, build->typmod);
	ZdmRenaming renaming = {build->old_name, psprintf("NULL::%s", type), true};
	char	   *rewritten = zdm_rewrite_expression(text, &renaming, 1);
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		check_analyzed(build, rewritten, is_condition, must_be_immutable);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				(errcode(edata->sqlerrcode),
				 errmsg("%s \"%s\" of table %s does not work with column \"%s\" of type %s", what, name, build->table,
						build->old_name, type),
				 errdetail("%s", edata->message),
				 errhint("Drop it before, and add one that fits when the migration is done.")));
	}
	PG_END_TRY();
}
