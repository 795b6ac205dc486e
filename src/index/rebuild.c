/*
 * rebuild.c
 *	  Rebuilding and dropping an index.
 *
 * REINDEX CONCURRENTLY makes a new index, swaps the two, and drops the old
 * one; each is a transaction of its own.  The new index is the job's from the
 * transaction that makes it on, and remembers which one it replaces.  So it is
 * known at any time where a former worker stopped: a new index that is not
 * valid is dropped and made again; one that is valid has taken the place, and
 * only the old one has to go.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "index/run.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* An index with storage, and its table. */
typedef struct Leaf
{
	Oid			index;
	Oid			table;
} Leaf;

typedef struct Leaves
{
	Leaf	   *leaves;
	int			count;
	bool		is_partitioned;
} Leaves;

static ZdmVerdict
list_leaves_body(ZdmRun *base, void *arg)
{
	Leaves	   *result = arg;
	Oid			argtype = OIDOID;
	Datum		index = ObjectIdGetDatum(((ZdmIndexRun *) base)->spec->index_oid);
	ZdmCatalogScope scope;
	bool		isnull;

	result->is_partitioned = get_rel_relkind(((ZdmIndexRun *) base)->spec->index_oid) ==
		RELKIND_PARTITIONED_INDEX;
	zdm_catalog_begin(&scope);
	result->count = zdm_catalog_execute("SELECT i.indexrelid, i.indrelid FROM pg_index i"
										" JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'"
										" WHERE i.indexrelid = $1 OR i.indexrelid IN"
										" (SELECT relid FROM pg_partition_tree($1::oid::regclass) WHERE isleaf)"
										" ORDER BY i.indrelid",
										1, &argtype, &index, NULL, SPI_OK_SELECT);
	result->leaves = MemoryContextAlloc(base->run_mcxt, sizeof(Leaf) * Max(result->count, 1));
	for (int i = 0; i < result->count; i++)
	{
		result->leaves[i].index = DatumGetObjectId(zdm_catalog_value(i, 1, &isnull));
		result->leaves[i].table = DatumGetObjectId(zdm_catalog_value(i, 2, &isnull));
	}
	zdm_catalog_end(&scope);
	return ZDM_DONE;
}

static bool
list_leaves(ZdmIndexRun *run, Leaves *leaves)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	while ((verdict = zdm_txn(&run->base, 0, list_leaves_body, leaves, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
			return false;
	}
	return true;
}

/* The job's index that replaces or is this one; NULL when there is none. */
static const ZdmIndexPart *
part_for(const ZdmIndexRun *run, Oid index)
{
	ListCell   *lc;

	foreach(lc, run->parts)
	{
		const ZdmIndexPart *part = lfirst(lc);

		if (part->replaces == index || part->index == index)
			return part;
	}
	return NULL;
}

static void
end_with_index_gone(ZdmIndexRun *run)
{
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_UNDEFINED_OBJECT,
							   "There is nothing left to do; zdm.cancel_job() ends the job.",
							   "index \"%s.%s\" was dropped",
							   run->base.job->target_schema, run->spec->index_name));
}

/* One REINDEX; false when the run has ended. */
static bool
execute_once(ZdmIndexRun *run, const Leaf *leaf)
{
	ZdmIndexStatement statement = {.table = leaf->table,.replaces = leaf->index};
	ZdmError   *error;
	ZdmVerdict	verdict;
	bool		exists;

	if (!zdm_index_exists(run, leaf->index, &exists))
		return false;
	if (!exists)
	{
		end_with_index_gone(run);
		return false;
	}
	zdm_index_say_phase(run, "rebuilding", leaf->table);
	verdict = zdm_index_execute(run, &statement, &error);
	if (error && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->detail)
		error->message = psprintf("%s: %s", error->message, error->detail);
	if (verdict != ZDM_DONE)
		return zdm_index_try_again(run, leaf->table, verdict, error);
	zdm_run_progressed(&run->base);
	zdm_say_progress(&run->base);
	return true;
}

