/*
 * partitions.c
 *	  Creating the index of a partitioned table without blocking writes.
 *
 * First an index ON ONLY the table, and likewise on each partition that is
 * partitioned itself: rows in the catalogs, made under a SHARE lock by the
 * policy of ddl/lock.c.  Then an index on each leaf,
 * concurrently.  Only when all are there they are attached, so that a
 * cancelled job can drop them without a strong lock.  With the last one
 * PostgreSQL makes the index of the table valid.
 *
 * Each round lists the partitions anew and takes the first thing to do: a
 * partition that is attached meanwhile gets its index from PostgreSQL, or
 * from us.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "compat/tree.h"
#include "core/catalog.h"
#include "ddl/lock.h"
#include "index/definition.h"
#include "index/run.h"
#include "parser/parse_utilcmd.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* What to do next. */
typedef struct Next
{
	Oid			table;			/* invalid: nothing is left to do */
	Oid			parent;			/* of table; invalid for the root */
	Oid			parent_index;
	Oid			index;			/* to attach; invalid: to be made */
	bool		is_leaf;
	int			leaves_done;
	int			leaves_total;
	IndexStmt  *tree;			/* that makes it, in run_mcxt */
	char	   *sql;			/* that attaches it, in run_mcxt */
	List	   *targets;		/* what that locks, in run_mcxt */
} Next;

/*
 * A partition's index is the one attached to its parent's, or else the one
 * that the job has made for it.  What is to be made comes first, parents
 * before their partitions, then what is to be attached.
 */
static const char next_sql[] =
"WITH RECURSIVE own AS ("
"  SELECT p.table_oid, p.index_oid FROM zdm.index_part p"
"    JOIN pg_index i ON i.indexrelid = p.index_oid AND i.indrelid = p.table_oid"
"    JOIN pg_class c ON c.oid = p.index_oid"
"   WHERE p.job_id = $1 AND p.made_for = $3 AND (c.relkind = 'I' OR i.indisvalid)),"
" tree AS (SELECT relid::oid AS relid, parentrelid::oid AS parent, level FROM pg_partition_tree($2::oid::regclass)),"
" known (relid, parent, parent_index, level, index, attached) AS ("
"  SELECT t.relid, 0::oid, 0::oid, t.level, coalesce(o.index_oid, 0::oid), true"
"    FROM tree t LEFT JOIN own o ON o.table_oid = t.relid WHERE t.level = 0"
"  UNION ALL"
"  SELECT t.relid, k.relid, k.index, t.level, coalesce(a.index, o.index_oid, 0::oid), a.index IS NOT NULL"
"    FROM known k JOIN tree t ON t.parent = k.relid"
"    LEFT JOIN own o ON o.table_oid = t.relid"
"    LEFT JOIN LATERAL (SELECT h.inhrelid AS index FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid"
"                        WHERE h.inhparent = k.index AND i.indrelid = t.relid) a ON true)"
" SELECT k.relid, k.parent, k.parent_index, k.index, c.relkind <> 'p',"
"        count(*) FILTER (WHERE c.relkind <> 'p' AND k.index <> 0) OVER (),"
"        count(*) FILTER (WHERE c.relkind <> 'p') OVER (), k.index <> 0 AND k.attached"
"   FROM known k JOIN pg_class c ON c.oid = k.relid"
"  ORDER BY k.index <> 0, k.index <> 0 AND k.attached, c.relkind <> 'p', k.level, k.relid LIMIT 1";

static void
find_next(ZdmIndexRun *run, Next *next)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID};
	Datum		values[] = {Int64GetDatum(run->base.job->id),
		ObjectIdGetDatum(run->base.job->target),
	CStringGetTextDatum(run->spec->index_name)};
	ZdmCatalogScope scope;
	bool		isnull;
	int			nrows;

	memset(next, 0, sizeof(*next));
	zdm_catalog_begin(&scope);
	nrows = zdm_catalog_execute(next_sql, lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT);
	if (nrows > 0)
	{
		next->leaves_done = (int) DatumGetInt64(zdm_catalog_value(0, 6, &isnull));
		next->leaves_total = (int) DatumGetInt64(zdm_catalog_value(0, 7, &isnull));
		if (!DatumGetBool(zdm_catalog_value(0, 8, &isnull)))
		{
			next->table = DatumGetObjectId(zdm_catalog_value(0, 1, &isnull));
			next->parent = DatumGetObjectId(zdm_catalog_value(0, 2, &isnull));
			next->parent_index = DatumGetObjectId(zdm_catalog_value(0, 3, &isnull));
			next->index = DatumGetObjectId(zdm_catalog_value(0, 4, &isnull));
			next->is_leaf = DatumGetBool(zdm_catalog_value(0, 5, &isnull));
		}
	}
	zdm_catalog_end(&scope);
}

