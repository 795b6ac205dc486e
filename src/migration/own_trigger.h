/*
 * own_trigger.h
 *	  What a migration's mapping stands on, as zdm has made it.
 */
#ifndef ZDM_MIGRATION_OWN_TRIGGER_H
#define ZDM_MIGRATION_OWN_TRIGGER_H

#include "recipe/recipe.h"

/* which version of the trigger there is; m: zdm.migration, p: zdm.mapping */
#define ZDM_TRIGGER_VERSION_SQL \
	"(SELECT t.oid || '/' || t.xmin FROM pg_catalog.pg_trigger t" \
	"  WHERE t.tgrelid = m.target AND t.tgname = '~zdm_sync_' || p.mapping_id)"

/* types of the old and the new column; NULL for one that is not there */
#define ZDM_COLUMN_TYPES_SQL \
	"ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.unnest(ARRAY[m.column_name, p.new_column])" \
	"  WITH ORDINALITY AS c (name, n) LEFT JOIN pg_catalog.pg_attribute a" \
	"  ON a.attrelid = m.target AND a.attname = c.name AND NOT a.attisdropped ORDER BY n)"

extern void zdm_own_trigger_step(int64 job_id, const ZdmStep *step, const char *state);

#endif							/* ZDM_MIGRATION_OWN_TRIGGER_H */
