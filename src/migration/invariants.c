/*
 * invariants.c
 *	  The table zdm.invariant, and the SQL functions on it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "ddl/statement.h"
#include "fmgr.h"
#include "job/interrupt.h"
#include "job/queue.h"
#include "job/submit.h"
#include "migration/invariant.h"
#include "migration/side.h"
#include "migration/tracking.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(zdm_add_invariant);
PG_FUNCTION_INFO_V1(zdm_remove_invariant);

#define SHORTEST_INTERVAL_MS 1000
#define LONGEST_LIMIT_MS 3600000

enum
{
	ARG_MIGRATION, ARG_NAME, ARG_QUERY, ARG_RUNS_EVERY, ARG_TIME_LIMIT
};

static double
interval_ms(const Interval *interval)
{
	return interval->time / 1000.0 + (interval->day + interval->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
}

/* ---------- rows ---------- */

/* The invariant that a job runs, in the current memory context; NULL when it was removed. */
ZdmInvariant *
zdm_invariant_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	ZdmInvariant *invariant = NULL;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT invariant_id, migration_id, name, query, settings, time_limit, runs_every,"
							" last_rows IS NOT DISTINCT FROM 0, runs > 0 FROM zdm.invariant WHERE job_id = $1",
							1, &argtype, &value, NULL, SPI_OK_SELECT) > 0)
	{
		invariant = MemoryContextAllocZero(mcxt, sizeof(ZdmInvariant));
		invariant->id = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
		invariant->migration_id = DatumGetInt64(zdm_catalog_value(0, 2, &isnull));
		invariant->name = zdm_catalog_text(0, 3, mcxt);
		invariant->query = zdm_catalog_text(0, 4, mcxt);
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&invariant->settings, zdm_catalog_value(0, 5, &isnull));
		MemoryContextSwitchTo(old);
		invariant->time_limit = (int) interval_ms(DatumGetIntervalP(zdm_catalog_value(0, 6, &isnull)));
		invariant->runs_every = *DatumGetIntervalP(zdm_catalog_value(0, 7, &isnull));
		invariant->is_clean = DatumGetBool(zdm_catalog_value(0, 8, &isnull));
		invariant->has_run = DatumGetBool(zdm_catalog_value(0, 9, &isnull));
	}
	zdm_catalog_end(&scope);
	return invariant;
}

