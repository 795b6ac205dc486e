/*
 * api.c
 *	  zdm.create_index(), zdm.reindex(), zdm.drop_index(): check what is asked
 *	  for and enqueue it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "core/args.h"
#include "core/identity.h"
#include "fmgr.h"
#include "index/definition.h"
#include "index/store.h"
#include "index/target.h"
#include "job/job.h"
#include "job/queue.h"
#include "job/submit.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_create_index);
PG_FUNCTION_INFO_V1(zdm_reindex);
PG_FUNCTION_INFO_V1(zdm_drop_index);

/* What a call asks for. */
typedef struct Request
{
	ZdmIndexSpec spec;
	Relation	rel;			/* the table */
	IndexStmt  *stmt;			/* analyzed; NULL unless an index is created */
} Request;

/* ---------- names of jobs ---------- */

static char *
derive_name(const Request *request)
{
	const ZdmIndexSpec *spec = &request->spec;
	char	   *definition;

	switch (spec->action)
	{
		case ZDM_INDEX_CREATE:
			definition = psprintf("%u\n%s", RelationGetRelid(request->rel), spec->definition);
			return zdm_submit_derive_name(psprintf("%s.create_index", RelationGetRelationName(request->rel)),
										  definition);
		case ZDM_INDEX_REINDEX:
			return psprintf("%s.reindex:%08x", spec->index_name, spec->index_oid);
		default:
			return psprintf("%s.drop_index:%08x", spec->index_name, spec->index_oid);
	}
}

static char *
name_arg(FunctionCallInfo fcinfo)
{
	char	   *name = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (name)
		zdm_submit_check_name(name);
	return name;
}

/* Has what a job did been undone since, or is it asked for once more? */
static bool
is_outdated(const ZdmJob *job, const ZdmIndexSpec *there, bool named)
{
	Oid			nsp;

	if (job->state != ZDM_JOB_DONE)
		return false;
	switch (there->action)
	{
		case ZDM_INDEX_CREATE:
			nsp = job->is_local ? get_rel_namespace(job->target) : get_namespace_oid(job->target_schema, true);
			return !OidIsValid(get_relname_relid(there->index_name, nsp));
		case ZDM_INDEX_REINDEX:
			return !named;
		default:
			return false;
	}
}

/* What differs between a job and what is asked for; NULL when nothing does. */
static char *
difference(const ZdmJob *job, const void *wanted)
{
	const Request *request = wanted;
	const ZdmIndexSpec *here = &request->spec;
	const ZdmIndexSpec *there = zdm_index_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (there->action != here->action)
		return pstrdup("It does something else with an index.");
	if (job->is_local && job->target != RelationGetRelid(request->rel))
		return psprintf("Its table was another one, named \"%s.%s\".",
						job->target_schema, job->target_name);
	if (here->definition && strcmp(there->definition, here->definition) != 0)
		return psprintf("Its definition is: %s", there->definition);
	if (here->definition == NULL && job->is_local && there->index_oid != here->index_oid &&
		strcmp(there->index_name, here->index_name) != 0)
		return psprintf("Its index was another one, named \"%s\".", there->index_name);
	if (is_outdated(job, there, true))
		return pstrdup("It is done, but its index does not exist any more.");
	return NULL;
}

/*
 * A name that no outdated job of this caller's has: those count as none when
 * the name is derived.
 */
static char *
next_name(const Request *request)
{
	char	   *base = derive_name(request);
	char	   *name = base;

	for (int n = 2;; n++)
	{
		ZdmJob	   *job = zdm_job_load_by_name(name);
		ZdmIndexSpec *there = job && strcmp(job->kind, "index") == 0 ? zdm_index_load(job->id) : NULL;

		if (there == NULL || !is_outdated(job, there, false))
			return name;
		name = psprintf("%s#%d", base, n);
	}
}

/* ---------- new jobs ---------- */

