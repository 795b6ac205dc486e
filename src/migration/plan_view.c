/*
 * plan_view.c
 *	  zdm.plan(): every step of a migration, before anything runs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "migration/migration.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_plan);

#define PLAN_COLUMNS 10

/* Its rows have the columns of the function's result. */
static const char plan_sql[] =
"SELECT s.phase, s.stage, s.step, s.kind, s.statement, s.lock, s.undo,"
" make_interval(secs => s.expected_ms / 1000.0) AS expected_time,"
" coalesce(CASE WHEN r.state = 'pending' AND j.state IN ('running', 'failed', 'paused', 'cancelled')"
"   AND NOT EXISTS (SELECT FROM zdm.recipe_step e WHERE e.job_id = r.job_id AND e.step < r.step AND e.state <> 'done')"
"  THEN j.state ELSE r.state END, 'pending') AS state, r.job_id"
" FROM zdm.migration m JOIN zdm.migration_step s USING (migration_id)"
" LEFT JOIN zdm.job j ON j.job_id = CASE s.stage WHEN 'main' THEN m.main_job WHEN 'retire' THEN m.retire_job ELSE m.purge_job END"
" LEFT JOIN zdm.recipe_step r ON r.job_id = j.job_id AND r.step = s.step"
" WHERE m.migration_id = $1"
" UNION ALL"
" SELECT NULL, NULL, NULL, 'warning', u.text, NULL, NULL, NULL, NULL, NULL"
" FROM zdm.migration m, unnest(m.warnings) AS u (text) WHERE m.migration_id = $1"
" UNION ALL"
" SELECT 'expand', NULL, NULL, 'manual', u.text, NULL, NULL, NULL,"
"  CASE WHEN m.approved_at IS NULL AND m.phase IN ('planned', 'aborted') THEN 'pending' ELSE 'approved' END, NULL"
" FROM zdm.migration m, unnest(m.manual_expand) AS u (text) WHERE m.migration_id = $1"
" UNION ALL"
" SELECT 'contract', NULL, NULL, 'manual', u.text, NULL, NULL, NULL,"
"  CASE WHEN m.approved_at IS NULL OR (m.phase IN ('planned', 'aborted') AND m.manual_expand <> '{}') THEN 'pending' ELSE 'approved' END, NULL"
" FROM zdm.migration m, unnest(m.manual) AS u (text) WHERE m.migration_id = $1"
" ORDER BY step, kind DESC, phase DESC, statement";

/* zdm.plan(name text) */
Datum
zdm_plan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			argtype = INT8OID;
	ZdmCatalogScope scope;
	Datum		id;
	int			nrows;

	zdm_args_not_null(fcinfo, 0, "name");
	id = Int64GetDatum(zdm_migration_load_visible(zdm_args_text(fcinfo, 0))->id);
	InitMaterializedSRF(fcinfo, 0);
	zdm_catalog_begin(&scope);
	nrows = zdm_catalog_execute(plan_sql, 1, &argtype, &id, NULL, SPI_OK_SELECT);
	for (int i = 0; i < nrows; i++)
	{
		Datum		values[PLAN_COLUMNS];
		bool		nulls[PLAN_COLUMNS];

		for (int j = 0; j < PLAN_COLUMNS; j++)
			values[j] = zdm_catalog_value(i, j + 1, &nulls[j]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	zdm_catalog_end(&scope);
	return (Datum) 0;
}
