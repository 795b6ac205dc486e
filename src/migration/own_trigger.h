/*
 * own_trigger.h
 *	  Whether the trigger of a migration's mapping is as zdm has made it.
 */
#ifndef ZDM_MIGRATION_OWN_TRIGGER_H
#define ZDM_MIGRATION_OWN_TRIGGER_H

#include "recipe/recipe.h"

/* which version of the trigger there is; m: zdm.migration, p: zdm.mapping */
#define ZDM_TRIGGER_VERSION_SQL \
	"(SELECT t.oid || '/' || t.xmin FROM pg_catalog.pg_trigger t" \
	"  WHERE t.tgrelid = m.target AND t.tgname = '~zdm_sync_' || p.mapping_id)"

extern void zdm_own_trigger_step(int64 job_id, const ZdmStep *step, const char *state);

#endif							/* ZDM_MIGRATION_OWN_TRIGGER_H */
