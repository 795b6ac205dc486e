/*
 * own_trigger.h
 *	  What a migration's mapping stands on, as zdm has made it.
 */
#ifndef ZDM_MIGRATION_OWN_TRIGGER_H
#define ZDM_MIGRATION_OWN_TRIGGER_H

#include "recipe/recipe.h"

/* the table and its partitions, and the trigger of each, NULL for none; m: zdm.migration, p: zdm.mapping */
#define ZDM_SYNC_TRIGGERS_SQL \
	"(WITH RECURSIVE tree (relid) AS (SELECT m.target UNION ALL" \
	"  SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.relid)" \
	" SELECT c.oid AS relid, t.tgenabled, t.oid || '/' || t.xmin AS version FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.relid" \
	"  LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = '~zdm_sync_' || p.mapping_id)"

/* which versions of them there are, separated by commas */
#define ZDM_TRIGGER_VERSIONS_SQL \
	"(SELECT pg_catalog.string_agg(s.version, ',') FROM " ZDM_SYNC_TRIGGERS_SQL " s)"

/* types of the old and the new column; NULL for one that is not there */
#define ZDM_COLUMN_TYPES_SQL \
	"ARRAY(SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.unnest(ARRAY[m.column_name, p.new_column])" \
	"  WITH ORDINALITY AS c (name, n) LEFT JOIN pg_catalog.pg_attribute a" \
	"  ON a.attrelid = m.target AND a.attname = c.name AND NOT a.attisdropped ORDER BY n)"

extern void zdm_own_trigger_step(int64 job_id, const ZdmStep *step, const char *state);

#endif							/* ZDM_MIGRATION_OWN_TRIGGER_H */
