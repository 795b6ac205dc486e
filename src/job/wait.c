/*
 * wait.c
 *	  zdm.wait_for_job(): waits without a transaction, so that no snapshot
 *	  holds back the job it waits for.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "core/args.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/queue.h"
#include "job/wait.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define POLL_MS 50

PG_FUNCTION_INFO_V1(zdm_wait_for_job);

/* Errors with ACTIVE_SQL_TRANSACTION when a procedure was called where it cannot commit. */
void
zdm_wait_refuse_transaction(FunctionCallInfo fcinfo, const char *funcname, const char *instead)
{
	bool		atomic = true;

	if (fcinfo->context && IsA(fcinfo->context, CallContext))
		atomic = castNode(CallContext, fcinfo->context)->atomic;
	if (atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", funcname),
				 errdetail("The job may wait for this very transaction."),
				 errhint("Commit first, or use %s in a later migration file.", instead)));
}

/* True when done; an error when it will never be. */
static bool
job_is_done(int64 job_id, ZdmJobState *state)
{
	ZdmJob	   *job = zdm_job_load_visible(job_id);

	*state = job->state;
	if (job->state == ZDM_JOB_FAILED || job->state == ZDM_JOB_CANCELLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is %s",
						job->id, job->name, zdm_job_state_name(job->state)),
				 job->last_error ? errdetail("Its last error is: %s", job->last_error) : 0,
				 errhint("Mend the cause and use zdm.retry_job(" INT64_FORMAT ").", job->id)));
	return job->state == ZDM_JOB_DONE;
}

/*
 * When a wait ends that may take as long as argument argno, a timeout, says;
 * never when that is NULL.  Errors with INVALID_PARAMETER_VALUE.
 */
TimestampTz
zdm_wait_deadline(FunctionCallInfo fcinfo, int argno)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz deadline;

	if (PG_ARGISNULL(argno))
		return DT_NOEND;
	deadline = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(start),
													   PG_GETARG_DATUM(argno)));
	if (deadline < start)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative"),
				 errhint("Leave it out to wait without limit.")));
	return deadline;
}

/* Commit, and let a moment pass. */
void
zdm_wait_a_moment(void)
{
	SPI_commit();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* CALL zdm.wait_for_job(job bigint, timeout interval) */
Datum
zdm_wait_for_job(PG_FUNCTION_ARGS)
{
	int64		job_id;
	TimestampTz deadline;
	ZdmJobState state;
	bool		told_paused = false;

	zdm_args_not_null(fcinfo, 0, "job");
	zdm_wait_refuse_transaction(fcinfo, "zdm.wait_for_job()", "zdm.assert_job_done()");
	job_id = PG_GETARG_INT64(0);
	deadline = zdm_wait_deadline(fcinfo, 1);

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* without a launcher, someone has to ask for a worker now and then */
	if (!RecoveryInProgress())
		zdm_queue_request();
	while (!job_is_done(job_id, &state))
	{
		if (GetCurrentTimestamp() >= deadline)
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("job " INT64_FORMAT " is not done yet, but %s",
							job_id, zdm_job_state_name(state)),
					 errhint("The job goes on. zdm.jobs shows its progress and what it waits for.")));
		if (state == ZDM_JOB_PAUSED && !told_paused)
		{
			ereport(NOTICE,
					(errmsg("job " INT64_FORMAT " is paused", job_id),
					 errhint("Use zdm.resume_job(" INT64_FORMAT ").", job_id)));
			told_paused = true;
		}
		zdm_wait_a_moment();
	}
	SPI_finish();
	PG_RETURN_VOID();
}
