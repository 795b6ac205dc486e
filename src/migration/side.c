/*
 * side.c
 *	  The jobs of a migration beside those of its stages: invariants, repeated
 *	  verification.
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

/* End them: the migration is over.  Its row is locked. */
void
zdm_side_stop(const ZdmMigration *migration)
{
	int			count;
	int64	   *jobs = zdm_catalog_ids("SELECT j.job_id FROM zdm.job j JOIN zdm.migration m USING (migration_id)"
									   " WHERE migration_id = $1 AND state NOT IN ('done', 'cancelled')"
									   " AND job_id NOT IN (coalesce(main_job, 0), coalesce(retire_job, 0), coalesce(purge_job, 0))"
									   " ORDER BY job_id", migration->id, &count);

	for (int i = 0; i < count; i++)
	{
		ZdmJob	   *job = zdm_job_lock(jobs[i], true);

		if (job == NULL || job->state == ZDM_JOB_DONE || job->state == ZDM_JOB_CANCELLED)
			continue;
		zdm_job_transition(job, ZDM_JOB_CANCELLED, "the migration is over", NULL);
		zdm_job_interrupt_at_commit(job->id);
	}
}
