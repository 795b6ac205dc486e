/*
 * migration.h
 *	  Migrations: one row of zdm.migration each, and the one function that
 *	  changes the phase of one.
 *
 * The work of a migration is done by jobs of the kind "recipe", one for each
 * stage.  Locks are taken in this order: the rows of its jobs, its own row,
 * the rows of other jobs that work for it (invariants).
 */
#ifndef ZDM_MIGRATION_MIGRATION_H
#define ZDM_MIGRATION_MIGRATION_H

#include "job/job.h"
#include "migration/plan.h"

/* Phase and, within phase contract, stage; in order up to done. */
typedef enum ZdmMigrationState
{
	ZDM_MIGRATION_PLANNED,
	ZDM_MIGRATION_EXPAND,
	ZDM_MIGRATION_MIGRATE,
	ZDM_MIGRATION_READY,		/* contract: waits for zdm.contract() */
	ZDM_MIGRATION_RETIRING,		/* contract */
	ZDM_MIGRATION_RETIRED,		/* contract: waits for the end of the hold */
	ZDM_MIGRATION_PURGING,		/* contract: no way back */
	ZDM_MIGRATION_DONE,
	ZDM_MIGRATION_ABORTING,
	ZDM_MIGRATION_ABORTED,
	ZDM_MIGRATION_REVERTING		/* back to ready */
} ZdmMigrationState;

typedef struct ZdmMigration
{
	int64		id;
	char	   *name;
	char	   *kind;
	char	   *definition;
	Oid			target;			/* invalid: none */
	char	   *target_schema;	/* NULL: none */
	char	   *target_name;
	char	   *column;			/* NULL: none */
	char	   *new_column;		/* NULL: none */
	Oid			runs_as_id;		/* invalid when the role is gone */
	char	   *runs_as;
	char	   *owner;
	DateADT		contract_by;
	bool		has_contract_by;
	ZdmMigrationState state;
	TimestampTz state_since;
	int64		current_job;	/* 0: none, as are the others */
	int64		main_job;
	int64		retire_job;
	int64		purge_job;
	bool		removes;
	Interval	hold;
	Interval	soak;
	Interval	minimum_age;
	bool		needs_approval;
	bool		approved_by_other;
	char	   *approved_by;	/* NULL: nobody */
	int			nmanual;		/* how much is left to a person before
								 * contract */
	List	   *manual_expand;	/* of char *: what is before expand */
	char	   *adds_column;	/* as in ZdmMigrationPlan */
	Datum		settings;		/* text[] */
	Oid			created_by_id;
	Oid			created_session_id;
	TimestampTz started_at;		/* 0: not started */
	char	   *last_error;		/* of undoing; NULL: none */
	bool		is_local;		/* false: the row came from another cluster or
								 * database (restore, copy, pg_upgrade) */
} ZdmMigration;

extern const char *zdm_migration_phase_name(ZdmMigrationState state);
extern const char *zdm_migration_stage_name(ZdmMigrationState state);
extern const char *zdm_migration_describe(const ZdmMigration *migration);
extern Datum zdm_migration_texts(List *texts);
extern bool zdm_migration_is_over(const ZdmMigration *migration);

/* Each needs a transaction; none of them commits. */
extern ZdmMigration *zdm_migration_load(int64 id);
extern ZdmMigration *zdm_migration_load_by_name(const char *name);
extern ZdmMigration *zdm_migration_load_visible(const char *name);
extern ZdmMigration *zdm_migration_of_job(int64 job_id);
extern ZdmMigration *zdm_migration_lock(int64 id);
extern ZdmMigration *zdm_migration_lock_with_jobs(const char *name);
extern void zdm_migration_require_rights(const ZdmMigration *migration);
extern void zdm_migration_transition(ZdmMigration *migration, ZdmMigrationState to, int64 current_job,
									 const char *why);
extern void zdm_migration_note(const ZdmMigration *migration, const char *event, const char *message);
extern void zdm_migration_set_job(ZdmMigration *migration, ZdmStage stage, int64 job_id);
extern void zdm_migration_set_error(ZdmMigration *migration, const char *message);

#endif							/* ZDM_MIGRATION_MIGRATION_H */
