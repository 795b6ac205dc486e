/*
 * job.c
 *	  Jobs: one row of zdm.job each, and the one function that changes the
 *	  state of one.
 *
 * Locking: the row of zdm.job is locked FOR UPDATE before its state is
 * changed, so pause, cancel and the worker's own transitions are serial.
 * Every transition writes a row of zdm.event and a NOTIFY on channel "zdm"
 * in the same transaction; but that a job rests until a time, and goes on, is
 * no news: it may do so every few seconds.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "core/catalog.h"
#include "job/job.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define JOB_COLUMNS \
	"job_id, name, kind, target, target_schema, target_name, owner, state, " \
	"fruitless_starts, cluster_id, database_id, last_error, owner_id, cleanup, as_caller, " \
	ZDM_NOT_BEFORE_SQL

static const char *const state_names[] = {
	[ZDM_JOB_QUEUED] = "queued",
	[ZDM_JOB_RUNNING] = "running",
	[ZDM_JOB_PAUSED] = "paused",
	[ZDM_JOB_FAILED] = "failed",
	[ZDM_JOB_CANCELLED] = "cancelled",
	[ZDM_JOB_DONE] = "done"
};

/* bit n: the state may change to state n */
static const int next_states[] = {
	[ZDM_JOB_QUEUED] = 1 << ZDM_JOB_RUNNING | 1 << ZDM_JOB_PAUSED | 1 << ZDM_JOB_FAILED | 1 << ZDM_JOB_CANCELLED,
	[ZDM_JOB_RUNNING] = 1 << ZDM_JOB_DONE | 1 << ZDM_JOB_FAILED | 1 << ZDM_JOB_PAUSED | 1 << ZDM_JOB_CANCELLED | 1 << ZDM_JOB_QUEUED,
	[ZDM_JOB_PAUSED] = 1 << ZDM_JOB_QUEUED | 1 << ZDM_JOB_CANCELLED,
	[ZDM_JOB_FAILED] = 1 << ZDM_JOB_QUEUED | 1 << ZDM_JOB_CANCELLED,
	[ZDM_JOB_CANCELLED] = 1 << ZDM_JOB_QUEUED,
	[ZDM_JOB_DONE] = 1 << ZDM_JOB_CANCELLED
};

ZdmJobHook	zdm_job_hook = NULL;

/* The name of a state as users see it. */
const char *
zdm_job_state_name(ZdmJobState state)
{
	return state_names[state];
}

/* The state of that name; errors with DATA_CORRUPTED for an unknown one. */
ZdmJobState
zdm_job_state_parse(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
	{
		if (strcmp(name, state_names[i]) == 0)
			return (ZdmJobState) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown job state \"%s\"", name)));
	return ZDM_JOB_FAILED;		/* keep the compiler quiet */
}

static char *
cluster_id(void)
{
	return psprintf(UINT64_FORMAT, GetSystemIdentifier());
}

/* Is a row with these marks of this database of this cluster? */
bool
zdm_job_is_local(const char *cluster, Oid database)
{
	return strcmp(cluster, cluster_id()) == 0 && database == MyDatabaseId;
}

/*
 * The role of a job: by OID, which a rename does not change, or by name where
 * OIDs are those of another cluster.  Invalid when it is gone.
 */
Oid
zdm_job_owner(bool local, Oid owner_id, const char *owner)
{
	if (!local)
		return get_role_oid(owner, true);
	return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner_id)) ? owner_id : InvalidOid;
}

/*
 * May the current role see the jobs of that owner?  Those who have its rights
 * may, and members of pg_monitor.
 */
bool
zdm_job_is_visible(Oid owner)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR) ||
		(OidIsValid(owner) && has_privs_of_role(GetUserId(), owner));
}