/* A run that could not be made says nothing of rows: since when there are none is kept. */
static void
update_result(const ZdmInvariant *invariant, const ZdmInvariantResult *result)
{
	static const Oid argtypes[] = {INT8OID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTARRAYOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(invariant->id);
	values[1] = TimestampTzGetDatum(result->began_at);
	isnull[2] = result->error != NULL;
	values[2] = Int64GetDatum(result->rows);
	isnull[3] = result->error == NULL;
	values[3] = result->error ? CStringGetTextDatum(result->error) : (Datum) 0;
	values[4] = zdm_migration_texts(result->samples);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.invariant SET runs = runs + 1, last_run_at = $2, last_error = $4,"
						" samples = CASE WHEN $3 > 0 AND coalesce(last_rows, 0) = 0 THEN $5 ELSE samples END,"
						" clean_since = CASE WHEN $3 = 0 THEN coalesce(clean_since, $2)"
						"  WHEN $3 IS NULL THEN clean_since END,"
						" last_rows = coalesce($3, last_rows) WHERE invariant_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Record what came of a run; what has changed is an event of the migration. */
void
zdm_invariant_record(const ZdmInvariant *invariant, const ZdmInvariantResult *result)
{
	ZdmMigration *migration = zdm_migration_load(invariant->migration_id);

	update_result(invariant, result);
	if (migration == NULL || result->error)
		return;
	if (result->rows > 0 && (invariant->is_clean || !invariant->has_run))
		zdm_migration_note(migration, "invariant broken",
						   psprintf("%s returns " INT64_FORMAT " rows", invariant->name, result->rows));
	else if (result->rows == 0 && !invariant->is_clean && invariant->has_run)
		zdm_migration_note(migration, "invariant holds again", invariant->name);
}

/* ---------- jobs ---------- */

static int64
create_job(const ZdmMigration *migration, const char *name, Oid role)
{
	char	   *job_name = psprintf("%s (invariant %s)", migration->name, name);
	int64		job_id;

	job_id = zdm_job_create_as(job_name, "invariant", migration->target,
							   migration->target_schema ? migration->target_schema : "",
							   migration->target_name ? migration->target_name : "migration", role);
	if (job_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("job \"%s\" exists", job_name),
				 errdetail("The invariant's job is to have this name."),
				 errhint("Give the invariant another name.")));
	zdm_side_belongs(migration, job_id);
	zdm_queue_request();
	return job_id;
}

static void
set_job(int64 invariant_id, int64 job_id)
{
	zdm_catalog_set("UPDATE zdm.invariant SET job_id = $2 WHERE invariant_id = $1", invariant_id,
					INT8OID, Int64GetDatum(job_id), false);
}

typedef struct InvariantJob
{
	int64		id;
	char	   *name;
	Oid			role;
	int64		job_id;			/* 0: none yet */
} InvariantJob;

static List *
load_jobs(int64 migration_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(migration_id);
	List	   *jobs = NIL;
	ZdmCatalogScope scope;
	int			nrows;

	zdm_catalog_begin(&scope);
	nrows = zdm_catalog_execute("SELECT invariant_id, name, role_id, coalesce(job_id, 0) FROM zdm.invariant"
								" WHERE migration_id = $1 ORDER BY invariant_id",
								1, &argtype, &value, NULL, SPI_OK_SELECT);
	for (int i = 0; i < nrows; i++)
	{
		InvariantJob *job = MemoryContextAlloc(mcxt, sizeof(InvariantJob));
		MemoryContext old;
		bool		isnull;

		job->id = DatumGetInt64(zdm_catalog_value(i, 1, &isnull));
		job->name = zdm_catalog_text(i, 2, mcxt);
		job->role = DatumGetObjectId(zdm_catalog_value(i, 3, &isnull));
		job->job_id = DatumGetInt64(zdm_catalog_value(i, 4, &isnull));
		old = MemoryContextSwitchTo(mcxt);
		jobs = lappend(jobs, job);
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return jobs;
}

/* Run the invariants of a migration that is at work from now on. */
void
zdm_invariant_start_all(const ZdmMigration *migration)
{
	ListCell   *lc;

	foreach(lc, load_jobs(migration->id))
	{
		const InvariantJob *there = lfirst(lc);
		ZdmJob	   *job = there->job_id != 0 ? zdm_job_lock(there->job_id, true) : NULL;

		if (job == NULL)
			set_job(there->id, create_job(migration, there->name, there->role));
		else if (job->state == ZDM_JOB_CANCELLED)
		{
			zdm_job_set_not_before(job->id, 0);
			zdm_job_transition(job, ZDM_JOB_QUEUED, "the migration begins anew", NULL);
			zdm_queue_request();
		}
	}
}

/* ---------- the functions ---------- */

typedef struct QueryText
{
	const char *text;
	RawStmt    *stmt;			/* NULL: it is not one query */
} QueryText;

/* Errors of PostgreSQL's own for what cannot be run. */
static void
analyze_step(void *arg)
{
	QueryText  *query = arg;
	List	   *stmts = raw_parser(query->text, RAW_PARSE_DEFAULT);

	if (list_length(stmts) != 1 || !IsA(linitial_node(RawStmt, stmts)->stmt, SelectStmt) ||
		((SelectStmt *) linitial_node(RawStmt, stmts)->stmt)->intoClause)
		return;
	query->stmt = linitial_node(RawStmt, stmts);
	(void) parse_analyze_fixedparams(query->stmt, query->text, NULL, 0, NULL);
}

static char *
query_arg(FunctionCallInfo fcinfo)
{
	QueryText	query = {0};

	zdm_args_not_null(fcinfo, ARG_QUERY, "query");
	query.text = zdm_args_text(fcinfo, ARG_QUERY);
	zdm_statement_errors(analyze_step, &query, query.text);
	if (query.stmt == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an invariant must be one query"),
				 errhint("Give a SELECT that returns the rows that must not be there.")));
	return unconstify(char *, query.text);
}

/* least and most in ms, and in words */
static Datum
interval_arg(FunctionCallInfo fcinfo, int argno, const char *argname, double least, double most, const char *range)
{
	double		ms;

	zdm_args_not_null(fcinfo, argno, argname);
	ms = interval_ms(PG_GETARG_INTERVAL_P(argno));
	if (ms < least || ms > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between %s", argname, range),
				 errhint("As in: %s => '30 seconds'.", argname)));
	return PG_GETARG_DATUM(argno);
}

static char *
name_arg(FunctionCallInfo fcinfo)
{
	char	   *name;

	zdm_args_not_null(fcinfo, ARG_NAME, "name");
	name = zdm_args_text(fcinfo, ARG_NAME);
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name must not be empty"),
				 errhint("It is shown by zdm.invariants and zdm.gates().")));
	zdm_submit_check_name(name);
	return name;
}

