/*
 * custom_step.h
 *	  The steps that one call of zdm.add_step() makes.
 */
#ifndef ZDM_MIGRATION_CUSTOM_STEP_H
#define ZDM_MIGRATION_CUSTOM_STEP_H

#include "fmgr.h"
#include "migration/migration.h"

/* the arguments of zdm.add_step() */
enum
{
	STEP_MIGRATION, STEP_PHASE, STEP_KIND, STEP_STATEMENT, STEP_UNDO, STEP_TARGET, STEP_SET_CLAUSE, STEP_FILTER,
	STEP_CONSTRAINT_NAME, STEP_WAIT_TIME, STEP_STAGE
};

extern List *zdm_custom_steps(FunctionCallInfo fcinfo, const ZdmMigration *migration, ZdmStage *stage);

#endif							/* ZDM_MIGRATION_CUSTOM_STEP_H */