static ZdmJob *
job_from_result(MemoryContext mcxt)
{
	ZdmJob	   *job = MemoryContextAllocZero(mcxt, sizeof(ZdmJob));
	bool		isnull;
	char	   *cluster;

	job->id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	job->name = zdm_catalog_text(0, 2, mcxt);
	job->kind = zdm_catalog_text(0, 3, mcxt);
	job->target = DatumGetObjectId(zdm_catalog_value(0, 4, &isnull));
	job->target_schema = zdm_catalog_text(0, 5, mcxt);
	job->target_name = zdm_catalog_text(0, 6, mcxt);
	job->owner = zdm_catalog_text(0, 7, mcxt);
	job->state = zdm_job_state_parse(zdm_catalog_text(0, 8, CurrentMemoryContext));
	job->fruitless_starts = DatumGetInt32(zdm_catalog_value(0, 9, &isnull));
	cluster = zdm_catalog_text(0, 10, CurrentMemoryContext);
	job->is_local = zdm_job_is_local(cluster, DatumGetObjectId(zdm_catalog_value(0, 11, &isnull)));
	job->last_error = zdm_catalog_text(0, 12, mcxt);
	job->owner_id = zdm_job_owner(job->is_local,
								  DatumGetObjectId(zdm_catalog_value(0, 13, &isnull)), job->owner);
	job->cleanup = DatumGetBool(zdm_catalog_value(0, 14, &isnull));
	job->as_caller = DatumGetBool(zdm_catalog_value(0, 15, &isnull));
	job->not_before = DatumGetTimestampTz(zdm_catalog_value(0, 16, &isnull));
	if (isnull)
		job->not_before = 0;
	if (OidIsValid(job->owner_id))
		job->owner = MemoryContextStrdup(mcxt, GetUserNameFromId(job->owner_id, false));
	return job;
}

static ZdmJob *
select_job(const char *sql, Oid argtype, Datum arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	ZdmJob	   *job = NULL;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute(sql, 1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
		job = job_from_result(mcxt);
	zdm_catalog_end(&scope);
	return job;
}

static ZdmJob *
require_job(ZdmJob *job, int64 job_id, bool missing_ok)
{
	if (job == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", job_id),
				 errhint("The jobs of this database are in zdm.jobs.")));
	return job;
}

/*
 * The job, in the current memory context.  Errors with UNDEFINED_OBJECT, or
 * NULL when missing_ok.
 */
ZdmJob *
zdm_job_load(int64 job_id, bool missing_ok)
{
	return require_job(select_job("SELECT " JOB_COLUMNS " FROM zdm.job WHERE job_id = $1",
								  INT8OID, Int64GetDatum(job_id)),
					   job_id, missing_ok);
}

/*
 * The same for somebody who asks: a job that the views do not show to the
 * current role does not exist for it.
 */
ZdmJob *
zdm_job_load_visible(int64 job_id)
{
	ZdmJob	   *job = zdm_job_load(job_id, true);

	if (job && !zdm_job_is_visible(job->owner_id))
		job = NULL;
	return require_job(job, job_id, false);
}

/* The job of that name, NULL when there is none. */
ZdmJob *
zdm_job_load_by_name(const char *name)
{
	return select_job("SELECT " JOB_COLUMNS " FROM zdm.job WHERE name = $1",
					  TEXTOID, CStringGetTextDatum(name));
}

/* As zdm_job_load(), with the row locked to the end of the transaction. */
ZdmJob *
zdm_job_lock(int64 job_id, bool missing_ok)
{
	return require_job(select_job("SELECT " JOB_COLUMNS " FROM zdm.job WHERE job_id = $1 FOR UPDATE",
								  INT8OID, Int64GetDatum(job_id)),
					   job_id, missing_ok);
}

/* what a new job is */
typedef struct NewJob
{
	const char *name;
	const char *kind;
	Oid			target;
	const char *target_schema;
	const char *target_name;
	Oid			owner;
	bool		as_caller;
} NewJob;

