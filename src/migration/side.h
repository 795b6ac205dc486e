/*
 * side.h
 *	  The jobs of a migration beside those of its stages: invariants, repeated
 *	  verification.
 */
#ifndef ZDM_MIGRATION_SIDE_H
#define ZDM_MIGRATION_SIDE_H

#include "migration/migration.h"

extern void zdm_side_belongs(const ZdmMigration *migration, int64 job_id);
extern void zdm_side_start(const ZdmMigration *migration);
extern void zdm_side_stop(const ZdmMigration *migration);
extern void zdm_side_stop_trigger(const ZdmMigration *migration);
extern void zdm_side_require_trigger(int64 job_id);

#endif							/* ZDM_MIGRATION_SIDE_H */
