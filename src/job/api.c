/*
 * api.c
 *	  SQL functions on jobs of any kind: pause, resume, cancel, retry, assert.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/settings.h"
#include "fmgr.h"
#include "job/call.h"
#include "job/interrupt.h"
#include "job/job.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_job_id);
PG_FUNCTION_INFO_V1(zdm_pause_job);
PG_FUNCTION_INFO_V1(zdm_resume_job);
PG_FUNCTION_INFO_V1(zdm_cancel_job);
PG_FUNCTION_INFO_V1(zdm_retry_job);
PG_FUNCTION_INFO_V1(zdm_assert_job_done);

/*
 * Whose rights a caller needs: the owner at submit and, after a change of
 * owner, the owner now.
 */
static void
require_rights_on(const ZdmJob *job)
{
	char	   *what = psprintf("the target of job " INT64_FORMAT " (table \"%s.%s\")",
								job->id, job->target_schema, job->target_name);

	if (OidIsValid(job->owner_id))
		zdm_require_owner_rights(job->owner_id, what);
	else if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\", which owned %s, no longer exists", job->owner, what),
				 errhint("Call it as a superuser.")));
}

/*
 * The job of argument 0, its row locked, after all checks on the caller.
 * Errors with UNDEFINED_OBJECT, INSUFFICIENT_PRIVILEGE, READ_ONLY_SQL_TRANSACTION
 * and NULL_VALUE_NOT_ALLOWED.
 */
ZdmJob *
zdm_job_lock_for_call(FunctionCallInfo fcinfo, const char *funcname)
{
	ZdmJob	   *job;

	zdm_args_not_null(fcinfo, 0, "job");
	zdm_require_writable(funcname);
	job = zdm_job_lock(PG_GETARG_INT64(0), false);
	require_rights_on(job);
	return job;
}

static void
notice_already(const ZdmJob *job)
{
	ereport(NOTICE,
			(errmsg("job " INT64_FORMAT " (\"%s\") is already %s",
					job->id, job->name, zdm_job_state_name(job->state))));
}

/* zdm.job_id(name text) */
Datum
zdm_job_id(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job;
	char	   *name;

	zdm_args_not_null(fcinfo, 0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	job = zdm_job_load_by_name(name);
	if (job == NULL || !zdm_job_is_visible(job->owner_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job \"%s\" does not exist", name),
				 errhint("The jobs of this database are in zdm.jobs.")));
	PG_RETURN_INT64(job->id);
}

/* zdm.pause_job(job bigint) */
Datum
zdm_pause_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = zdm_job_lock_for_call(fcinfo, "zdm.pause_job()");

	if (job->state == ZDM_JOB_PAUSED)
		notice_already(job);
	else
	{
		zdm_job_transition(job, ZDM_JOB_PAUSED,
						   psprintf("paused by %s", GetUserNameFromId(GetUserId(), false)),
						   NULL);
		zdm_job_interrupt_at_commit(job->id);
	}
	PG_RETURN_VOID();
}

/* zdm.resume_job(job bigint) */
Datum
zdm_resume_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = zdm_job_lock_for_call(fcinfo, "zdm.resume_job()");

	if (!job->is_local &&
		(job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING))
		zdm_job_transition(job, ZDM_JOB_PAUSED, "came from another cluster or database (restore, copy or upgrade)", NULL);

	if (job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING)
	{
		notice_already(job);
		zdm_queue_request();
	}
	else if (job->state == ZDM_JOB_PAUSED)
		zdm_job_requeue(job, "resumed");
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is %s, not paused",
						job->id, job->name, zdm_job_state_name(job->state)),
				 job->state == ZDM_JOB_DONE ?
				 errhint("Start it again under another name.") :
				 errhint("Use zdm.retry_job(" INT64_FORMAT ").", job->id)));
	PG_RETURN_VOID();
}

/* zdm.cancel_job(job bigint) */
Datum
zdm_cancel_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = zdm_job_lock_for_call(fcinfo, "zdm.cancel_job()");

	if (job->state == ZDM_JOB_CANCELLED)
		notice_already(job);
	else if (job->state == ZDM_JOB_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is already done", job->id, job->name),
				 errhint("There is nothing left to cancel.")));
	else
	{
		zdm_job_transition(job, ZDM_JOB_CANCELLED, NULL, NULL);
		zdm_job_interrupt_at_commit(job->id);
		zdm_queue_request();	/* its worker's place may be wanted */
	}
	PG_RETURN_VOID();
}

/* zdm.retry_job(job bigint) */
Datum
zdm_retry_job(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job = zdm_job_lock_for_call(fcinfo, "zdm.retry_job()");

	switch (job->state)
	{
		case ZDM_JOB_FAILED:
		case ZDM_JOB_CANCELLED:
			zdm_job_requeue(job, "retried");
			break;
		case ZDM_JOB_QUEUED:
		case ZDM_JOB_RUNNING:
			notice_already(job);
			zdm_queue_request();
			break;
		case ZDM_JOB_PAUSED:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " (\"%s\") is paused", job->id, job->name),
					 errhint("Use zdm.resume_job(" INT64_FORMAT ").", job->id)));
			break;
		case ZDM_JOB_DONE:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("job " INT64_FORMAT " (\"%s\") is already done", job->id, job->name),
					 errhint("Start it again under another name.")));
			break;
	}
	PG_RETURN_VOID();
}

/* zdm.assert_job_done(job bigint) */
Datum
zdm_assert_job_done(PG_FUNCTION_ARGS)
{
	ZdmJob	   *job;

	zdm_args_not_null(fcinfo, 0, "job");
	job = zdm_job_load_visible(PG_GETARG_INT64(0));
	if (job->state != ZDM_JOB_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is not done, but %s",
						job->id, job->name, zdm_job_state_name(job->state)),
				 job->last_error ? errdetail("Its last error is: %s", job->last_error) : 0,
				 errhint("CALL zdm.wait_for_job(" INT64_FORMAT ") waits for it; zdm.jobs shows its progress.",
						 job->id)));
	PG_RETURN_VOID();
}
