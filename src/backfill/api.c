/*
 * api.c
 *	  zdm.start_backfill(), zdm.repair(): check a definition and enqueue it.
 */
#include "postgres.h"

#include <math.h>

#include "access/relation.h"
#include "backfill/spec.h"
#include "backfill/target.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/submit.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(zdm_start_backfill);
PG_FUNCTION_INFO_V1(zdm_repair);

enum
{
	ARG_TARGET, ARG_SET, ARG_FILTER, ARG_NAME, ARG_FIRE_TRIGGERS,
	ARG_ANALYZE, ARG_MAX_QUARANTINE, ARG_MAX_SWEEPS
};

static int
int_arg(FunctionCallInfo fcinfo, int argno, const char *argname, int least)
{
	int			value;

	zdm_args_not_null(fcinfo, argno, argname);
	value = PG_GETARG_INT32(argno);
	if (value < least)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be at least %d, not %d", argname, least, value),
				 errhint("Leave it out for the default.")));
	return value;
}

/* What a call asks for. */
typedef struct Request
{
	const ZdmBackfillSpec *spec;
	Relation	rel;
	double		rows;			/* to change, estimated */
} Request;

static ZdmBackfillSpec *
spec_from_args(FunctionCallInfo fcinfo, Relation rel)
{
	ZdmBackfillSpec *spec = palloc(sizeof(ZdmBackfillSpec));

	zdm_spec_init(spec);
	zdm_args_not_null(fcinfo, ARG_SET, "set_clause");
	zdm_args_not_null(fcinfo, ARG_FIRE_TRIGGERS, "fire_triggers");
	zdm_args_not_null(fcinfo, ARG_ANALYZE, "analyze_after");
	spec->target = RelationGetRelid(rel);
	spec->target_name = pstrdup(RelationGetRelationName(rel));
	spec->set_clause = zdm_args_text(fcinfo, ARG_SET);
	spec->filter = zdm_args_text(fcinfo, ARG_FILTER);
	spec->fire_triggers = PG_GETARG_BOOL(ARG_FIRE_TRIGGERS);
	spec->analyze_after = PG_GETARG_BOOL(ARG_ANALYZE);
	spec->max_quarantine = int_arg(fcinfo, ARG_MAX_QUARANTINE, "max_quarantine", 0);
	spec->max_sweeps = int_arg(fcinfo, ARG_MAX_SWEEPS, "max_sweeps", 1);
	zdm_session_record(&spec->settings, NULL, 0);
	return spec;
}

/* table.column:hash of the definition, unless one is given */
static char *
name_arg(FunctionCallInfo fcinfo, const ZdmBackfillSpec *spec, const ZdmClauseFacts *facts)
{
	return zdm_submit_name(fcinfo, ARG_NAME,
						   psprintf("%s.%s", spec->target_name, facts->first_column),
						   psprintf("%u\n%s\n%s\n%d", spec->target, spec->set_clause,
									spec->filter ? spec->filter : "", spec->fire_triggers));
}

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

/* What differs between a job and a definition; NULL when nothing does. */
static char *
difference(const ZdmJob *job, const void *wanted)
{
	const ZdmBackfillSpec *here = ((const Request *) wanted)->spec;
	ZdmBackfillSpec *there = zdm_spec_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (job->is_local && job->target != here->target)
		return psprintf("Its target was another table, named \"%s.%s\".",
						job->target_schema, job->target_name);
	if (there->mapping_id != here->mapping_id)
		return there->mapping_id == 0 ? pstrdup("It has a set_clause, and no mapping.") :
			psprintf("Its mapping is " INT64_FORMAT ".", there->mapping_id);
	if (here->mapping_id != 0)
		return NULL;
	if (!same_text(there->set_clause, here->set_clause))
		return psprintf("Its set_clause is: %s", there->set_clause);
	if (!same_text(there->filter, here->filter))
		return psprintf("Its filter is: %s", there->filter ? there->filter : "(none)");
	if (there->fire_triggers != here->fire_triggers)
		return psprintf("Its fire_triggers is %s.", there->fire_triggers ? "true" : "false");
	return NULL;
}

static int64
create_job(const char *name, void *arg)
{
	const Request *request = arg;
	int64		job_id = zdm_job_create(name, "backfill", request->spec->target,
										request->rel->rd_rel->relowner);

	if (job_id != 0)
	{
		zdm_spec_store(job_id, request->spec);
		zdm_spec_store_estimate(job_id, request->rows);
	}
	return job_id;
}

/*
 * zdm.start_backfill(target regclass, set_clause text, filter text, name text,
 * fire_triggers boolean, analyze_after boolean, max_quarantine int,
 * max_sweeps int)
 */
Datum
zdm_start_backfill(PG_FUNCTION_ARGS)
{
	Relation	rel;
	ZdmBackfillSpec *spec;
	ZdmClauseFacts *facts;
	Request		request;
	int64		job_id;

	zdm_args_not_null(fcinfo, ARG_TARGET, "target");
	zdm_require_writable("zdm.start_backfill()");
	rel = zdm_target_open(PG_GETARG_OID(ARG_TARGET));
	zdm_target_check(rel);
	spec = spec_from_args(fcinfo, rel);
	facts = zdm_target_check_clauses(spec, rel, &request.rows);
	request.spec = spec;
	request.rel = rel;
	job_id = zdm_submit(name_arg(fcinfo, spec, facts), "backfill", difference, create_job, &request);
	relation_close(rel, NoLock);
	PG_RETURN_INT64(job_id);
}

enum
{
	REPAIR_TARGET, REPAIR_MAPPING, REPAIR_NAME
};

/* zdm.repair(target regclass, mapping bigint, name text) */
Datum
zdm_repair(PG_FUNCTION_ARGS)
{
	ZdmBackfillSpec *spec = palloc(sizeof(ZdmBackfillSpec));
	Relation	rel;
	Request		request;
	char	   *name;
	int64		job_id;

	zdm_args_not_null(fcinfo, REPAIR_TARGET, "target");
	zdm_args_not_null(fcinfo, REPAIR_MAPPING, "mapping");
	zdm_require_writable("zdm.repair()");
	rel = zdm_target_open(PG_GETARG_OID(REPAIR_TARGET));
	zdm_target_check(rel);
	zdm_spec_init(spec);
	spec->target = RelationGetRelid(rel);
	spec->target_name = pstrdup(RelationGetRelationName(rel));
	spec->mapping_id = PG_GETARG_INT64(REPAIR_MAPPING);
	(void) zdm_target_check_mapping(spec, rel, &request.rows);
	name = zdm_submit_name(fcinfo, REPAIR_NAME,
						   psprintf("%s.%s", spec->target_name, spec->mapping->new_column),
						   psprintf("%u\nmapping " INT64_FORMAT, spec->target, spec->mapping_id));
	request.spec = spec;
	request.rel = rel;
	job_id = zdm_submit(name, "backfill", difference, create_job, &request);
	relation_close(rel, NoLock);
	PG_RETURN_INT64(job_id);
}
