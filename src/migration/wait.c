/*
 * wait.c
 *	  zdm.wait_for_migration() and zdm.assert_migration(): whether a migration
 *	  has reached a phase.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "core/args.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "job/queue.h"
#include "job/wait.h"
#include "migration/migration.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_assert_migration);
PG_FUNCTION_INFO_V1(zdm_wait_for_migration);

/* the states at which phases begin that one can wait for */
static const ZdmMigrationState phases[] = {
	ZDM_MIGRATION_EXPAND, ZDM_MIGRATION_MIGRATE, ZDM_MIGRATION_READY, ZDM_MIGRATION_DONE, ZDM_MIGRATION_ABORTED
};

static ZdmMigrationState
phase_arg(FunctionCallInfo fcinfo, int argno)
{
	char	   *given = zdm_args_text(fcinfo, argno);

	for (int i = 0; i < lengthof(phases); i++)
	{
		if (strcmp(zdm_migration_phase_name(phases[i]), given) == 0)
			return phases[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown phase \"%s\"", given),
			 errhint("Use 'expand', 'migrate', 'contract', 'done' or 'aborted'.")));
	return ZDM_MIGRATION_DONE;	/* keep the compiler quiet */
}

/* States up to done are in order. */
static bool
has_reached(const ZdmMigration *migration, ZdmMigrationState wanted)
{
	ZdmMigrationState state = migration->state == ZDM_MIGRATION_REVERTING ? ZDM_MIGRATION_READY : migration->state;

	if (wanted == ZDM_MIGRATION_ABORTED || state > ZDM_MIGRATION_DONE)
		return state == wanted;
	return state >= wanted;
}

/* zdm.assert_migration(name text, phase text) */
Datum
zdm_assert_migration(PG_FUNCTION_ARGS)
{
	ZdmMigration *migration;
	ZdmMigrationState wanted;

	zdm_args_not_null(fcinfo, 0, "name");
	zdm_args_not_null(fcinfo, 1, "phase");
	wanted = phase_arg(fcinfo, 1);
	migration = zdm_migration_load_visible(zdm_args_text(fcinfo, 0));
	if (!has_reached(migration, wanted))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" has not reached phase %s: it is in phase %s", migration->name,
						zdm_migration_phase_name(wanted), zdm_migration_describe(migration)),
				 errhint("zdm.migrations shows its progress, and what has to be done next; CALL zdm.wait_for_migration() waits for it.")));
	PG_RETURN_VOID();
}

/* ---------- waiting ---------- */

typedef struct Wait
{
	char	   *name;
	bool		any_rest;		/* until it has nothing to do by itself */
	ZdmMigrationState wanted;	/* otherwise */
	TimestampTz deadline;
	bool		told;			/* that somebody has to do something */
} Wait;

static bool
is_reached(const Wait *wait, const ZdmMigration *migration)
{
	if (!wait->any_rest)
		return has_reached(migration, wait->wanted);
	return migration->state == ZDM_MIGRATION_PLANNED || migration->state == ZDM_MIGRATION_READY ||
		migration->state == ZDM_MIGRATION_RETIRED || zdm_migration_is_over(migration);
}

static void
refuse_hopeless(const Wait *wait, const ZdmMigration *migration, const ZdmJob *job)
{
	bool		failed = job && job->state == ZDM_JOB_FAILED;
	bool		undone = migration->state == ZDM_MIGRATION_ABORTING || migration->state == ZDM_MIGRATION_ABORTED;
	const char *error = migration->last_error ? migration->last_error : job ? job->last_error : NULL;

	if (failed || migration->last_error)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" has failed in phase %s", migration->name, zdm_migration_describe(migration)),
				 error ? errdetail("Its last error is: %s", error) : 0,
				 errhint("Mend the cause and use zdm.retry(%s).", quote_literal_cstr(migration->name))));
	if (undone && !wait->any_rest && wait->wanted != ZDM_MIGRATION_ABORTED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" is in phase %s", migration->name, zdm_migration_describe(migration)),
				 errhint("zdm.events says who has aborted it and why.")));
	if (migration->state == ZDM_MIGRATION_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration \"%s\" is done", migration->name),
				 errdetail("It cannot be aborted any more."),
				 errhint("Undo it with a migration of its own.")));
}

static void
notice_needs_somebody(Wait *wait, const ZdmMigration *migration, const ZdmJob *job)
{
	const char *quoted = quote_literal_cstr(migration->name);

	if (wait->told)
		return;
	wait->told = true;
	if (job && job->state == ZDM_JOB_PAUSED)
		ereport(NOTICE,
				(errmsg("migration \"%s\" is paused", migration->name),
				 errhint("Use zdm.resume_migration(%s).", quoted)));
	else if (migration->state == ZDM_MIGRATION_PLANNED)
		ereport(NOTICE,
				(errmsg("migration \"%s\" has not been started", migration->name),
				 errhint("Use zdm.start(%s).", quoted)));
	else if (migration->state == ZDM_MIGRATION_READY)
		ereport(NOTICE,
				(errmsg("migration \"%s\" waits to be contracted", migration->name),
				 errhint("Use zdm.contract(%s).", quoted)));
	else
		wait->told = false;
}

/* True when the wait is over; an error when it never will be. */
static bool
look(Wait *wait)
{
	ZdmMigration *migration = zdm_migration_load_visible(wait->name);
	ZdmJob	   *job = migration->current_job != 0 ? zdm_job_load(migration->current_job, true) : NULL;

	if (is_reached(wait, migration))
		return true;
	refuse_hopeless(wait, migration, job);
	if (GetCurrentTimestamp() >= wait->deadline)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("migration \"%s\" is still in phase %s", migration->name, zdm_migration_describe(migration)),
				 migration->state == ZDM_MIGRATION_READY ?
				 errhint("It waits for zdm.contract(%s).", quote_literal_cstr(migration->name)) :
				 errhint("It goes on. zdm.migrations shows its progress and what it waits for.")));
	notice_needs_somebody(wait, migration, job);
	return false;
}

/* CALL zdm.wait_for_migration(name text, phase text, timeout interval) */
Datum
zdm_wait_for_migration(PG_FUNCTION_ARGS)
{
	Wait		wait = {0};

	zdm_args_not_null(fcinfo, 0, "name");
	zdm_wait_refuse_transaction(fcinfo, "zdm.wait_for_migration()", "zdm.assert_migration()");
	wait.name = zdm_args_text(fcinfo, 0);
	wait.any_rest = PG_ARGISNULL(1);
	if (!wait.any_rest)
		wait.wanted = phase_arg(fcinfo, 1);
	wait.deadline = zdm_wait_deadline(fcinfo, 2);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* without a launcher, someone has to ask for a worker now and then */
	if (!RecoveryInProgress())
		zdm_queue_request();
	while (!look(&wait))
		zdm_wait_a_moment();
	SPI_finish();
	PG_RETURN_VOID();
}
