/*
 * requeue.c
 *	  A job that has stopped goes on, as its target is now.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "core/args.h"
#include "core/identity.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "utils/lsyscache.h"

/* The target as it is now: by OID here, by name after a restore. */
static Oid
current_target(ZdmJob *job)
{
	Oid			nsp;

	if (job->is_local)
		return job->target;
	nsp = get_namespace_oid(job->target_schema, true);
	return OidIsValid(nsp) ? get_relname_relid(job->target_name, nsp) : InvalidOid;
}

/*
 * Put a stopped job, whose row is locked, into the queue, as its target is
 * now.  Errors with UNDEFINED_TABLE or UNDEFINED_OBJECT when that or its role
 * is gone, and with INSUFFICIENT_PRIVILEGE.  Does not commit.
 */
void
zdm_job_requeue(ZdmJob *job, const char *reason)
{
	Oid			target = current_target(job);
	Oid			owner = job->as_caller ? job->owner_id : zdm_relation_owner(target);

	if (!OidIsValid(owner) && job->as_caller)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", as which job " INT64_FORMAT " runs, no longer exists", job->owner, job->id),
				 errhint("Use zdm.cancel_job(" INT64_FORMAT ") and start a new job.", job->id)));
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" of job " INT64_FORMAT " no longer exists",
						job->target_schema, job->target_name, job->id),
				 errhint("Use zdm.cancel_job(" INT64_FORMAT ") and start a new job.", job->id)));
	zdm_require_owner_rights(owner, psprintf("table \"%s.%s\"",
											 job->target_schema, job->target_name));
	job->target = target;
	zdm_job_adopt(job, owner);
	zdm_job_transition(job, ZDM_JOB_QUEUED, reason, NULL);
	zdm_queue_request();
}
