/*
 * clause.c
 *	  set_clause and filter: from text to parse trees, each by itself.
 *
 * Each text is parsed by PostgreSQL's parser as a whole statement of its own
 * (UPDATE t SET <set_clause>, SELECT WHERE <filter>), and is accepted only
 * when that statement has the one part that we asked for and nothing else.
 * So neither text can reach into the other, whatever comments, quotes or
 * parentheses it has: the statement that runs is put together from the trees.
 */
#include "postgres.h"

#include "backfill/clause.h"
#include "compat/tree.h"
#include "core/text_errors.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define SET_PREFIX "UPDATE t SET "
#define FILTER_PREFIX "SELECT WHERE "

/*
 * Run step; an error of it gets the clause as its text, a position in that
 * text, and a hint when it has none.
 */
static void
with_clause_errors(ZdmTextStep step, void *arg, const char *argname,
				   const char *clause, int prefix_len)
{
	const char *example = strcmp(argname, "filter") == 0 ?
	"a IS NULL AND b > 0" : "a = b + 1, c = 'x'";
	ZdmText		given = {.source = clause,.prefix_len = prefix_len};

	given.hint = psprintf("Check %s; it is parsed by itself, as in \"%s\".", argname, example);
	zdm_text_errors(step, arg, &given);
}

typedef struct ParseArg
{
	const char *sql;
	List	   *stmts;
} ParseArg;

static void
parse_step(void *arg)
{
	ParseArg   *parse = arg;

	parse->stmts = raw_parser(parse->sql, RAW_PARSE_DEFAULT);
}

static Node *
parse_alone(const char *prefix, const char *clause, const char *argname)
{
	ParseArg	parse = {psprintf("%s%s", prefix, clause), NIL};

	with_clause_errors(parse_step, &parse, argname, clause, strlen(prefix));
	if (list_length(parse.stmts) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("%s must not contain a second statement", argname),
				 errhint("Remove the semicolon and what follows it.")));
	return linitial_node(RawStmt, parse.stmts)->stmt;
}

static void
refuse_part(const char *argname, const char *part, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("%s must not contain %s", argname, part),
			 errhint("%s", hint)));
}

static List *
parse_set_clause(const char *clause)
{
	Node	   *node = parse_alone(SET_PREFIX, clause, "set_clause");
	UpdateStmt *stmt = castNode(UpdateStmt, node);

	if (stmt->whereClause)
		refuse_part("set_clause", "WHERE", "Give the condition as filter.");
	if (stmt->fromClause)
		refuse_part("set_clause", "FROM", "Use a sub-select: a = (SELECT ... WHERE ...).");
	if (zdm_compat_has_returning(stmt))
		refuse_part("set_clause", "RETURNING", "A backfill returns no rows.");
	return stmt->targetList;
}

static Node *
parse_filter(const char *clause)
{
	Node	   *node = parse_alone(FILTER_PREFIX, clause, "filter");
	SelectStmt *stmt = castNode(SelectStmt, node);
	const char *hint = "Give one condition, as after WHERE.";

	if (stmt->op != SETOP_NONE || stmt->whereClause == NULL)
		refuse_part("filter", "UNION, INTERSECT or EXCEPT", hint);
	if (stmt->groupClause || stmt->havingClause || stmt->windowClause)
		refuse_part("filter", "GROUP BY, HAVING or WINDOW", hint);
	if (stmt->sortClause || stmt->limitCount || stmt->limitOffset)
		refuse_part("filter", "ORDER BY, LIMIT or OFFSET", hint);
	if (stmt->lockingClause || stmt->intoClause || stmt->withClause || stmt->fromClause)
		refuse_part("filter", "FOR UPDATE, INTO, WITH or FROM", hint);
	return stmt->whereClause;
}

/*
 * Fill in spec's trees from its texts.  Errors with SYNTAX_ERROR.
 */
void
zdm_clause_parse(ZdmBackfillSpec *spec)
{
	spec->set_list = parse_set_clause(spec->set_clause);
	spec->filter_tree = spec->filter ? parse_filter(spec->filter) : NULL;
}

typedef struct AnalyzeArg
{
	const char *sql;
	Node	   *stmt;
	bool		rewrite;
} AnalyzeArg;

static void
analyze_step(void *arg)
{
	AnalyzeArg *analyze = arg;
	RawStmt    *raw = makeNode(RawStmt);
	Query	   *query;

	raw->stmt = analyze->stmt;
	query = parse_analyze_fixedparams(raw, analyze->sql, NULL, 0, NULL);
	if (analyze->rewrite)
		(void) pg_rewrite_query(query);
}

static void
check_set_clause(const ZdmBackfillSpec *spec, Relation rel, bool rewrite)
{
	UpdateStmt *update = makeNode(UpdateStmt);
	AnalyzeArg	analyze = {.stmt = (Node *) update,.rewrite = rewrite};

	update->relation = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
									pstrdup(RelationGetRelationName(rel)), -1);
	update->targetList = copyObject(spec->set_list);
	analyze.sql = psprintf("%s%s", SET_PREFIX, spec->set_clause);
	with_clause_errors(analyze_step, &analyze, "set_clause", spec->set_clause,
					   strlen(SET_PREFIX));
}

static void
check_filter(const ZdmBackfillSpec *spec, Relation rel)
{
	SelectStmt *select = makeNode(SelectStmt);
	AnalyzeArg	analyze = {.stmt = (Node *) select};

	select->fromClause = list_make1(makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
												 pstrdup(RelationGetRelationName(rel)), -1));
	select->whereClause = copyObject(spec->filter_tree);
	analyze.sql = psprintf("%s%s", FILTER_PREFIX, spec->filter);
	with_clause_errors(analyze_step, &analyze, "filter", spec->filter,
					   strlen(FILTER_PREFIX));
}

/*
 * Analyze each clause by itself against rel, so that an error points into the
 * text it is in.  Errors: whatever PostgreSQL says of columns, functions and
 * types.
 */
void
zdm_clause_check(const ZdmBackfillSpec *spec, Relation rel)
{
	check_set_clause(spec, rel, false);
	if (spec->filter_tree)
		check_filter(spec, rel);
}

/*
 * What PostgreSQL finds only when it rewrites the update, such as a column
 * that is assigned to twice.
 */
void
zdm_clause_check_rewrite(const ZdmBackfillSpec *spec, Relation rel)
{
	check_set_clause(spec, rel, true);
}
