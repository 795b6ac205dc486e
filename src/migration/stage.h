/*
 * stage.h
 *	  The jobs of a migration: starting a stage, what comes of it.
 */
#ifndef ZDM_MIGRATION_STAGE_H
#define ZDM_MIGRATION_STAGE_H

#include "migration/migration.h"

extern void zdm_stage_init(void);
extern void zdm_stage_enter(ZdmMigration *migration, ZdmMigrationState to, ZdmStage stage,
							TimestampTz not_before, const char *why);
extern void zdm_stage_start_main(ZdmMigration *migration, const char *why);
extern void zdm_stage_undo_main(ZdmMigration *migration, const char *why);

#endif							/* ZDM_MIGRATION_STAGE_H */
