/*
 * estimate.h
 *	  How long the steps of a plan take.
 */
#ifndef ZDM_MIGRATION_ESTIMATE_H
#define ZDM_MIGRATION_ESTIMATE_H

#include "migration/plan.h"

extern void zdm_migration_estimate(Relation rel, const ZdmMigrationPlan *plan);

#endif							/* ZDM_MIGRATION_ESTIMATE_H */
