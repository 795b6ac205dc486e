/*
 * api.c
 *	  zdm.verify(): checks what is asked for and enqueues it.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "core/args.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/submit.h"
#include "mapping/require.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "verify/store.h"

#define KIND "verify"

PG_FUNCTION_INFO_V1(zdm_verify);

enum
{
	ARG_TARGET, ARG_MAPPING, ARG_NAME
};

static char *
qualified_name(Relation rel)
{
	return psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)),
					RelationGetRelationName(rel));
}

static Relation
open_target(Oid target)
{
	Relation	rel = try_relation_open(target, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", target),
				 errhint("Give the name of a table, with its schema.")));
	return rel;
}

/* Errors unless rel may be read page by page, by a worker, and by the caller. */
static void
check_relation(Relation rel)
{
	char		relkind = rel->rd_rel->relkind;
	char	   *name = qualified_name(rel);

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot verify rows of \"%s\"", name),
				 errdetail_relkind_not_supported(relkind),
				 errhint("Give the name of a table; detach a foreign partition.")));
	if (IsSystemRelation(rel) || RelationGetNamespace(rel) == get_namespace_oid("zdm", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot verify rows of \"%s\": it is not a table of yours", name),
				 errhint("Give the name of a table of yours.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot verify rows of temporary table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("A background worker cannot see it."),
				 errhint("Use a query.")));
	if (relkind == RELKIND_RELATION && rel->rd_tableam != GetHeapamTableAmRoutine())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot verify rows of \"%s\": its access method is not heap", name),
				 errhint("Use a query.")));
	zdm_require_owner_rights(rel->rd_rel->relowner, psprintf("table \"%s\"", name));
}

/*
 * The target and everything below it, which is locked with ACCESS SHARE.
 */
static void
check_target(Relation rel, int64 mapping_id)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	child = relation_open(lfirst_oid(lc), NoLock);

		check_relation(child);
		if (child->rd_rel->relowner != rel->rd_rel->relowner)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("table \"%s\" has another owner than the table it belongs to",
							qualified_name(child)),
					 errdetail("A verification runs as one role."),
					 errhint("Use ALTER TABLE ... OWNER TO, or verify the partitions by themselves.")));
		(void) zdm_mapping_require(child, mapping_id);
		relation_close(child, NoLock);
	}
}

/* What differs between a job and a definition; NULL when nothing does. */
static char *
difference(const ZdmJob *job, const void *wanted)
{
	const ZdmVerifySpec *here = wanted;
	ZdmVerifySpec *there = zdm_verify_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (job->is_local && job->target != here->target)
		return psprintf("Its target was another table, named \"%s.%s\".",
						job->target_schema, job->target_name);
	if (there->mapping_id != here->mapping_id)
		return psprintf("Its mapping is " INT64_FORMAT ".", there->mapping_id);
	return NULL;
}

/* What a call asks for; the first is given to difference(). */
typedef struct Request
{
	ZdmVerifySpec spec;
	Relation	rel;
} Request;

static int64
create_job(const char *name, void *arg)
{
	const Request *request = arg;
	int64		job_id = zdm_job_create(name, KIND, request->spec.target, request->rel->rd_rel->relowner);

	if (job_id != 0)
		zdm_verify_store(job_id, &request->spec);
	return job_id;
}

/* zdm.verify(target regclass, mapping bigint, name text) */
Datum
zdm_verify(PG_FUNCTION_ARGS)
{
	Request		request;
	char	   *name;
	int64		job_id;

	zdm_args_not_null(fcinfo, ARG_TARGET, "target");
	zdm_args_not_null(fcinfo, ARG_MAPPING, "mapping");
	zdm_require_writable("zdm.verify()");
	request.rel = open_target(PG_GETARG_OID(ARG_TARGET));
	request.spec.target = RelationGetRelid(request.rel);
	request.spec.mapping_id = PG_GETARG_INT64(ARG_MAPPING);
	check_target(request.rel, request.spec.mapping_id);
	name = zdm_submit_name(fcinfo, ARG_NAME,
						   psprintf("verify %s." INT64_FORMAT, RelationGetRelationName(request.rel),
									request.spec.mapping_id),
						   psprintf("%u\n" INT64_FORMAT, request.spec.target, request.spec.mapping_id));
	job_id = zdm_submit(name, KIND, difference, create_job, &request);
	relation_close(request.rel, NoLock);
	PG_RETURN_INT64(job_id);
}