/* The statement for a partition: the index of its parent, in its columns. */
static IndexStmt *
clone_statement(const Next *next)
{
	Relation	table = table_open(next->table, AccessShareLock);
	Relation	parent = table_open(next->parent, AccessShareLock);
	Relation	index = index_open(next->parent_index, AccessShareLock);
	IndexStmt  *stmt;

	stmt = generateClonedIndexStmt(zdm_index_range_var(next->table), index,
								   zdm_compat_attrmap(RelationGetDescr(table), RelationGetDescr(parent)),
								   NULL);
	stmt->relation->inh = next->is_leaf;
	stmt->concurrent = next->is_leaf;
	index_close(index, AccessShareLock);
	table_close(parent, AccessShareLock);
	table_close(table, AccessShareLock);
	return stmt;
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static ZdmVerdict
next_body(ZdmRun *base, void *arg)
{
	ZdmIndexRun *run = (ZdmIndexRun *) base;
	Next	   *next = arg;
	IndexStmt  *tree = NULL;
	MemoryContext old;

	find_next(run, next);
	if (!OidIsValid(next->table))
		return ZDM_DONE;
	if (OidIsValid(next->index))
		next->sql = MemoryContextStrdup(base->run_mcxt,
										psprintf("ALTER INDEX %s ATTACH PARTITION %s",
												 qualified_name(next->parent_index),
												 qualified_name(next->index)));
	else if (OidIsValid(next->parent))
		tree = clone_statement(next);
	else
		tree = zdm_index_statement(run->stmt, next->table, run->spec->index_name, false);
	old = MemoryContextSwitchTo(base->run_mcxt);
	next->tree = copyObject(tree);
	if (next->sql)
		next->targets = list_make2(zdm_lock_target(next->parent_index, ShareUpdateExclusiveLock),
								   zdm_lock_target(next->index, AccessExclusiveLock));
	else if (!next->is_leaf)
		next->targets = list_make1(zdm_lock_target(next->table, ShareLock));
	MemoryContextSwitchTo(old);
	return ZDM_DONE;
}

/* A statement that is done in an instant; false when the run has ended. */
static bool
execute_short(ZdmIndexRun *run, const Next *next)
{
	ZdmIndexStatement statement = {.tree = next->tree,.sql = next->sql,
		.table = next->tree ? next->table : InvalidOid,
	.targets = next->targets};
	ZdmVerdict	verdict;
	ZdmError   *error;

	zdm_index_say_phase(run, next->tree ? "creating the index of the partitioned table" : "attaching",
						next->table);
	verdict = zdm_index_execute(run, &statement, &error);
	if (verdict != ZDM_DONE)
		return zdm_index_try_again(run, next->table, verdict, error);
	zdm_run_progressed(&run->base);
	return true;
}

/*
 * The whole of a job that creates an index on a partitioned table; false when
 * the run has ended.
 */
bool
zdm_index_create_partitioned(ZdmIndexRun *run)
{
	for (;;)
	{
		Next		next;
		ZdmError   *error;
		ZdmVerdict	verdict;
		bool		ok;

		if (!zdm_index_look(run))
			return false;
		verdict = zdm_txn(&run->base, 0, next_body, &next, &error);
		if (verdict != ZDM_DONE)
		{
			if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
				return false;
			continue;
		}
		run->leaves_done = next.leaves_done;
		run->leaves_total = next.leaves_total;
		if (!OidIsValid(next.table))
			return true;
		if (next.tree && next.is_leaf)
			ok = zdm_index_build(run, next.table, next.tree);
		else
			ok = execute_short(run, &next);
		if (!ok)
			return false;
	}
}