static int64
insert_job(const NewJob *job)
{
	static const Oid argtypes[] = {TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID, OIDOID, OIDOID, BOOLOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;
	int64		job_id = 0;
	bool		isnull;

	values[0] = CStringGetTextDatum(job->name);
	values[1] = CStringGetTextDatum(job->kind);
	values[2] = ObjectIdGetDatum(job->target);
	values[3] = CStringGetTextDatum(job->target_schema);
	values[4] = CStringGetTextDatum(job->target_name);
	values[5] = CStringGetTextDatum(GetUserNameFromId(job->owner, false));
	values[6] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[7] = CStringGetTextDatum(cluster_id());
	values[8] = ObjectIdGetDatum(MyDatabaseId);
	values[9] = ObjectIdGetDatum(job->owner);
	values[10] = BoolGetDatum(job->as_caller);

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("INSERT INTO zdm.job (name, kind, target, target_schema, target_name,"
							" owner, created_by, cluster_id, database_id, owner_id, as_caller)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
							" ON CONFLICT (name) DO NOTHING RETURNING job_id",
							lengthof(argtypes), argtypes, values, NULL,
							SPI_OK_INSERT_RETURNING) > 0)
		job_id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);

	if (job_id != 0)
		zdm_job_note(job_id, "queued", NULL);
	return job_id;
}

/*
 * Insert a queued job.  Returns 0 when the name is taken, perhaps by a
 * transaction that committed only just now.  Who starts a job must also call
 * zdm_queue_request().
 */
int64
zdm_job_create(const char *name, const char *kind, Oid target, Oid owner)
{
	NewJob		job = {.name = name,.kind = kind,.target = target,.owner = owner};

	job.target_schema = get_namespace_name(get_rel_namespace(target));
	job.target_name = get_rel_name(target);
	return insert_job(&job);
}

/*
 * The same for a job that runs as the current role, whoever owns the target.
 * The target may be no relation: OID 0, the schema the empty string, and as
 * its name what it is.
 */
int64
zdm_job_create_as_caller(const char *name, const char *kind, Oid target,
						 const char *target_schema, const char *target_name)
{
	return zdm_job_create_as(name, kind, target, target_schema, target_name, GetUserId());
}

/*
 * The same for a job that runs as a role that has once called for it; the
 * caller has seen to it that the current role may act for that one.
 */
int64
zdm_job_create_as(const char *name, const char *kind, Oid target,
				  const char *target_schema, const char *target_name, Oid role)
{
	NewJob		job = {.name = name,.kind = kind,.target = target,.as_caller = true};

	job.target_schema = target_schema;
	job.target_name = target_name;
	job.owner = role;
	return insert_job(&job);
}

/* Tell listeners: channel zdm, a small JSON object. */
static void
notify_transition(const ZdmJob *job, ZdmJobState to)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"job_id\": " INT64_FORMAT ", \"name\": ", job->id);
	escape_json(&buf, job->name);
	appendStringInfoString(&buf, ", \"kind\": ");
	escape_json(&buf, job->kind);
	appendStringInfoString(&buf, ", \"target\": ");
	escape_json(&buf, job->target_schema[0] == '\0' ? job->target_name :
				quote_qualified_identifier(job->target_schema, job->target_name));
	appendStringInfo(&buf, ", \"from\": \"%s\", \"state\": \"%s\"}",
					 state_names[job->state], state_names[to]);
	Async_Notify("zdm", buf.data);
	pfree(buf.data);
}

/* Write a row of zdm.event; message may be NULL.  Does not commit. */
void
zdm_job_note(int64 job_id, const char *event, const char *message)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	values[2] = CStringGetTextDatum(event);
	isnull[3] = (message == NULL);
	values[3] = message ? CStringGetTextDatum(message) : (Datum) 0;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.event (job_id, actor, event, message, migration_id)"
						" VALUES ($1, $2, $3, $4, (SELECT migration_id FROM zdm.job WHERE job_id = $1))",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* Does a running job rest until a time? */
static bool
is_put_off(const ZdmJob *job, ZdmJobState to)
{
	return job->state == ZDM_JOB_RUNNING && to == ZDM_JOB_QUEUED;
}

