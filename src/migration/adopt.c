/*
 * adopt.c
 *	  A migration whose table has another owner, or that came from elsewhere
 *	  (restore, copy, upgrade): somebody answers for it as things are now.
 *
 * OIDs have no meaning elsewhere: the table and those of steps are found by
 * their names, roles by theirs.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "job/queue.h"
#include "job/requeue.h"
#include "migration/adopt.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"

/*
 * A job of the migration has gone on as its table's owner is now: so does the
 * migration.
 */
void
zdm_migration_adopt(ZdmMigration *migration)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID};
	Oid			owner = OidIsValid(migration->target) ? zdm_relation_owner(migration->target) : InvalidOid;
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	if (!OidIsValid(owner) || owner == migration->runs_as_id)
		return;
	values[0] = Int64GetDatum(migration->id);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = CStringGetTextDatum(GetUserNameFromId(owner, false));
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration SET runs_as_id = $2, runs_as = $3 WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	migration->runs_as_id = owner;
}

/* ---------- from elsewhere ---------- */

/* Find everything by its name, and say that it belongs here. */
static void
find_here(ZdmMigration *migration, Oid owner)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID, TEXTOID, OIDOID, OIDOID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(migration->id);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = CStringGetTextDatum(GetUserNameFromId(owner, false));
	values[3] = CStringGetTextDatum(psprintf(UINT64_FORMAT, GetSystemIdentifier()));
	values[4] = ObjectIdGetDatum(MyDatabaseId);
	values[5] = ObjectIdGetDatum(migration->target);
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.migration m SET runs_as_id = $2, runs_as = $3, cluster_id = $4, database_id = $5,"
						" target = $6, created_by_id = coalesce(r.oid, 0), created_session_id = coalesce(r.oid, 0)"
						" FROM (SELECT) AS one LEFT JOIN pg_roles r"
						"   ON r.rolname = (SELECT created_by FROM zdm.migration WHERE migration_id = $1)"
						" WHERE migration_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_execute("UPDATE zdm.migration_step s SET target = coalesce((SELECT c.oid FROM pg_class c"
						"   JOIN pg_namespace n ON n.oid = c.relnamespace"
						"  WHERE c.relname = s.target_name AND n.nspname = s.target_schema), 0)"
						" WHERE migration_id = $1 AND s.target_name IS NOT NULL",
						1, argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	migration->runs_as_id = owner;
	migration->is_local = true;
}

/* One that was at work goes on; one that was at its end can be undone here. */
static void
bring_job_here(const ZdmMigration *migration, ZdmJob *job)
{
	if (job->state == ZDM_JOB_QUEUED || job->state == ZDM_JOB_RUNNING)
		zdm_job_transition(job, ZDM_JOB_PAUSED, "came from another cluster or database (restore, copy or upgrade)", NULL);
	if (job->state == ZDM_JOB_PAUSED)
		zdm_job_requeue(job, "resumed");
	else
	{
		job->target = migration->target;
		zdm_job_adopt(job, job->as_caller && OidIsValid(job->owner_id) ? job->owner_id : migration->runs_as_id);
	}
}

/*
 * Let a migration that came from elsewhere go on here.  Its row is locked.
 * Errors with UNDEFINED_TABLE, UNDEFINED_OBJECT and INSUFFICIENT_PRIVILEGE.
 */
void
zdm_migration_bring_here(ZdmMigration *migration)
{
	Oid			owner = migration->runs_as_id;
	int64	   *jobs;
	int			count;

	if (migration->target_name)
	{
		RangeVar   *table = makeRangeVar(migration->target_schema, migration->target_name, -1);

		migration->target = RangeVarGetRelid(table, NoLock, true);
		owner = OidIsValid(migration->target) ? zdm_relation_owner(migration->target) : owner;
	}
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", as which migration \"%s\" runs, does not exist here", migration->runs_as,
						migration->name),
				 errhint("Create the role, or leave the migration alone.")));
	zdm_require_owner_rights(owner, psprintf("the target of migration \"%s\"", migration->name));
	find_here(migration, owner);
	jobs = zdm_catalog_ids("SELECT job_id FROM zdm.job WHERE migration_id = $1 ORDER BY job_id", migration->id, &count);
	for (int i = 0; i < count; i++)
	{
		ZdmJob	   *job = zdm_job_lock(jobs[i], true);

		if (job && !job->is_local)
			bring_job_here(migration, job);
	}
	zdm_migration_note(migration, "resumed", "it came from another cluster or database (restore, copy or upgrade)");
	zdm_queue_request();
}
