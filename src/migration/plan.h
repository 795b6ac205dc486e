/*
 * plan.h
 *	  The plan of a migration: every step of its three phases, before anything
 *	  runs.
 */
#ifndef ZDM_MIGRATION_PLAN_H
#define ZDM_MIGRATION_PLAN_H

#include "datatype/timestamp.h"
#include "mapping/mapping.h"
#include "recipe/recipe.h"
#include "utils/date.h"
#include "utils/timestamp.h"

typedef enum ZdmStage
{
	ZDM_STAGE_MAIN,				/* expand and migrate */
	ZDM_STAGE_RETIRE,			/* contract: hide the old shape, still synced */
	ZDM_STAGE_PURGE				/* contract: drop it */
} ZdmStage;

typedef struct ZdmMigrationPlan
{
	const char *kind;			/* the function's name, or "custom" */
	char	   *definition;		/* its arguments, for comparison */
	char	   *subject;		/* for the derived name */
	char	   *column;			/* the old column, NULL: none; no two open
								 * migrations on one */
	char	   *new_column;		/* NULL: none, or the same name */
	ZdmMapping *mapping;		/* NULL: none; its id is set by
								 * zdm_migration_next_mapping_id() */
	List	   *main;			/* of ZdmStep; each has its phase */
	List	   *retire;
	List	   *purge;
	bool		removes;		/* owner and contract_by are mandatory */
	List	   *manual;			/* of char *: what a person has to do or
								 * approve, as sentences; each closes the gate
								 * "approval" until zdm.approve() */
	List	   *manual_expand;	/* the same before phase expand: without an
								 * approval, it is not started */
	char	   *adds_column;	/* what ALTER TABLE adds in phase expand, as
								 * subscribers need it; NULL: no column */
	char	   *carries;		/* jsonb: what of the old column the plan sees
								 * to, see record.c; NULL: no old column */
	List	   *warnings;		/* of char *: shown by zdm.plan() */
	bool		scans_children; /* what it validates includes children and
								 * partitions */

	/* of those that remove nothing; each may be NULL */
	bool		(*holds) (Relation rel, int64 main_job);	/* is what a finished
															 * one has reached still
															 * so? */
	const ZdmRecipe *recipe;	/* what must hold when it begins */
} ZdmMigrationPlan;

/* what all recipes are called with beside their own arguments */
typedef struct ZdmMigrationArgs
{
	char	   *name;			/* NULL: derived */
	char	   *owner;			/* NULL: current_user where nothing is removed */
	DateADT		contract_by;
	bool		has_contract_by;
	bool		dry_run;
} ZdmMigrationArgs;

extern int64 zdm_migration_next_mapping_id(void);

/*
 * The name of the migration that such a call has made before; NULL when there
 * is none.  Of the plan, kind, definition and subject are set, and removes.
 * Errors as zdm_migration_submit().
 */
extern char *zdm_migration_find(Relation rel, const ZdmMigrationPlan *plan, const ZdmMigrationArgs *args);

/*
 * Record the migration and, unless dry_run or there is something to be done
 * before, start it at commit; returns its name.  The same name and definition give the one that is there.  rel is the
 * target, open and checked; NULL for none.  Errors: DUPLICATE_OBJECT, INVALID_PARAMETER_VALUE
 * (owner, contract_by), OBJECT_IN_USE (another open migration of a column).
 */
extern char *zdm_migration_submit(Relation rel, ZdmMigrationPlan *plan, const ZdmMigrationArgs *args);

#endif							/* ZDM_MIGRATION_PLAN_H */
