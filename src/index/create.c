/*
 * create.c
 *	  Creating an index on one table that has storage.
 *
 * Each round looks at what there is: an index that the job has made and that
 * is valid is the end, one that is not valid is dropped, and with none there
 * the statement runs.  So it does not matter where a former worker stopped.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "index/definition.h"
#include "index/run.h"
#include "run/pause.h"
#include "run/verdict.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef enum NameState
{
	NAME_FREE,
	NAME_TAKEN,					/* by a relation that is not the job's */
	NAME_OF_INVALID				/* the same, and it is an invalid index */
} NameState;

static ZdmVerdict
look_at_name_body(ZdmRun *base, void *arg)
{
	ZdmIndexRun *run = (ZdmIndexRun *) base;
	NameState  *state = arg;
	Oid			relid = get_relname_relid(run->spec->index_name, get_rel_namespace(base->job->target));
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relid));

	*state = OidIsValid(relid) ? NAME_TAKEN : NAME_FREE;
	if (HeapTupleIsValid(tuple))
	{
		if (!((Form_pg_index) GETSTRUCT(tuple))->indisvalid)
			*state = NAME_OF_INVALID;
		ReleaseSysCache(tuple);
	}
	return ZDM_DONE;
}

static void
end_with_name_taken(ZdmIndexRun *run, NameState state)
{
	zdm_run_end(&run->base, ZDM_RUN_FAILED,
				zdm_error_make(run->base.batch_mcxt, ERRCODE_DUPLICATE_TABLE,
							   psprintf("Drop or rename it, then use zdm.retry_job(" INT64_FORMAT ").",
										run->base.job->id),
							   state == NAME_OF_INVALID ?
							   "index \"%s.%s\" exists, is not valid, and was not made by this job" :
							   "relation \"%s.%s\" already exists",
							   run->base.job->target_schema, run->spec->index_name));
}

/*
 * Before anything is made: does the name belong to somebody else?  False when
 * there is nothing to do or the run has ended.
 */
bool
zdm_index_name_is_free(ZdmIndexRun *run)
{
	NameState	state;
	ZdmVerdict	verdict;
	ZdmError   *error;

	while ((verdict = zdm_txn(&run->base, 0, look_at_name_body, &state, &error)) != ZDM_DONE)
	{
		if (!zdm_verdict_try_again(&run->base, run->base.job->target, verdict, error))
			return false;
	}
	if (state == NAME_TAKEN && run->if_not_exists)
	{
		zdm_note_event(&run->base, "skipped", "a relation of that name exists (IF NOT EXISTS)");
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	}
	else if (state != NAME_FREE)
		end_with_name_taken(run, state);
	return !run->base.ended;
}

/* Was that partition dropped? */
static bool
is_gone(ZdmIndexRun *run, Oid table)
{
	bool		exists;

	return table != run->base.job->target && !run->base.ended &&
		zdm_index_exists(run, table, &exists) && !exists;
}

/*
 * True: to be tried again.  False: the run has ended.  A relation that has got
 * the name meanwhile is looked at as one that had it before.
 */
static bool
after_failure(ZdmIndexRun *run, Oid table, const IndexStmt *tree, ZdmVerdict verdict,
			  ZdmError *error)
{
	if (error && error->sqlerrcode == ERRCODE_DUPLICATE_TABLE && table == run->base.job->target)
		return zdm_index_name_is_free(run);
	if (error && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && tree->unique)
	{
		zdm_index_report_duplicates(run, table, tree, error);
		return false;
	}
	return zdm_index_try_again(run, table, verdict, error);
}

/*
 * Build an index of the job's own on table.  tree is the statement to
 * execute, of run_mcxt.  Nothing is to be done for a partition that is
 * dropped.  False when the run has ended before.
 */
bool
zdm_index_build(ZdmIndexRun *run, Oid table, const IndexStmt *tree)
{
	ZdmIndexStatement statement = {.tree = tree,.table = table};
	bool		checked = !tree->unique;

	while (zdm_index_look(run))
	{
		const ZdmIndexPart *part = zdm_index_part_of(run, table);
		ZdmVerdict	verdict;
		ZdmError   *error;

		if (is_gone(run, table))
			return true;
		if (run->base.ended)
			return false;
		if (part && part->is_valid)
			return true;
		if (part)
		{
			zdm_index_say_phase(run, "dropping an unfinished index", table);
			if (!zdm_index_drop(run, part->index, table, false))
				return false;
			continue;
		}
		if (!checked && !zdm_index_check_duplicates(run, table, tree))
			return false;
		checked = true;
		zdm_index_say_phase(run, "building", table);
		verdict = zdm_index_execute(run, &statement, &error);
		if (verdict == ZDM_DONE)
		{
			zdm_run_progressed(&run->base);
			zdm_say_progress(&run->base);
		}
		else if (!is_gone(run, table) && !after_failure(run, table, tree, verdict, error))
			return false;
	}
	return false;
}