/* Does a job go on after that?  Then it has not been queued by anybody since it ran. */
static bool
is_taken_up(const ZdmJob *job, ZdmJobState to)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job->id);
	ZdmCatalogScope scope;
	bool		result;

	if (job->state != ZDM_JOB_QUEUED || to != ZDM_JOB_RUNNING)
		return false;
	zdm_catalog_begin(&scope);
	result = zdm_catalog_execute("SELECT FROM (SELECT event FROM zdm.event WHERE job_id = $1"
								 " AND event IN ('queued', 'running', 'continued')"
								 " ORDER BY event_id DESC LIMIT 1) e WHERE event <> 'queued'",
								 1, &argtype, &value, NULL, SPI_OK_SELECT) > 0;
	zdm_catalog_end(&scope);
	return result;
}

static void
update_state(const ZdmJob *job, ZdmJobState to, const char *reason,
			 const ZdmError *error)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)];
	const char *texts[5];
	ZdmCatalogScope scope;

	texts[0] = state_names[to];
	texts[1] = (to == ZDM_JOB_PAUSED || is_put_off(job, to)) ? reason : NULL;
	texts[2] = error ? error->message : NULL;
	texts[3] = error ? zdm_error_sqlstate(error) : NULL;
	texts[4] = error ? error->hint : NULL;

	values[0] = Int64GetDatum(job->id);
	isnull[0] = false;
	for (int i = 0; i < lengthof(texts); i++)
	{
		isnull[i + 1] = (texts[i] == NULL);
		values[i + 1] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}

	/* cleaning up is work of its own, with starts of its own to be counted */
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET state = $2, state_since = clock_timestamp(),"
						" waiting_for = $3, waiting_since = CASE WHEN $3 IS NOT NULL THEN clock_timestamp() END, last_error = $4, last_sqlstate = $5, last_hint = $6,"
						" started_at = CASE WHEN $2 = 'running' THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,"
						" finished_at = CASE WHEN $2 IN ('done', 'failed', 'cancelled') THEN clock_timestamp() END,"
						" fruitless_starts = CASE WHEN $2 IN ('queued', 'cancelled') THEN 0 ELSE fruitless_starts END"
						" WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/*
 * The one place where a job's state changes.  The caller has the row locked
 * by zdm_job_lock() in this transaction.  reason (may be NULL) goes into the
 * event, and into waiting_for of a job that is paused or rests; error (may be NULL) is kept as
 * the job's last error.  Errors with OBJECT_NOT_IN_PREREQUISITE_STATE when
 * the state may not follow; a done job may be cancelled only when there is
 * something to clean up, which undoes it.  Does not commit.
 */
void
zdm_job_transition(ZdmJob *job, ZdmJobState to, const char *reason,
				   const ZdmError *error)
{
	const char *message = reason;

	if ((next_states[job->state] & (1 << to)) == 0 || (job->state == ZDM_JOB_DONE && !job->cleanup))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " (\"%s\") is %s and cannot become %s",
						job->id, job->name, state_names[job->state], state_names[to]),
				 errhint("Its state and history are in zdm.jobs and zdm.events.")));

	update_state(job, to, reason, error);
	if (error && !message)
		message = psprintf("%s: %s", zdm_error_sqlstate(error), error->message);
	if (!is_put_off(job, to) && !is_taken_up(job, to))
	{
		zdm_job_note(job->id, state_names[to], message);
		notify_transition(job, to);
	}
	job->state = to;
	if (zdm_job_hook)
		zdm_job_hook(job, error);
}

