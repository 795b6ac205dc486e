/*
 * own_trigger.c
 *	  What a migration's mapping stands on, as zdm has made it: the trigger and
 *	  the types of both columns.
 *
 * Somebody may switch it off, write rows, and switch it on again: these rows
 * are in one column only, and nothing says so until they are compared.  Each
 * of these commands makes a new version of the trigger's row in pg_trigger, and
 * so does a partition that is attached, with rows that the trigger has never
 * seen.  So zdm remembers the versions that it has made itself, and those that
 * were there when the last clean comparison began, of the table and of all its
 * partitions; any other closes the gate.  The same goes for a column whose type
 * somebody changes.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "migration/own_trigger.h"

/*
 * A step of a job was done or undone, in this transaction: if it has made the
 * trigger anew, that version is zdm's own, and in phase expand the columns are
 * what the plan is about.  A zdm_recipe_step_hook.
 */
void
zdm_own_trigger_step(int64 job_id, const ZdmStep *step, const char *state)
{
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	if (step->kind != ZDM_STEP_DDL)
		return;
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.mapping p SET trigger_made = " ZDM_TRIGGER_VERSIONS_SQL ","
						" column_types = CASE m.phase WHEN 'expand' THEN " ZDM_COLUMN_TYPES_SQL " ELSE p.column_types END"
						" FROM zdm.job j JOIN zdm.migration m USING (migration_id) JOIN pg_catalog.pg_trigger t ON t.tgrelid = m.target"
						" WHERE j.job_id = $1 AND p.migration_id = m.migration_id AND t.tgname = '~zdm_sync_' || p.mapping_id"
						" AND t.xmin::text::bigint = pg_catalog.pg_current_xact_id()::text::numeric % 4294967296",
						1, &argtype, &value, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}