/* True when there is one of that name and query already. */
static bool
exists(const ZdmMigration *migration, const char *name, const char *query)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(migration->id), CStringGetTextDatum(name)};
	MemoryContext mcxt = CurrentMemoryContext;
	char	   *there = NULL;
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT query FROM zdm.invariant WHERE migration_id = $1 AND name = $2",
							lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT) > 0)
		there = zdm_catalog_text(0, 1, mcxt);
	zdm_catalog_end(&scope);
	if (there && strcmp(there, query) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("migration \"%s\" has an invariant \"%s\" with another query", migration->name, name),
				 errdetail("It is: %s", there),
				 errhint("Give another name, or use zdm.remove_invariant() first.")));
	return there != NULL;
}

static void
insert_row(FunctionCallInfo fcinfo, const ZdmMigration *migration, const char *name, const char *query)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, INTERVALOID, INTERVALOID, TEXTARRAYOID, OIDOID, TEXTOID};
	ZdmSessionSettings settings;
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	zdm_session_record(&settings, NULL, 0);
	values[0] = Int64GetDatum(migration->id);
	values[1] = CStringGetTextDatum(name);
	values[2] = CStringGetTextDatum(query);
	values[3] = interval_arg(fcinfo, ARG_RUNS_EVERY, "runs_every", SHORTEST_INTERVAL_MS, 30.0 * SECS_PER_DAY * 1000,
							 "1 second and 30 days");
	values[4] = interval_arg(fcinfo, ARG_TIME_LIMIT, "time_limit", 1, LONGEST_LIMIT_MS,
							 "1 millisecond and 1 hour");
	values[5] = zdm_session_to_array(&settings);
	values[6] = ObjectIdGetDatum(GetUserId());
	values[7] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.invariant (migration_id, name, query, runs_every, time_limit, settings, role_id, role)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static ZdmMigration *
migration_arg(FunctionCallInfo fcinfo, const char *funcname)
{
	zdm_args_not_null(fcinfo, ARG_MIGRATION, "migration");
	return zdm_migration_for_order(fcinfo, funcname);
}

/*
 * zdm.add_invariant(migration text, name text, query text, runs_every
 * interval, time_limit interval)
 */
Datum
zdm_add_invariant(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_arg(fcinfo, "zdm.add_invariant()");
	char	   *name = name_arg(fcinfo);
	char	   *query = query_arg(fcinfo);

	if (zdm_migration_is_over(migration) || migration->state == ZDM_MIGRATION_ABORTING)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" is in phase %s", migration->name, zdm_migration_describe(migration)),
				 errhint("An invariant is for a migration that is open.")));
	if (exists(migration, name, query))
	{
		ereport(NOTICE,
				(errmsg("migration \"%s\" has invariant \"%s\" already", migration->name, name)));
		PG_RETURN_VOID();
	}
	insert_row(fcinfo, migration, name, query);
	zdm_migration_note(migration, "invariant added", name);
	if (migration->state != ZDM_MIGRATION_PLANNED)
		zdm_invariant_start_all(migration);
	PG_RETURN_VOID();
}

static void
cancel_job(int64 job_id)
{
	ZdmJob	   *job = zdm_job_lock(job_id, true);

	if (job == NULL || job->state == ZDM_JOB_CANCELLED || job->state == ZDM_JOB_DONE)
		return;
	zdm_job_transition(job, ZDM_JOB_CANCELLED, "its invariant was removed", NULL);
	zdm_job_interrupt_at_commit(job_id);
}

/* Who may run it no more has no say in what it finds: the right is that on the migration. */
static bool
delete_row(const ZdmMigration *migration, const char *name, int64 *job_id)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(migration->id), CStringGetTextDatum(name)};
	ZdmCatalogScope scope;
	bool		isnull;
	bool		found;

	zdm_catalog_begin(&scope);
	found = zdm_catalog_execute("DELETE FROM zdm.invariant WHERE migration_id = $1 AND name = $2"
								" RETURNING coalesce(job_id, 0)",
								lengthof(argtypes), argtypes, values, NULL, SPI_OK_DELETE_RETURNING) > 0;
	*job_id = found ? DatumGetInt64(zdm_catalog_value(0, 1, &isnull)) : 0;
	zdm_catalog_end(&scope);
	return found;
}

/* The job keeps its events, and gives its name free. */
static void
rename_job(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET name = format('%s, removed, job %s', name, job_id) WHERE job_id = $1",
						1, &argtype, &value, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* zdm.remove_invariant(migration text, name text) */
Datum
zdm_remove_invariant(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration = migration_arg(fcinfo, "zdm.remove_invariant()");
	char	   *name = name_arg(fcinfo);
	int64		job_id;

	if (!delete_row(migration, name, &job_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("migration \"%s\" has no invariant \"%s\"", migration->name, name),
				 errhint("The invariants are in zdm.invariants.")));
	if (job_id != 0)
	{
		cancel_job(job_id);
		rename_job(job_id);
	}
	zdm_migration_note(migration, "invariant removed", name);
	PG_RETURN_VOID();
}
