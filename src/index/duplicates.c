/*
 * duplicates.c
 *	  Rows that keep a unique index from being built.
 *
 * The query groups by the index's own columns and expressions under its
 * predicate, turned into text by PostgreSQL's deparser.  Groups are by the
 * type's default equality; where the index has an operator class of its own,
 * only the build itself can tell, and the answer is a help at most.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "core/identity.h"
#include "executor/spi.h"
#include "index/definition.h"
#include "index/run.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "violation/violation.h"

/* before the build: only a table that is read in a moment, only for a moment */
#define CHEAP_PAGES 32768
#define CHEAP_MS 2000

/* after it has failed */
#define REPORT_MS 60000

typedef struct Search
{
	Oid			table;
	const IndexStmt *tree;
	const char *definition;
	bool		only_if_cheap;
	int64		rows;			/* found */
} Search;

static char *
expression_text(Node *expr, Oid table)
{
	return deparse_expression(expr, deparse_context_for(get_rel_name(table), table), false, false);
}

/* One key of the index as text; *label is what to call it. */
static char *
key_text(const IndexElem *elem, Oid table, char **label)
{
	char	   *text;

	*label = elem->expr ? expression_text(elem->expr, table) : elem->name;
	if (elem->expr)
		text = psprintf("(%s)", *label);

	else
		text = pstrdup(quote_identifier(elem->name));

	if (elem->collation)
		text = psprintf("%s COLLATE %s", text, NameListToQuotedString(elem->collation));
	return text;
}

/* The query: occurrences, all rows of all groups, the keys. */
static char *
search_sql(const IndexStmt *stmt, Oid table, char **labels)
{
	StringInfoData keys;
	StringInfoData where;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&keys);
	initStringInfo(&where);
	appendStringInfoString(&where, "true");
	if (stmt->whereClause)
		appendStringInfo(&where, " AND (%s)", expression_text(stmt->whereClause, table));
	foreach(lc, stmt->indexParams)
	{
		char	   *key = key_text(lfirst_node(IndexElem, lc), table, &labels[n++]);

		appendStringInfo(&keys, "%s%s", n > 1 ? ", " : "", key);
		if (!stmt->nulls_not_distinct)
			appendStringInfo(&where, " AND %s IS DISTINCT FROM NULL", key);
	}
	return psprintf("SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.int8, %s"
					" FROM ONLY %s WHERE %s GROUP BY %s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1"
					" ORDER BY 1 DESC LIMIT %d",
					keys.data,
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table)),
					where.data, keys.data, ZDM_VIOLATION_LIMIT);
}

static char *
values_as_json(uint64 row, char **labels, int nkeys)
{
	char	   *object = NULL;

	for (int i = 0; i < nkeys; i++)
		object = zdm_violation_pair(object, labels[i],
									SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, i + 3));
	return object;
}

/* Run the query as the owner and keep what it finds; nothing in between. */
static int64
find_and_list(ZdmIndexRun *run, const char *sql, Oid table, char **labels, int nkeys)
{
	MemoryContext mcxt = CurrentMemoryContext;
	List	   *found = NIL;
	ListCell   *lc;
	int64		listed = 0;
	int64		total = 0;
	bool		isnull;

	SPI_connect();
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "the search for duplicates failed");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		char	   *json = values_as_json(row, labels, nkeys);
		MemoryContext old = MemoryContextSwitchTo(mcxt);
		ZdmViolation *violation = palloc0(sizeof(ZdmViolation));

		violation->constraint_name = run->spec->index_name;
		violation->schema_name = get_namespace_name(get_rel_namespace(table));
		violation->table_name = get_rel_name(table);
		violation->row_values = pstrdup(json);
		violation->occurrences = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &isnull));
		total = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &isnull));
		listed += violation->occurrences;
		found = lappend(found, violation);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	foreach(lc, found)
		(void) zdm_violation_add(run->base.job->id, lfirst(lc));
	if (total > listed)
		zdm_violation_count(run->base.job->id, total - listed);
	return total;
}