/* Say what holds an unfinished job back; NULL: nothing.  Does not commit. */
void
zdm_job_set_waiting(int64 job_id, const char *waiting_for)
{
	zdm_catalog_set("UPDATE zdm.job SET waiting_for = $2,"
					" waiting_since = CASE WHEN $2 IS NOT NULL THEN coalesce(waiting_since, clock_timestamp()) END"
					" WHERE job_id = $1 AND waiting_for IS DISTINCT FROM $2"
					" AND (state IN ('queued', 'running') OR cleanup)",
					job_id, TEXTOID,
					waiting_for ? CStringGetTextDatum(waiting_for) : (Datum) 0,
					waiting_for == NULL);
}

/* Count starts of a worker that led to nothing, against crash loops. */
void
zdm_job_set_fruitless_starts(int64 job_id, int starts)
{
	zdm_catalog_set("UPDATE zdm.job SET fruitless_starts = $2 WHERE job_id = $1",
					job_id, INT4OID, Int32GetDatum(starts), false);
}

/*
 * Say whether the job leaves something behind that its kind's clean_up() has
 * to remove once the job is cancelled.  A kind sets this in the transaction
 * that decides to make such a thing, before it makes it.
 */
void
zdm_job_set_cleanup(int64 job_id, bool cleanup)
{
	zdm_catalog_set("UPDATE zdm.job SET cleanup = $2 WHERE job_id = $1",
					job_id, BOOLOID, BoolGetDatum(cleanup), false);
}

/*
 * A running job rests until a time: it is queued, and why is what waiting_for
 * says meanwhile (NULL: until when).  Does not commit.
 */
void
zdm_job_put_off(ZdmJob *job, TimestampTz until, const char *why)
{
	zdm_job_set_not_before(job->id, until);
	zdm_job_transition(job, ZDM_JOB_QUEUED, why, NULL);
}

/* A queued job is not run before that time; 0: at once.  Does not commit. */
void
zdm_job_set_not_before(int64 job_id, TimestampTz not_before)
{
	zdm_catalog_set("UPDATE zdm.job SET not_before = $2 WHERE job_id = $1",
					job_id, TIMESTAMPTZOID, TimestampTzGetDatum(not_before), not_before == 0);
}

/* False while a queued job has to wait for its time. */
bool
zdm_job_is_due(const ZdmJob *job)
{
	return job->state != ZDM_JOB_QUEUED || job->not_before <= GetCurrentTimestamp();
}

/*
 * A clean-up of a cancelled job has come to an end: no error, nothing is left
 * behind; otherwise it will be tried again, unless it is given up.  The row is
 * locked.  Does not commit.
 */
void
zdm_job_clean_up_ended(ZdmJob *job, const ZdmError *error, bool given_up)
{
	const char *event = given_up ? "clean-up given up" : error ? "clean-up failed" : "cleaned up";

	if (error == NULL || given_up)
	{
		zdm_job_set_waiting(job->id, NULL);
		zdm_job_set_cleanup(job->id, false);
		job->cleanup = false;
	}
	if (error == NULL)
		zdm_job_set_fruitless_starts(job->id, 0);
	zdm_job_note(job->id, event, error ? error->message : NULL);
	if (zdm_job_hook)
		zdm_job_hook(job, error);
}

/* Is there something for a worker to do? */
bool
zdm_job_wants_worker(const ZdmJob *job)
{
	return job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING ||
		(job->state == ZDM_JOB_CANCELLED && job->cleanup);
}

/*
 * A member of the target's owner takes responsibility for the job as the
 * target is now: after a change of owner, a restore or a copy.
 */
void
zdm_job_adopt(ZdmJob *job, Oid owner)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, OIDOID, OIDOID, OIDOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job->id);
	values[1] = CStringGetTextDatum(GetUserNameFromId(owner, false));
	values[2] = CStringGetTextDatum(cluster_id());
	values[3] = ObjectIdGetDatum(MyDatabaseId);
	values[4] = ObjectIdGetDatum(job->target);
	values[5] = ObjectIdGetDatum(owner);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET owner = $2, cluster_id = $3,"
						" database_id = $4, target = $5, owner_id = $6 WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	job->owner = GetUserNameFromId(owner, false);
	job->owner_id = owner;
	job->is_local = true;
}
