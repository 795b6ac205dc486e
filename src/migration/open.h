/*
 * open.h
 *	  Which migrations of a table are open.
 */
#ifndef ZDM_MIGRATION_OPEN_H
#define ZDM_MIGRATION_OPEN_H

#include "migration/migration.h"

extern void zdm_open_require_columns(const ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_OPEN_H */