static bool
is_cheap(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	bool		cheap = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		cheap = form->relpages >= 0 && form->relpages <= CHEAP_PAGES && form->reltuples >= 0;
		ReleaseSysCache(tuple);
	}
	return cheap;
}

static bool
has_own_operator_class(const IndexStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->indexParams)
	{
		if (lfirst_node(IndexElem, lc)->opclass != NIL)
			return true;
	}
	return false;
}

static ZdmVerdict
search_body(ZdmRun *base, void *arg)
{
	Search	   *search = arg;
	IndexStmt  *stmt;
	char	  **labels;
	char	   *sql;

	if (search->only_if_cheap && (!is_cheap(search->table) || has_own_operator_class(search->tree)))
		return ZDM_DONE;
	if (!ConditionalLockRelationOid(search->table, AccessShareLock))
		return ZDM_DONE;
	PushActiveSnapshot(GetTransactionSnapshot());
	stmt = zdm_index_analyze(search->tree, search->table, search->definition);
	labels = palloc(sizeof(char *) * list_length(stmt->indexParams));
	zdm_pin_setting("search_path", "pg_catalog, pg_temp");
	sql = search_sql(stmt, search->table, labels);
	search->rows = find_and_list((ZdmIndexRun *) base, sql, search->table, labels,
								 list_length(stmt->indexParams));
	return ZDM_DONE;
}

static void
end_with_duplicates(ZdmIndexRun *run, Oid table, int64 rows, const char *detail)
{
	char	   *found = rows == 0 ? pstrdup("rows") : psprintf(INT64_FORMAT " rows", rows);

	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_UNIQUE_VIOLATION,
							   psprintf("%sRemove the duplicates, then use zdm.retry_job(" INT64_FORMAT ").",
										rows == 0 ? "" : "The keys are in zdm.violations. ", run->base.job->id),
							   "cannot build unique index \"%s\": %s of \"%s.%s\" have the same keys as others%s%s",
							   run->spec->index_name, found, run->base.job->target_schema,
							   zdm_run_ask(&run->base, "SELECT relname FROM pg_class WHERE oid = $1",
										   table, run->base.job->target_name),
							   detail ? ": " : "", detail ? detail : ""));
}

/*
 * Before a build, where that costs next to nothing: are there duplicates?
 * False when the run has ended, because there are.  What keeps the search
 * from being made is no reason not to build.
 */
bool
zdm_index_check_duplicates(ZdmIndexRun *run, Oid table, const IndexStmt *tree)
{
	Search		search = {.table = table,.tree = tree,.definition = run->spec->definition,
	.only_if_cheap = true};
	ZdmError   *error;
	ZdmVerdict	verdict;

	zdm_index_say_phase(run, "looking for duplicates", table);
	verdict = zdm_txn(&run->base, CHEAP_MS, search_body, &search, &error);
	if (verdict == ZDM_STOP || verdict == ZDM_CANCELLED)
		return zdm_verdict_try_again(&run->base, table, verdict, error);
	if (verdict != ZDM_DONE || search.rows == 0)
		return true;
	end_with_duplicates(run, table, search.rows, NULL);
	return false;
}

/* A build has failed because of duplicates: list them and end the run. */
void
zdm_index_report_duplicates(ZdmIndexRun *run, Oid table, const IndexStmt *tree,
							const ZdmError *cause)
{
	Search		search = {.table = table,.tree = tree,.definition = run->spec->definition};
	ZdmError   *error;
	ZdmVerdict	verdict;

	zdm_index_say_phase(run, "listing duplicates", table);
	verdict = zdm_txn(&run->base, REPORT_MS, search_body, &search, &error);
	if (verdict == ZDM_STOP || verdict == ZDM_CANCELLED)
		(void) zdm_verdict_try_again(&run->base, table, verdict, error);
	else
		end_with_duplicates(run, table, verdict == ZDM_DONE ? search.rows : 0, cause->detail);
}
