/*
 * statement.c
 *	  A statement that zdm.execute_ddl() may run: parsed, and what kind it is.
 *
 * What may run is listed, everything else is refused: what is no DDL, what is
 * not about this database, what would live in the worker's session only, and
 * what hides other statements inside, whose locks nobody can know before.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "ddl/statement.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "tcop/utility.h"

#define HINT_NOT_DDL "Run it in a session of yours. zdm.start_backfill() changes many rows in small pieces."
#define HINT_CLUSTER "It concerns the whole cluster, or needs a session of yours: run it there."
#define HINT_SESSION "What it makes would be gone with the session of the worker: run it in the session that needs it."
#define HINT_HIDES "It runs other statements, whose locks cannot be known before: run those one by one."

/*
 * Run step; an error of it gets the statement as its text, a position in that
 * text, and a hint when it has none.
 */
void
zdm_statement_errors(ZdmStatementStep step, void *arg, const char *text)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		step(arg);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		if (edata->cursorpos > 0)
		{
			edata->internalpos = edata->cursorpos;
			edata->internalquery = pstrdup(text);
		}
		edata->cursorpos = 0;
		if (edata->hint == NULL)
			edata->hint = pstrdup("Nothing has been started. Check the statement; names are resolved with the search_path of this session.");
		ReThrowError(edata);
	}
	PG_END_TRY();
}

static void
refuse(const ZdmStatement *statement, int sqlerrcode, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("cannot execute %s as a job: %s", GetCommandTagName(statement->tag), why),
			 errhint("%s", hint)));
}

static void
refuse_not_ddl(const ZdmStatement *statement)
{
	refuse(statement, ERRCODE_INVALID_PARAMETER_VALUE, "it is not DDL", HINT_NOT_DDL);
}

static void
refuse_cluster(const ZdmStatement *statement)
{
	refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "it is not about an object of this database", HINT_CLUSTER);
}

static void
refuse_hides(const ZdmStatement *statement)
{
	refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "it runs other statements", HINT_HIDES);
}

static void
refuse_temporary(const ZdmStatement *statement, const RangeVar *rv)
{
	if (rv && (rv->relpersistence == RELPERSISTENCE_TEMP ||
			   (rv->schemaname && strcmp(rv->schemaname, "pg_temp") == 0)))
		refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "the object is temporary", HINT_SESSION);
}

/* Objects that a DROP, RENAME or OWNER may be about. */
static void
check_object_type(const ZdmStatement *statement, ObjectType type)
{
	switch (type)
	{
		case OBJECT_DATABASE:
		case OBJECT_ROLE:
		case OBJECT_TABLESPACE:
		case OBJECT_SUBSCRIPTION:
		case OBJECT_EVENT_TRIGGER:
		case OBJECT_PARAMETER_ACL:
			refuse_cluster(statement);
			break;
		case OBJECT_EXTENSION:
			refuse_hides(statement);
			break;
		default:
			break;
	}
}

static bool
has_concurrently(List *params)
{
	ListCell   *lc;

	foreach(lc, params)
	{
		DefElem    *elem = lfirst_node(DefElem, lc);

		if (strcmp(elem->defname, "concurrently") == 0)
			return defGetBoolean(elem);
	}
	return false;
}

static bool
detaches_concurrently(const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DetachPartition && castNode(PartitionCmd, cmd->def)->concurrent)
			return true;
	}
	return false;
}

/* A leftover can be told from somebody else's index by its name only. */
static void
check_index(const ZdmStatement *statement, const IndexStmt *stmt)
{
	if (stmt->concurrent && stmt->idxname == NULL)
		refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "the index has no name",
			   "Name the index, or use zdm.create_index().");
}

static void
classify_reindex(ZdmStatement *statement, const ReindexStmt *stmt)
{
	if (stmt->kind != REINDEX_OBJECT_INDEX && stmt->kind != REINDEX_OBJECT_TABLE)
		refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "it is about many tables",
			   "Give one index to zdm.reindex() at a time.");
	statement->toplevel = has_concurrently(stmt->params);
}

/* Something in a query that changes or locks rows? */
static bool
touches_rows(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, InsertStmt) || IsA(node, UpdateStmt) || IsA(node, DeleteStmt) || IsA(node, MergeStmt) ||
		IsA(node, LockingClause))
		return true;
	return raw_expression_tree_walker(node, touches_rows, context);
}

/* Its query runs as long as it takes, so it must be in nobody's way. */
static void
classify_create_as(ZdmStatement *statement, const CreateTableAsStmt *stmt)
{
	refuse_temporary(statement, stmt->into->rel);
	if (touches_rows(stmt->query, NULL))
		refuse(statement, ERRCODE_INVALID_PARAMETER_VALUE, "its query changes or locks rows", HINT_NOT_DDL);
	statement->harmless = true;
}