/* The index must get a name that nothing else has. */
static void
choose_index_name(Request *request)
{
	ZdmIndexSpec *spec = &request->spec;
	IndexStmt  *stmt = request->stmt;

	if (stmt == NULL)
		return;
	if (stmt->idxname == NULL)
		spec->index_name = zdm_index_choose_name(stmt, RelationGetRelid(request->rel));
	else if (!stmt->if_not_exists &&
			 OidIsValid(get_relname_relid(stmt->idxname, RelationGetNamespace(request->rel))))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s.%s\" already exists",
						get_namespace_name(RelationGetNamespace(request->rel)), stmt->idxname),
				 errhint("Give the index another name, drop what has the name, or use IF NOT EXISTS.")));
}

static int64
create_job(const char *name, Request *request)
{
	int64		job_id;

	choose_index_name(request);
	job_id = zdm_job_create(name, "index", RelationGetRelid(request->rel),
							request->rel->rd_rel->relowner);
	if (job_id == 0)
		zdm_submit_refuse_race(name);
	zdm_index_store(job_id, &request->spec);
	zdm_submit_notice_no_preload();
	return job_id;
}

/* The id of the job for a request, there already or new. */
static int64
submit(FunctionCallInfo fcinfo, Request *request)
{
	char	   *given = name_arg(fcinfo);
	char	   *name = given ? given : next_name(request);
	int64		job_id = zdm_submit_existing(name, "index", difference, request);

	if (job_id == 0)
		job_id = create_job(name, request);
	zdm_queue_request();
	relation_close(request->rel, NoLock);
	return job_id;
}

/* ---------- SQL functions ---------- */

/* Analyze as the owner of the table, as the worker will. */
static IndexStmt *
analyze_as_owner(const IndexStmt *stmt, const Request *request)
{
	ZdmBorrowedIdentity borrowed;
	IndexStmt  *analyzed;

	zdm_identity_borrow(&borrowed, request->rel->rd_rel->relowner,
						zdm_session_search_path(&request->spec.settings));
	analyzed = zdm_index_analyze(stmt, RelationGetRelid(request->rel), request->spec.definition);
	zdm_index_check_columns(analyzed, request->rel);
	zdm_identity_give_back(&borrowed);
	return analyzed;
}

/* zdm.create_index(definition text, name text) */
Datum
zdm_create_index(PG_FUNCTION_ARGS)
{
	Request		request = {.spec.action = ZDM_INDEX_CREATE};
	IndexStmt  *stmt;

	zdm_args_not_null(fcinfo, 0, "definition");
	zdm_require_writable("zdm.create_index()");
	request.spec.definition = text_to_cstring(PG_GETARG_TEXT_PP(0));
	stmt = zdm_index_parse(request.spec.definition);
	request.spec.index_name = stmt->idxname;
	request.spec.is_unique = stmt->unique;
	request.rel = zdm_index_open_table(stmt->relation);
	if (!stmt->relation->inh && request.rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create an index on the partitioned table \"%s\" only",
						RelationGetRelationName(request.rel)),
				 errhint("Leave out ONLY: the partitions get theirs one by one, concurrently.")));
	zdm_session_record(&request.spec.settings, NULL, 0);
	request.stmt = analyze_as_owner(stmt, &request);
	PG_RETURN_INT64(submit(fcinfo, &request));
}

static int64
submit_for_index(FunctionCallInfo fcinfo, ZdmIndexAction action)
{
	Request		request = {.spec.action = action};
	Oid			index = PG_GETARG_OID(0);

	request.rel = zdm_index_open_table_of(index, action);
	request.spec.index_oid = index;
	request.spec.index_name = get_rel_name(index);
	zdm_session_record(&request.spec.settings, NULL, 0);
	return submit(fcinfo, &request);
}

/* zdm.reindex(index regclass, name text) */
Datum
zdm_reindex(PG_FUNCTION_ARGS)
{
	zdm_args_not_null(fcinfo, 0, "index");
	zdm_require_writable("zdm.reindex()");
	PG_RETURN_INT64(submit_for_index(fcinfo, ZDM_INDEX_REINDEX));
}

/* zdm.drop_index(index regclass, name text) */
Datum
zdm_drop_index(PG_FUNCTION_ARGS)
{
	zdm_args_not_null(fcinfo, 0, "index");
	zdm_require_writable("zdm.drop_index()");
	PG_RETURN_INT64(submit_for_index(fcinfo, ZDM_INDEX_DROP));
}
