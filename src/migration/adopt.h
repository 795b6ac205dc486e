/*
 * adopt.h
 *	  A migration whose table has another owner, or that came from elsewhere.
 */
#ifndef ZDM_MIGRATION_ADOPT_H
#define ZDM_MIGRATION_ADOPT_H

#include "migration/migration.h"

extern void zdm_migration_adopt(ZdmMigration *migration);
extern void zdm_migration_bring_here(ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_ADOPT_H */
