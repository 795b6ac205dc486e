/*
 * reverify.c
 *	  The kind of job "reverify": both shapes are compared again and again, for
 *	  as long as both are there.
 *
 * The plan's own verification is a step of its main stage; this goes on from
 * there.  What it finds closes the gate, and never ends the job: the rows are
 * in zdm.inconsistent_rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "job/queue.h"
#include "migration/own_trigger.h"
#include "migration/reverify.h"
#include "migration/side.h"
#include "run/pause.h"
#include "run/txn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "verify/verify.h"

#define EVERY_MS INT64CONST(3600000)
#define AFTER_ERROR_MS INT64CONST(300000)

typedef struct Reverify
{
	ZdmRun		base;			/* first: a step is given this */
	int64		migration_id;
	int64		mapping_id;		/* 0: there is none */
	bool		is_over;		/* the migration */
	TimestampTz began_at;
	const char *triggers;		/* their versions then; NULL: there is none */
	const char *error;			/* NULL: it was clean */
} Reverify;

/* Which versions of the trigger there are, in the current memory context; NULL: none. */
static char *
trigger_versions(int64 migration_id)
{
	return zdm_catalog_ask("SELECT " ZDM_TRIGGER_VERSIONS_SQL " FROM zdm.migration m JOIN zdm.mapping p USING (migration_id)"
						   " WHERE migration_id = $1 LIMIT 1", migration_id);
}

/* The first of the ids that a query gives; 0 when it gives none. */
static int64
first_id(const char *sql, int64 migration_id)
{
	int			count;
	int64	   *ids = zdm_catalog_ids(sql, migration_id, &count);

	return count > 0 ? ids[0] : 0;
}

/* The mapping of a migration; 0 when it has none. */
static int64
mapping_of(int64 migration_id)
{
	return first_id("SELECT mapping_id FROM zdm.mapping WHERE migration_id = $1 LIMIT 1", migration_id);
}

static TimestampTz
in_ms(int64 ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* ---------- the run ---------- */

static void
load_step(void *arg)
{
	Reverify   *run = arg;
	ZdmMigration *migration = zdm_migration_of_job(run->base.job->id);
	MemoryContext old;

	run->is_over = migration == NULL || zdm_migration_is_over(migration);
	if (run->is_over)
		return;
	run->migration_id = migration->id;
	run->mapping_id = mapping_of(migration->id);
	old = MemoryContextSwitchTo(run->base.run_mcxt);
	run->triggers = trigger_versions(migration->id);
	MemoryContextSwitchTo(old);
}

static void
record_step(void *arg)
{
	static const Oid argtypes[] = {INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	Reverify   *run = arg;
	bool		isnull[lengthof(argtypes)] = {false, false, run->error == NULL, run->triggers == NULL};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(run->migration_id);
	values[1] = TimestampTzGetDatum(run->began_at);
	values[2] = run->error ? CStringGetTextDatum(run->error) : (Datum) 0;
	values[3] = run->triggers ? CStringGetTextDatum(run->triggers) : (Datum) 0;
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET verify_error = $3,"
						" verified_from = CASE WHEN $3 IS NULL THEN $2 ELSE verified_from END,"
						" verified_trigger = CASE WHEN $3 IS NULL THEN $4 ELSE verified_trigger END,"
						" verified_at = CASE WHEN $3 IS NULL THEN clock_timestamp() ELSE verified_at END"
						" WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

static void
compare(Reverify *run)
{
	ZdmRun	   *base = &run->base;
	ZdmRunOutcome outcome;

	run->began_at = GetCurrentTimestamp();
	outcome = zdm_verify_run_for(base->job, base->job->target, run->mapping_id);
	if (outcome.result != ZDM_RUN_DONE && outcome.result != ZDM_RUN_FAILED)
	{
		base->outcome = outcome;
		return;
	}
	run->error = outcome.result == ZDM_RUN_FAILED && outcome.error ? outcome.error->message : NULL;
	if (zdm_run_bookkeep(base, record_step, run))
		zdm_run_end_until(base, in_ms(run->error ? AFTER_ERROR_MS : EVERY_MS), NULL);
}

/*
 * Compare once.  Outside of any transaction, with the job's lock held.
 */
ZdmRunOutcome
zdm_reverify_run(const ZdmJob *job)
{
	MemoryContext mcxt = AllocSetContextCreate(TopMemoryContext, "zdm reverify", ALLOCSET_DEFAULT_SIZES);
	Reverify   *run = MemoryContextAllocZero(mcxt, sizeof(Reverify));

	zdm_txn_init();
	zdm_run_init(&run->base, job, mcxt);
	if (!zdm_run_bookkeep(&run->base, load_step, run))
		return run->base.outcome;
	if (run->is_over || run->mapping_id == 0)
		zdm_run_end(&run->base, ZDM_RUN_DONE, NULL);
	else
		compare(run);
	return run->base.outcome;
}

/* ---------- starting ---------- */

/* 0: there is none. */
static int64
verify_job(const ZdmMigration *migration)
{
	return first_id("SELECT verify_job FROM zdm.migration WHERE migration_id = $1 AND verify_job IS NOT NULL", migration->id);
}

static void
set_job(const ZdmMigration *migration, int64 job_id)
{
	zdm_catalog_set("UPDATE zdm.migration SET verify_job = $2 WHERE migration_id = $1", migration->id,
					INT8OID, Int64GetDatum(job_id), false);
	zdm_catalog_set("UPDATE zdm.job SET restart_ends_rest = $2 WHERE job_id = $1", job_id,
					BOOLOID, BoolGetDatum(true), false);
	zdm_side_belongs(migration, job_id);
}

/*
 * Compare the shapes of a migration that has verified its rows, from an hour
 * from now on.  One without a mapping has nothing to compare.
 */
void
zdm_reverify_start(const ZdmMigration *migration)
{
	int64		job_id = verify_job(migration);
	ZdmJob	   *job = job_id != 0 ? zdm_job_lock(job_id, true) : NULL;

	if (mapping_of(migration->id) == 0 || (job && job->state != ZDM_JOB_CANCELLED))
		return;
	if (job)
		zdm_job_transition(job, ZDM_JOB_QUEUED, "the migration begins anew", NULL);
	else
	{
		job_id = zdm_job_create(psprintf("%s (verify)", migration->name), "reverify", migration->target,
								migration->runs_as_id);
		if (job_id == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("job \"%s (verify)\" exists", migration->name),
					 errhint("Cancel the migration, and give another name.")));
		set_job(migration, job_id);
	}
	zdm_job_set_not_before(job_id, in_ms(EVERY_MS));
	zdm_queue_request();
}

/*
 * Compare the shapes now, and not only when it is time again; false when
 * nothing compares them.  Does not commit.
 */
bool
zdm_reverify_hurry(const ZdmMigration *migration)
{
	int64		job_id = verify_job(migration);
	ZdmJob	   *job = job_id != 0 ? zdm_job_lock(job_id, true) : NULL;

	if (job == NULL || (job->state != ZDM_JOB_QUEUED && job->state != ZDM_JOB_RUNNING))
		return false;
	if (job->state == ZDM_JOB_QUEUED)
		zdm_job_set_not_before(job_id, 0);
	zdm_queue_request();
	return true;
}