/* Statements with something to look at. */
static bool
classify_closely(ZdmStatement *statement)
{
	Node	   *tree = statement->tree;

	switch (nodeTag(tree))
	{
		case T_AlterTableStmt:
			refuse_temporary(statement, ((AlterTableStmt *) tree)->relation);
			statement->toplevel = detaches_concurrently((AlterTableStmt *) tree);
			return true;
		case T_IndexStmt:
			check_index(statement, (IndexStmt *) tree);
			statement->toplevel = ((IndexStmt *) tree)->concurrent;
			return true;
		case T_DropStmt:
			check_object_type(statement, ((DropStmt *) tree)->removeType);
			statement->toplevel = ((DropStmt *) tree)->concurrent;
			return true;
		case T_RenameStmt:
			check_object_type(statement, ((RenameStmt *) tree)->renameType);
			return true;
		case T_AlterOwnerStmt:
			check_object_type(statement, ((AlterOwnerStmt *) tree)->objectType);
			return true;
		case T_CommentStmt:
			check_object_type(statement, ((CommentStmt *) tree)->objtype);
			return true;
		case T_GrantStmt:
			check_object_type(statement, ((GrantStmt *) tree)->objtype);
			return true;
		case T_ReindexStmt:
			classify_reindex(statement, (ReindexStmt *) tree);
			return true;
		case T_RefreshMatViewStmt:
			statement->harmless = ((RefreshMatViewStmt *) tree)->concurrent;
			return true;
		case T_CreateStmt:
			refuse_temporary(statement, ((CreateStmt *) tree)->relation);
			return true;
		case T_CreateTableAsStmt:
			classify_create_as(statement, (CreateTableAsStmt *) tree);
			return true;
		case T_ViewStmt:
			refuse_temporary(statement, ((ViewStmt *) tree)->view);
			return true;
		case T_CreateSchemaStmt:
			if (((CreateSchemaStmt *) tree)->schemaElts != NIL)
				refuse_hides(statement);
			return true;
		case T_CreateSeqStmt:
			refuse_temporary(statement, ((CreateSeqStmt *) tree)->sequence);
			return true;
		default:
			return false;
	}
}

/* Statements that are fine as they are. */
static bool
is_plain_ddl(const Node *tree)
{
	switch (nodeTag(tree))
	{
		case T_AlterObjectSchemaStmt:
		case T_AlterObjectDependsStmt:
		case T_CreateForeignTableStmt:
		case T_TruncateStmt:
		case T_RuleStmt:
		case T_CreateTrigStmt:
		case T_CreatePolicyStmt:
		case T_AlterPolicyStmt:
		case T_AlterSeqStmt:
		case T_CreateStatsStmt:
		case T_AlterStatsStmt:
		case T_CreateFunctionStmt:
		case T_AlterFunctionStmt:
		case T_CreateCastStmt:
		case T_CreateOpClassStmt:
		case T_CreateOpFamilyStmt:
		case T_AlterOpFamilyStmt:
		case T_AlterOperatorStmt:
		case T_DefineStmt:
		case T_CreateEnumStmt:
		case T_AlterEnumStmt:
		case T_CreateRangeStmt:
		case T_CompositeTypeStmt:
		case T_AlterTypeStmt:
		case T_CreateDomainStmt:
		case T_AlterDomainStmt:
		case T_AlterCollationStmt:
		case T_AlterTSDictionaryStmt:
		case T_AlterTSConfigurationStmt:
		case T_AlterDefaultPrivilegesStmt:
		case T_SecLabelStmt:
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
			return true;
		default:
			return false;
	}
}

static void
refuse_the_rest(const ZdmStatement *statement)
{
	switch (nodeTag(statement->tree))
	{
		case T_CreateExtensionStmt:
		case T_AlterExtensionStmt:
		case T_AlterExtensionContentsStmt:
		case T_ImportForeignSchemaStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
		case T_DoStmt:
		case T_CallStmt:
			refuse_hides(statement);
			break;
		case T_SelectStmt:
			refuse_not_ddl(statement);
			break;
		case T_ClusterStmt:
			refuse(statement, ERRCODE_FEATURE_NOT_SUPPORTED, "it rewrites a table under its lock",
				   "Run it in a session of yours, when nobody needs the table.");
			break;
		default:
			if (GetCommandLogLevel(statement->tree) == LOGSTMT_DDL)
				refuse_cluster(statement);
			refuse_not_ddl(statement);
			break;
	}
}

typedef struct ParseArg
{
	const char *text;
	List	   *stmts;
} ParseArg;

static void
parse_step(void *arg)
{
	ParseArg   *parse = arg;

	parse->stmts = raw_parser(parse->text, RAW_PARSE_DEFAULT);
}

/*
 * SELECT pg_catalog.setval(...): a sequence that was made goes on where another
 * stopped, for which there is no DDL.
 */
bool
zdm_statement_sets_sequence(const Node *tree)
{
	const SelectStmt *select = (const SelectStmt *) tree;
	const Node *value;

	if (!IsA(tree, SelectStmt) || list_length(select->targetList) != 1)
		return false;
	value = linitial_node(ResTarget, select->targetList)->val;
	if (!IsA(value, FuncCall) || list_length(((const FuncCall *) value)->funcname) != 2)
		return false;
	return strcmp(strVal(linitial(((const FuncCall *) value)->funcname)), "pg_catalog") == 0 &&
		strcmp(strVal(lsecond(((const FuncCall *) value)->funcname)), "setval") == 0;
}

