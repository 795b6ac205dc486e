/*
 * api.c
 *	  zdm.explain_ddl(): what a statement would do, without doing it.
 *
 * Nothing is executed, and nothing is locked with more than ACCESS SHARE.
 */
#include "postgres.h"

#include "core/args.h"
#include "explain/explain.h"
#include "explain/facts.h"
#include "fmgr.h"
#include "funcapi.h"
#include "parser/parser.h"
#include "storage/lock.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_explain_ddl);

#define COLUMNS 9

static bool
is_ddl(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_VacuumStmt:
		case T_LockStmt:
		case T_ReindexStmt:
		case T_TruncateStmt:
			return true;
		case T_ExplainStmt:
		case T_ExecuteStmt:
		case T_PrepareStmt:
			return false;
		default:
			return GetCommandLogLevel(stmt) == LOGSTMT_DDL;
	}
}

static void
dispatch(ZdmFacts *facts, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			zdm_explain_alter_table(facts, (AlterTableStmt *) stmt);
			break;
		case T_IndexStmt:
			zdm_explain_create_index(facts, (IndexStmt *) stmt);
			break;
		case T_ReindexStmt:
			zdm_explain_reindex(facts, (ReindexStmt *) stmt);
			break;
		case T_DropStmt:
			zdm_explain_drop(facts, (DropStmt *) stmt);
			break;
		case T_TruncateStmt:
			zdm_explain_truncate(facts, (TruncateStmt *) stmt);
			break;
		case T_RenameStmt:
			zdm_explain_rename(facts, (RenameStmt *) stmt);
			break;
		case T_AlterObjectSchemaStmt:
			zdm_explain_set_schema(facts, (AlterObjectSchemaStmt *) stmt);
			break;
		case T_CreateStmt:
			zdm_explain_create_table(facts, (CreateStmt *) stmt);
			break;
		case T_CreateForeignTableStmt:
			zdm_explain_create_table(facts, &((CreateForeignTableStmt *) stmt)->base);
			break;
		case T_AlterDomainStmt:
			zdm_explain_domain(facts, (AlterDomainStmt *) stmt);
			break;
		case T_AlterEnumStmt:
			zdm_explain_enum(facts, (AlterEnumStmt *) stmt);
			break;
		default:
			/* what is left locks no table */
			(void) zdm_explain_other(facts, stmt);
			break;
	}
}

static void
gather(ZdmFacts *facts, const RawStmt *stmt)
{
	if (!is_ddl(stmt->stmt))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the statement is not DDL"),
				 errhint("Give a statement that creates, alters or drops something; use EXPLAIN for queries.")));
	zdm_facts_refuse_taken_name(facts, stmt->stmt);
	dispatch(facts, stmt->stmt);
}

/*
 * The facts of a statement of DDL, whose text is sql: a list of ZdmDdlFact,
 * one per relation that it locks and those without a relation.  Takes ACCESS
 * SHARE on these relations and keeps it; stmt is not changed.  Needs a snapshot.
 * Errors: FEATURE_NOT_SUPPORTED when it is not DDL, and what PostgreSQL says of
 * names, columns, types and rights.
 */
List *
zdm_ddl_facts(RawStmt *stmt, const char *sql)
{
	ZdmFacts	facts = {.sql = sql};

	gather(&facts, stmt);
	return zdm_facts_finish(&facts);
}

/*
 * The same for somebody who must take the locks before running the statement:
 * of each fact, only relid and mode are set, and those without a lock are left
 * out.
 */
List *
zdm_ddl_locks(RawStmt *stmt, const char *sql)
{
	ZdmFacts	facts = {.sql = sql};

	gather(&facts, stmt);
	return zdm_facts_locks(&facts);
}

static RawStmt *
parse_one(const char *sql)
{
	List	   *stmts = raw_parser(sql, RAW_PARSE_DEFAULT);

	if (list_length(stmts) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("there is no statement"),
				 errhint("Give one statement, such as ALTER TABLE ... ADD COLUMN ....")));
	if (list_length(stmts) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("there is more than one statement"),
				 errhint("Give the statements one by one.")));
	return linitial_node(RawStmt, stmts);
}

/* The facts, and errors that point into the text and have a hint. */
static List *
facts_of_text(const char *sql)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *volatile result = NIL;

	PG_TRY();
	{
		result = zdm_ddl_facts(parse_one(sql), sql);
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
			edata->internalquery = pstrdup(sql);
			edata->cursorpos = 0;
		}
		if (edata->hint == NULL)
			edata->hint = pstrdup("The statement would fail like this. Check its syntax and the names in it.");
		ReThrowError(edata);
	}
	PG_END_TRY();
	return result;
}

/* The name of a lock mode as in LOCK TABLE. */
static const char *
mode_name(LOCKMODE mode)
{
	static const char *const names[] = {
		NULL, "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE",
		"SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"
	};

	return names[mode];
}

static void
put_row(ReturnSetInfo *rsinfo, const ZdmDdlFact *fact)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {false};
	const char *mode = mode_name(fact->mode);

	nulls[0] = fact->relation == NULL;
	if (fact->relation)
		values[0] = CStringGetTextDatum(fact->relation);
	nulls[1] = mode == NULL;
	if (mode)
		values[1] = CStringGetTextDatum(mode);
	values[2] = BoolGetDatum(fact->rewrites);
	values[3] = BoolGetDatum(fact->scans);
	values[4] = BoolGetDatum(mode && DoLockModesConflict(fact->mode, AccessShareLock));
	values[5] = BoolGetDatum(mode && DoLockModesConflict(fact->mode, RowExclusiveLock));
	values[6] = Int64GetDatum((int64) fact->bytes);
	values[7] = BoolGetDatum(fact->safe);
	nulls[8] = fact->advice == NULL;
	if (fact->advice)
		values[8] = CStringGetTextDatum(fact->advice);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* zdm.explain_ddl(statement text) */
Datum
zdm_explain_ddl(PG_FUNCTION_ARGS)
{
	ListCell   *lc;
	List	   *facts;

	InitMaterializedSRF(fcinfo, 0);
	zdm_args_not_null(fcinfo, 0, "statement");
	facts = facts_of_text(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	foreach(lc, facts)
		put_row((ReturnSetInfo *) fcinfo->resultinfo, lfirst(lc));
	return (Datum) 0;
}