/* False when the run has ended before. */
static bool
rebuild_leaf(ZdmIndexRun *run, const Leaf *leaf)
{
	while (zdm_index_look(run))
	{
		const ZdmIndexPart *part = part_for(run, leaf->index);
		bool		dropped;

		if (part == NULL)
		{
			if (!execute_once(run, leaf))
				return false;
			continue;
		}
		if (part->is_valid && !part->replaced_exists)
			return true;
		zdm_index_say_phase(run, "dropping what is left of a rebuild", leaf->table);
		dropped = zdm_index_drop(run, part->is_valid ? part->replaces : part->index,
								 leaf->table, false);
		if (!dropped)
			return false;
	}
	return false;
}

/* The whole of a job that rebuilds an index; false when the run has ended. */
bool
zdm_index_rebuild(ZdmIndexRun *run)
{
	Leaves		leaves;

	if (!zdm_index_look(run) || !list_leaves(run, &leaves))
		return false;
	if (leaves.count == 0 && !leaves.is_partitioned)
	{
		/* replaced and dropped by a former worker, if it was us */
		leaves.count = 1;
		leaves.leaves[0].index = run->spec->index_oid;
		leaves.leaves[0].table = run->base.job->target;
	}
	run->leaves_total = leaves.count;
	for (int i = 0; i < leaves.count; i++)
	{
		run->leaves_done = i;
		if (!rebuild_leaf(run, &leaves.leaves[i]))
			return false;
	}
	run->leaves_done = leaves.count;
	return true;
}

/* What is half done cannot be undone: once begun, a cancelled drop goes on. */
static void
ask_for_clean_up(void *arg)
{
	ZdmIndexRun *run = arg;
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(run->spec->index_oid));

	if (!HeapTupleIsValid(tuple))
		return;
	if (((Form_pg_index) GETSTRUCT(tuple))->indisvalid)
		zdm_job_set_cleanup(run->base.job->id, true);
	ReleaseSysCache(tuple);
}

typedef struct NameLeft
{
	const ZdmIndexRun *run;
	bool		left;
} NameLeft;

static void
look_for_name(void *arg)
{
	NameLeft   *name = arg;
	Oid			table = name->run->base.job->target;
	Oid			relid = get_relname_relid(name->run->spec->index_name, get_rel_namespace(table));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relid));

	name->left = HeapTupleIsValid(tuple) && ((Form_pg_index) GETSTRUCT(tuple))->indrelid == table;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
}

/*
 * REINDEX CONCURRENTLY by somebody else puts another index in the place of the
 * one that was to be dropped: that one is not ours to drop, and the job is not
 * done either when it was not the job that dropped the old one.  False when
 * the run has ended.
 */
static bool
name_is_gone(ZdmIndexRun *run)
{
	NameLeft	name = {.run = run};

	if (run->has_dropped)
		return true;
	if (!zdm_run_bookkeep(&run->base, look_for_name, &name))
		return false;
	if (name.left)
		zdm_run_end(&run->base, ZDM_RUN_FAILED,
					zdm_error_make(run->base.batch_mcxt, ERRCODE_OBJECT_IN_USE,
								   "It was rebuilt or made anew meanwhile: use zdm.drop_index() again.",
								   "there is another index \"%s.%s\" now",
								   run->base.job->target_schema, run->spec->index_name));
	return !name.left;
}

/*
 * The whole of a job that drops an index; false when the run has ended.  The
 * index of a partitioned table cannot be dropped concurrently: it takes an
 * ACCESS EXCLUSIVE lock on the table and its partitions for an instant, or
 * lets go and tries again.
 */
bool
zdm_index_remove(ZdmIndexRun *run)
{
	Leaves		leaves;

	if (!list_leaves(run, &leaves) || !zdm_run_bookkeep(&run->base, ask_for_clean_up, run))
		return false;
	zdm_index_say_phase(run, "dropping", run->base.job->target);
	return zdm_index_drop(run, run->spec->index_oid, run->base.job->target, leaves.is_partitioned) &&
		name_is_gone(run);
}
