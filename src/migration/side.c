/*
 * side.c
 *	  The jobs of a migration beside those of its stages: invariants, repeated
 *	  verification, changes of the trigger by zdm.set_mapping_on_error().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "job/interrupt.h"
#include "job/queue.h"
#include "migration/invariant.h"
#include "migration/reverify.h"
#include "migration/side.h"

/* Record that a job works for the migration: also what it has told so far. */
void
zdm_side_belongs(const ZdmMigration *migration, int64 job_id)
{
	static const Oid argtypes[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(migration->id), Int64GetDatum(job_id)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.job SET migration_id = $1 WHERE job_id = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_execute("UPDATE zdm.event SET migration_id = $1 WHERE job_id = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Start those that a migration that is at work should have; it may be called again. */
void
zdm_side_start(const ZdmMigration *migration)
{
	zdm_invariant_start_all(migration);
	if (migration->state == ZDM_MIGRATION_READY)
		zdm_reverify_start(migration);
}

/* Those of a migration that have not come to their end. */
#define OPEN_JOBS \
	"SELECT j.job_id FROM zdm.job j JOIN zdm.migration m USING (migration_id)" \
	" WHERE migration_id = $1 AND state NOT IN ('done', 'cancelled')" \
	" AND job_id NOT IN (coalesce(main_job, 0), coalesce(retire_job, 0), coalesce(purge_job, 0))"

static void
cancel_jobs(const ZdmMigration *migration, const char *sql, const char *why)
{
	int			count;
	int64	   *jobs = zdm_catalog_ids(sql, migration->id, &count);

	for (int i = 0; i < count; i++)
	{
		ZdmJob	   *job = zdm_job_lock(jobs[i], true);

		if (job == NULL || job->state == ZDM_JOB_DONE || job->state == ZDM_JOB_CANCELLED)
			continue;
		zdm_job_transition(job, ZDM_JOB_CANCELLED, why, NULL);
		zdm_job_interrupt_at_commit(job->id);
	}
}

/* End them: the migration is over.  Its row is locked. */
void
zdm_side_stop(const ZdmMigration *migration)
{
	cancel_jobs(migration, OPEN_JOBS " ORDER BY job_id", "the migration is over");
}

/*
 * End those that would make the trigger anew as it was: the migration makes it
 * anew itself, or drops it.  Its row is locked.
 */
void
zdm_side_stop_trigger(const ZdmMigration *migration)
{
	cancel_jobs(migration, OPEN_JOBS " AND j.kind = 'recipe' ORDER BY job_id",
				"the migration makes the trigger anew itself, with what is set now, or drops it");
}

/*
 * Errors with OBJECT_NOT_IN_PREREQUISITE_STATE when one of these that was ended
 * is to begin anew: the trigger may be another one by now.
 */
void
zdm_side_require_trigger(int64 job_id)
{
	int			count;

	(void) zdm_catalog_ids("SELECT event_id FROM zdm.event WHERE job_id = $1 AND event = 'cancelled' LIMIT 1",
						   job_id, &count);
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " was cancelled, and would make a trigger as it was then", job_id),
				 errhint("zdm.set_mapping_on_error() changes the trigger as it is now.")));
}
