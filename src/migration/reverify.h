/*
 * reverify.h
 *	  The kind of job "reverify": both shapes are compared again and again, for
 *	  as long as both are there.
 */
#ifndef ZDM_MIGRATION_REVERIFY_H
#define ZDM_MIGRATION_REVERIFY_H

#include "job/kind.h"
#include "migration/migration.h"

extern ZdmRunOutcome zdm_reverify_run(const ZdmJob *job);

/* Needs a transaction; does not commit. */
extern void zdm_reverify_start(const ZdmMigration *migration);
extern bool zdm_reverify_hurry(const ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_REVERIFY_H */
