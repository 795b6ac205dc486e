/*
 * orders.h
 *	  What holds of an order to a migration also when it is given to the job of
 *	  one of its stages.
 */
#ifndef ZDM_MIGRATION_ORDERS_H
#define ZDM_MIGRATION_ORDERS_H

#include "migration/migration.h"

extern void zdm_orders_require_way_back(const ZdmMigration *migration, const char *what);

#endif							/* ZDM_MIGRATION_ORDERS_H */
