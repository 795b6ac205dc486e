/*
 * api.c
 *	  zdm.create_index(), zdm.reindex(), zdm.drop_index(): check what is asked
 *	  for and enqueue it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "core/args.h"
#include "ddl/statement.h"
#include "fmgr.h"
#include "index/definition.h"
#include "index/store.h"
#include "index/target.h"
#include "job/job.h"
#include "job/submit.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define KIND "index"

PG_FUNCTION_INFO_V1(zdm_create_index);
PG_FUNCTION_INFO_V1(zdm_reindex);
PG_FUNCTION_INFO_V1(zdm_drop_index);

/* what a new index depends on, besides the usual settings */
static const char *const index_settings[] = {"default_tablespace"};

/* What a call asks for. */
typedef struct Request
{
	ZdmIndexSpec spec;
	Relation	rel;			/* the table */
	IndexStmt  *stmt;			/* NULL unless an index is created */
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

/* Is that an index of the table, by its name? */
static bool
index_exists(Relation rel, const char *name)
{
	Oid			relid = get_relname_relid(name, RelationGetNamespace(rel));

	return OidIsValid(relid) && (get_rel_relkind(relid) == RELKIND_INDEX ||
								 get_rel_relkind(relid) == RELKIND_PARTITIONED_INDEX) &&
		IndexGetRelation(relid, true) == RelationGetRelid(rel);
}

/* Has what a job did been undone since?  An index that is to be dropped is there again. */
static bool
is_undone(const ZdmJob *job, const ZdmIndexSpec *there, Relation rel)
{
	if (job->state != ZDM_JOB_DONE)
		return false;
	return there->action == ZDM_INDEX_DROP ||
		(there->action == ZDM_INDEX_CREATE && !index_exists(rel, there->index_name));
}

/* A name that is not given belongs to one call; an index may be rebuilt as often as one likes. */
static bool
is_outdated(const ZdmJob *job, const void *wanted)
{
	const ZdmIndexSpec *there = zdm_index_load(job->id);

	return there && (there->action == ZDM_INDEX_REINDEX || is_undone(job, there, ((const Request *) wanted)->rel));
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
	if (is_undone(job, there, request->rel))
		return pstrdup(there->action == ZDM_INDEX_DROP ? "It is done, and the index has been made again since." :
					   "It is done, but its index does not exist any more.");
	return NULL;
}

/* ---------- new jobs ---------- */

/* The index must get a name that nothing else has. */
static void
choose_index_name(Request *request, const IndexStmt *stmt)
{
	ZdmIndexSpec *spec = &request->spec;

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

static void
check_step(void *arg)
{
	Request    *request = arg;
	ZdmIndexSpec *spec = &request->spec;

	choose_index_name(request, zdm_index_analyze_as_owner(request->stmt, request->rel, spec->definition,
														  zdm_session_search_path(&spec->settings)));
}

static int64
create_job(const char *name, void *arg)
{
	Request    *request = arg;
	int64		job_id;

	if (request->stmt)
		zdm_statement_errors(check_step, request, request->spec.definition);
	job_id = zdm_job_create(name, KIND, RelationGetRelid(request->rel), request->rel->rd_rel->relowner);
	if (job_id != 0)
		zdm_index_store(job_id, &request->spec);
	return job_id;
}

/* The id of the job for a request, there already or new. */
static int64
submit(FunctionCallInfo fcinfo, Request *request)
{
	char	   *name = zdm_submit_given_name(fcinfo, 1);
	int64		job_id;

	if (name == NULL)
		name = zdm_submit_next_name(derive_name(request), KIND, is_outdated, request);
	job_id = zdm_submit(name, KIND, difference, create_job, request);
	relation_close(request->rel, NoLock);
	return job_id;
}

/* ---------- SQL functions ---------- */

/* From the text of the definition to its table and its tree. */
static void
prepare_step(void *arg)
{
	Request    *request = arg;
	ZdmIndexSpec *spec = &request->spec;
	IndexStmt  *stmt = zdm_index_parse(spec->definition);

	spec->index_name = stmt->idxname;
	spec->is_unique = stmt->unique;
	request->rel = zdm_index_open_table(stmt->relation);
	if (!stmt->relation->inh && request->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create an index on the partitioned table \"%s\" only",
						RelationGetRelationName(request->rel)),
				 errhint("Leave out ONLY: the partitions get theirs one by one, concurrently.")));
	zdm_session_record(&spec->settings, index_settings, lengthof(index_settings));
	request->stmt = stmt;
}

/* zdm.create_index(definition text, name text) */
Datum
zdm_create_index(PG_FUNCTION_ARGS)
{
	Request		request = {.spec.action = ZDM_INDEX_CREATE};

	zdm_args_not_null(fcinfo, 0, "definition");
	zdm_require_writable("zdm.create_index()");
	request.spec.definition = text_to_cstring(PG_GETARG_TEXT_PP(0));
	zdm_statement_errors(prepare_step, &request, request.spec.definition);
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
