/*
 * steps.h
 *	  The plan of a migration as it is kept: zdm.migration_step, zdm.mapping.
 */
#ifndef ZDM_MIGRATION_STEPS_H
#define ZDM_MIGRATION_STEPS_H

#include "migration/migration.h"

extern const char *zdm_stage_name(ZdmStage stage);

/* Each needs a transaction; none of them commits. */
extern void zdm_steps_store(int64 migration_id, const ZdmMigrationPlan *plan);
extern void zdm_steps_remove(int64 migration_id);
extern void zdm_steps_insert(int64 migration_id, ZdmStage stage, const ZdmStep *step);
extern List *zdm_steps_load(int64 migration_id, ZdmStage stage);
extern bool zdm_steps_exist(int64 migration_id, ZdmStage stage);

#endif							/* ZDM_MIGRATION_STEPS_H */
