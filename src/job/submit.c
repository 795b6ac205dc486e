/*
 * submit.c
 *	  What the functions that start a job have in common: names, and the job
 *	  that is there already.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "core/args.h"
#include "job/queue.h"
#include "job/submit.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#define MAX_NAME_LENGTH 200

/* Errors with INVALID_PARAMETER_VALUE when a name is no good for a job; NULL is. */
void
zdm_submit_check_name(const char *name)
{
	if (name && (name[0] == '\0' || pg_mbstrlen(name) > MAX_NAME_LENGTH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name must have 1 to %d characters", MAX_NAME_LENGTH),
				 errhint("Leave it out to have one derived from the definition.")));
}

/*
 * Argument argno, the name that a job is to have; NULL when it is not given.
 * Errors as zdm_submit_check_name().
 */
char *
zdm_submit_given_name(FunctionCallInfo fcinfo, int argno)
{
	char	   *name = zdm_args_text(fcinfo, argno);

	zdm_submit_check_name(name);
	return name;
}

/* A name for a job without one: its subject, and a hash of the definition. */
char *
zdm_submit_derive_name(const char *subject, const char *definition)
{
	return psprintf("%s:%08x", subject,
					hash_bytes((const unsigned char *) definition, strlen(definition)));
}

/*
 * The job's name: argument argno, or a derived one where that is NULL.  Errors
 * as zdm_submit_given_name().
 */
char *
zdm_submit_name(FunctionCallInfo fcinfo, int argno, const char *subject, const char *definition)
{
	char	   *name = zdm_submit_given_name(fcinfo, argno);

	return name ? name : zdm_submit_derive_name(subject, definition);
}

/* A derived name that no outdated job has. */
char *
zdm_submit_next_name(const char *base, const char *kind, ZdmSubmitOutdated is_outdated, const void *wanted)
{
	char	   *name = pstrdup(base);

	for (int n = 2;; n++)
	{
		ZdmJob	   *job = zdm_job_load_by_name(name);

		if (job == NULL || job->state != ZDM_JOB_DONE || strcmp(job->kind, kind) != 0 || !is_outdated(job, wanted))
			return name;
		name = psprintf("%s#%d", base, n);
	}
}

static void
notice_existing(const ZdmJob *job)
{
	if (job->state == ZDM_JOB_FAILED || job->state == ZDM_JOB_CANCELLED)
		ereport(NOTICE,
				(errmsg("job " INT64_FORMAT " (\"%s\") exists and is %s",
						job->id, job->name, zdm_job_state_name(job->state)),
				 errhint("Use zdm.retry_job(" INT64_FORMAT ") to continue it.", job->id)));
	else if (job->state == ZDM_JOB_PAUSED)
		ereport(NOTICE,
				(errmsg("job " INT64_FORMAT " (\"%s\") exists and is paused", job->id, job->name),
				 errhint("Use zdm.resume_job(" INT64_FORMAT ") to continue it.", job->id)));
	else if (job->state == ZDM_JOB_DONE)
		ereport(NOTICE,
				(errmsg("job " INT64_FORMAT " (\"%s\") is already done", job->id, job->name),
				 errhint("Give another name to run the same again.")));
}

/* The id of the job that has the name; 0 when there is none. */
static int64
existing(const char *name, const char *kind, ZdmSubmitDiffers differs, const void *wanted)
{
	ZdmJob	   *job = zdm_job_load_by_name(name);
	char	   *difference;

	if (job == NULL)
		return 0;
	if (OidIsValid(job->owner_id) && !has_privs_of_role(GetUserId(), job->owner_id))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" exists and belongs to another role", name),
				 errhint("Give another name.")));
	difference = strcmp(job->kind, kind) == 0 ? differs(job, wanted) :
		psprintf("It is a job of kind \"%s\".", job->kind);
	if (difference)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" exists with another definition", name),
				 errdetail("%s", difference),
				 errhint("Give another name, or repeat the definition of job " INT64_FORMAT ".", job->id)));
	notice_existing(job);
	return job->id;
}

/* A new job needs the launcher to survive a restart; one that is done already does not. */
void
zdm_submit_notice_no_preload(int64 job_id)
{
	if (!zdm_queue_is_preloaded() && zdm_job_load(job_id, false)->state != ZDM_JOB_DONE)
		ereport(NOTICE,
				(errmsg("the job will not be resumed by itself after a restart of the server"),
				 errdetail("zdm is not in shared_preload_libraries, so there is no launcher."),
				 errhint("Add zdm to shared_preload_libraries and restart the server; or call zdm.resume_job() after a restart.")));
}

/*
 * The id of the job for what is asked for: the one that has the name, with a
 * NOTICE when it does not run, or a new one.  arg is for both functions.  The
 * queue is looked at after commit.  Errors with DUPLICATE_OBJECT when the name
 * is another job's, and with T_R_SERIALIZATION_FAILURE when another session
 * has created the job and it cannot be seen yet.
 */
int64
zdm_submit(const char *name, const char *kind, ZdmSubmitDiffers differs, ZdmSubmitCreate create, void *arg)
{
	int64		job_id = existing(name, kind, differs, arg);

	if (job_id == 0)
	{
		job_id = create(name, arg);
		if (job_id != 0)
			zdm_submit_notice_no_preload(job_id);
		else
			job_id = existing(name, kind, differs, arg);
	}
	if (job_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("job \"%s\" was created by a concurrent transaction", name),
				 errhint("Try again.")));
	zdm_queue_request();
	return job_id;
}
