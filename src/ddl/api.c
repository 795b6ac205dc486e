/*
 * api.c
 *	  zdm.execute_ddl(): checks a statement and enqueues it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "core/args.h"
#include "core/identity.h"
#include "core/settings.h"
#include "ddl/spec.h"
#include "ddl/statement.h"
#include "ddl/targets.h"
#include "fmgr.h"
#include "job/job.h"
#include "job/submit.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(zdm_execute_ddl);

enum
{
	ARG_STATEMENT, ARG_NAME, ARG_DEADLINE
};

/* what the new objects of a statement depend on, besides the usual settings */
static const char *const ddl_settings[] = {
	"default_tablespace", "default_table_access_method",
	"default_toast_compression", "check_function_bodies"
};

/* ms; -1 for NULL, 0 for none */
static int64
deadline_arg(FunctionCallInfo fcinfo)
{
	Interval   *deadline;
	double		ms;

	if (PG_ARGISNULL(ARG_DEADLINE))
		return -1;
	deadline = PG_GETARG_INTERVAL_P(ARG_DEADLINE);
	ms = deadline->time / 1000.0 + (deadline->day + deadline->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	if (ms != 0 && (ms < 1 || ms > SECS_PER_DAY * 1000.0 * DAYS_PER_YEAR))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("deadline must be between 1 millisecond and a year"),
				 errhint("0 is for ever; leave it out for zdm.ddl_deadline.")));
	return (int64) ms;
}

/* "alter table t:hash of the statement" */
static char *
derive_name(const ZdmStatement *statement, const ZdmDdlSpec *spec)
{
	const RangeVar *rv = zdm_statement_object(statement);
	char	   *definition = psprintf("%s\n%s", statement->text, zdm_session_search_path(&spec->settings));
	const char *tag = GetCommandTagName(statement->tag);
	char	   *what = asc_tolower(tag, strlen(tag));

	return zdm_submit_derive_name(psprintf("%s%s%s", what, rv ? " " : "", rv ? rv->relname : ""), definition);
}

/* What a call asks for. */
typedef struct Request
{
	ZdmDdlSpec	spec;
	const ZdmStatement *statement;
} Request;

static char *
difference(const ZdmJob *job, const void *wanted)
{
	const ZdmDdlSpec *here = &((const Request *) wanted)->spec;
	const ZdmDdlSpec *there = zdm_ddl_spec_load(job->id);

	if (there == NULL)
		return pstrdup("It has no definition.");
	if (strcmp(there->statement, here->statement) != 0)
		return psprintf("Its statement is: %s", there->statement);
	if (strcmp(zdm_session_search_path(&there->settings), zdm_session_search_path(&here->settings)) != 0)
		return psprintf("Its search_path is: %s", zdm_session_search_path(&there->settings));
	return NULL;
}

static void
check_step(void *arg)
{
	int			timeout = LockTimeout > 0 ? Min(LockTimeout, zdm_lock_timeout) : zdm_lock_timeout;

	zdm_pin_setting("lock_timeout", psprintf("%d", timeout));
	(void) zdm_ddl_targets(arg);
}

/* The error of a check, in the current memory context; NULL without one. */
static ErrorData *
try_check(const ZdmStatement *statement)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ErrorData  *volatile edata = NULL;

	PG_TRY();
	{
		zdm_statement_errors(check_step, unconstify(ZdmStatement *, statement), statement->text);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return edata;
}

/*
 * Errors that the statement would have, told at once.  The locks that this
 * takes are given back; where one is not free, the worker will check.
 */
static void
check_now(const ZdmStatement *statement)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *edata;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	edata = try_check(statement);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	if (edata && edata->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		edata->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
		ReThrowError(edata);
}

/* A job needs a target to show: the relation that the statement names, or what kind of statement it is. */
static int64
create_job(const char *name, void *arg)
{
	const Request *request = arg;
	const ZdmStatement *statement = request->statement;
	const RangeVar *object = zdm_statement_object(statement);
	Oid			relid = object ? RangeVarGetRelid(object, NoLock, true) : InvalidOid;
	int64		job_id;

	check_now(statement);
	if (OidIsValid(relid))
		job_id = zdm_job_create_as_caller(name, "ddl", relid,
										  get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
	else
		job_id = zdm_job_create_as_caller(name, "ddl", InvalidOid, "", GetCommandTagName(statement->tag));
	if (job_id != 0)
		zdm_ddl_spec_store(job_id, &request->spec);
	return job_id;
}

/* zdm.execute_ddl(statement text, name text, deadline interval) */
Datum
zdm_execute_ddl(PG_FUNCTION_ARGS)
{
	Request		request = {0};
	ZdmDdlSpec *spec = &request.spec;
	char	   *name;

	zdm_args_not_null(fcinfo, ARG_STATEMENT, "statement");
	zdm_require_writable("zdm.execute_ddl()");
	spec->statement = zdm_args_text(fcinfo, ARG_STATEMENT);
	spec->deadline_ms = deadline_arg(fcinfo);
	zdm_session_record(&spec->settings, ddl_settings, lengthof(ddl_settings));
	request.statement = zdm_statement_parse(spec->statement);
	name = zdm_submit_given_name(fcinfo, ARG_NAME);
	if (name == NULL)
		name = derive_name(request.statement, spec);
	PG_RETURN_INT64(zdm_submit(name, "ddl", difference, create_job, &request));
}
