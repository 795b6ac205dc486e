/*
 * api.c
 *	  zdm.validate_constraint(): checks what is asked for and enqueues it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "constraint/store.h"
#include "constraint/target.h"
#include "core/args.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/submit.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define KIND "validation"

PG_FUNCTION_INFO_V1(zdm_validate_constraint);

enum
{
	ARG_TARGET, ARG_CONSTRAINT, ARG_METHOD, ARG_NAME
};

static ZdmValidationSpec *
make_spec(Relation rel, const ZdmConstraint *constraint, char *method)
{
	ZdmValidationSpec *spec = palloc0(sizeof(ZdmValidationSpec));

	spec->target = RelationGetRelid(rel);
	spec->constraint_name = constraint->name;
	spec->constraint_type = pstrdup(zdm_constraint_type_name(constraint->contype));
	spec->definition = zdm_constraint_definition(constraint);
	spec->method = method;
	zdm_session_record(&spec->settings, NULL, 0);
	return spec;
}

/* table.constraint:hash, unless one is given; a constraint that is added again is another one */
static char *
name_arg(FunctionCallInfo fcinfo, Relation rel, const ZdmConstraint *constraint,
		 const ZdmValidationSpec *spec)
{
	return zdm_submit_name(fcinfo, ARG_NAME,
						   psprintf("%s.%s", RelationGetRelationName(rel), constraint->name),
						   psprintf("%u\n%u\n%s", spec->target, constraint->oid, spec->method));
}

/* What a call asks for. */
typedef struct Request
{
	const ZdmValidationSpec *spec;
	Relation	rel;
	bool		is_valid;		/* the constraint, now */
} Request;

/* What differs between a job and a definition; NULL when nothing does. */
static char *
difference(const ZdmJob *job, const void *arg)
{
	const Request *request = arg;
	const ZdmValidationSpec *here = request->spec;
	ZdmValidationSpec *there = zdm_validation_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (job->is_local && job->target != here->target)
		return psprintf("Its target was another table, named \"%s.%s\".",
						job->target_schema, job->target_name);
	if (strcmp(there->constraint_name, here->constraint_name) != 0)
		return psprintf("Its constraint is \"%s\".", there->constraint_name);
	if (strcmp(there->method, here->method) != 0)
		return psprintf("Its method is %s.", there->method);
	if (strcmp(there->constraint_type, here->constraint_type) != 0)
		return psprintf("Its constraint was of type %s.", there->constraint_type);
	if (job->state == ZDM_JOB_DONE && !request->is_valid)
		return pstrdup("It is done, and the constraint was added again since.");
	return NULL;
}

/* Nothing is to be done: the job is done at once. */
static void
make_done(int64 job_id, const ZdmValidationSpec *spec)
{
	ZdmJob	   *job = zdm_job_lock(job_id, false);

	zdm_job_transition(job, ZDM_JOB_RUNNING, NULL, NULL);
	zdm_job_transition(job, ZDM_JOB_DONE, "the constraint was valid already", NULL);
	ereport(NOTICE,
			(errmsg("constraint \"%s\" is already valid", spec->constraint_name),
			 errdetail("Job " INT64_FORMAT " is done without any work.", job_id)));
}

static int64
create_job(const char *name, void *arg)
{
	const Request *request = arg;
	int64		job_id = zdm_job_create(name, KIND, request->spec->target, request->rel->rd_rel->relowner);

	if (job_id == 0)
		return 0;
	zdm_validation_store(job_id, request->spec);
	if (request->is_valid)
		make_done(job_id, request->spec);
	return job_id;
}

/*
 * zdm.validate_constraint(target regclass, constraint_name name, method text,
 * name text)
 */
Datum
zdm_validate_constraint(PG_FUNCTION_ARGS)
{
	Relation	rel;
	ZdmConstraint *constraint;
	ZdmValidationSpec *spec;
	Request		request;
	int64		job_id;

	zdm_args_not_null(fcinfo, ARG_TARGET, "target");
	zdm_args_not_null(fcinfo, ARG_CONSTRAINT, "constraint_name");
	zdm_require_writable("zdm.validate_constraint()");
	rel = zdm_validation_target_open(PG_GETARG_OID(ARG_TARGET));
	zdm_validation_target_check(rel);
	constraint = zdm_validation_target_constraint(rel, NameStr(*PG_GETARG_NAME(ARG_CONSTRAINT)));
	spec = make_spec(rel, constraint, zdm_validation_method_arg(fcinfo, ARG_METHOD));

	request.spec = spec;
	request.rel = rel;
	request.is_valid = constraint->valid;
	job_id = zdm_submit(name_arg(fcinfo, rel, constraint, spec), KIND, difference, create_job, &request);
	relation_close(rel, NoLock);
	PG_RETURN_INT64(job_id);
}