static ZdmStatement *
make_statement(const char *text, Node *tree)
{
	ZdmStatement *statement = palloc0(sizeof(ZdmStatement));

	statement->text = text;

	statement->tree = tree;
	statement->tag = CreateCommandTag(tree);
	if (!classify_closely(statement) && !is_plain_ddl(tree))
		refuse_the_rest(statement);
	return statement;
}

static List *
parse_text(const char *text)
{
	ParseArg	parse;

	parse.text = text;

	parse.stmts = NIL;
	zdm_statement_errors(parse_step, &parse, text);
	if (parse.stmts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("statement is empty"),
				 errhint("Give one DDL statement, such as \"ALTER TABLE t ADD COLUMN c int\".")));
	return parse.stmts;
}

/*
 * Parse a statement, in the current memory context.  Errors with SYNTAX_ERROR
 * when it is none or more than one, with INVALID_PARAMETER_VALUE when it is
 * not DDL, with FEATURE_NOT_SUPPORTED when it is DDL that cannot be a job.
 */
ZdmStatement *
zdm_statement_parse(const char *text)
{
	List	   *stmts = parse_text(text);

	if (list_length(stmts) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("statement must not contain a second statement"),
				 errhint("Give each to a zdm.execute_ddl() of its own.")));
	return make_statement(text, linitial_node(RawStmt, stmts)->stmt);
}

static ZdmStatement *
make_one_of_list(const char *text, Node *tree)
{
	ZdmStatement *statement;

	if (!zdm_statement_sets_sequence(tree))
		return make_statement(text, tree);
	statement = palloc0(sizeof(ZdmStatement));
	statement->text = text;

	statement->tree = tree;
	statement->tag = CreateCommandTag(tree);
	statement->sets_sequence = true;
	return statement;
}

/*
 * Parse statements separated by semicolons: a list of ZdmStatement, each with
 * the whole text.  Errors likewise, but there may be more than one, and one may
 * be a SELECT of pg_catalog.setval().
 */
List *
zdm_statement_parse_list(const char *text)
{
	List	   *statements = NIL;
	ListCell   *lc;

	foreach(lc, parse_text(text))
		statements = lappend(statements, make_one_of_list(text, lfirst_node(RawStmt, lc)->stmt));
	return statements;
}

/* That a DROP or a COMMENT names, when it is a relation or a part of one. */
static const RangeVar *
named_object(ObjectType type, Node *name)
{
	List	   *names = IsA(name, List) ? list_copy(castNode(List, name)) : NIL;

	switch (type)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_INDEX:
		case OBJECT_FOREIGN_TABLE:
			break;
		case OBJECT_COLUMN:
		case OBJECT_TABCONSTRAINT:
		case OBJECT_TRIGGER:
		case OBJECT_RULE:
		case OBJECT_POLICY:
			if (names != NIL)
				names = list_truncate(names, list_length(names) - 1);
			break;
		default:
			return NULL;
	}
	/* that no relation has such a name is said by the check of the statement */
	if (names == NIL || list_length(names) > 3)
		return NULL;
	return makeRangeVarFromNameList(names);
}

/* The relation that a statement is about, by name; NULL when there is none. */
const RangeVar *
zdm_statement_object(const ZdmStatement *statement)
{
	Node	   *tree = statement->tree;

	switch (nodeTag(tree))
	{
		case T_AlterTableStmt:
			return ((AlterTableStmt *) tree)->relation;
		case T_RenameStmt:
			return ((RenameStmt *) tree)->relation;
		case T_AlterObjectSchemaStmt:
			return ((AlterObjectSchemaStmt *) tree)->relation;
		case T_AlterSeqStmt:
			return ((AlterSeqStmt *) tree)->sequence;
		case T_IndexStmt:
			return ((IndexStmt *) tree)->relation;
		case T_ReindexStmt:
			return ((ReindexStmt *) tree)->relation;
		case T_RefreshMatViewStmt:
			return ((RefreshMatViewStmt *) tree)->relation;
		case T_TruncateStmt:
			return linitial_node(RangeVar, ((TruncateStmt *) tree)->relations);
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) tree)->relation;
		case T_RuleStmt:
			return ((RuleStmt *) tree)->relation;
		case T_CreatePolicyStmt:
			return ((CreatePolicyStmt *) tree)->table;
		case T_AlterPolicyStmt:
			return ((AlterPolicyStmt *) tree)->table;
		case T_CreateStmt:
			return ((CreateStmt *) tree)->relation;
		case T_ViewStmt:
			return ((ViewStmt *) tree)->view;
		case T_DropStmt:
			return named_object(((DropStmt *) tree)->removeType, linitial(((DropStmt *) tree)->objects));
		case T_CommentStmt:
			return named_object(((CommentStmt *) tree)->objtype, ((CommentStmt *) tree)->object);
		default:
			return NULL;
	}
}
