/*
 * spec.c
 *	  The definition of a backfill: what zdm.backfill keeps of it.
 *
 * Expressions are stored as the user's text and mean what they meant in the
 * session that submitted them: the settings that decide this are stored too.
 * Of a mapping only its id is kept: what it is says the table's trigger.
 */
#include "postgres.h"

#include "backfill/spec.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define DEFAULT_MAX_QUARANTINE 100
#define DEFAULT_MAX_SWEEPS 3

/* A definition without assignments yet, and otherwise what zdm.start_backfill() takes by default. */
void
zdm_spec_init(ZdmBackfillSpec *spec)
{
	memset(spec, 0, sizeof(ZdmBackfillSpec));
	spec->fire_triggers = true;
	spec->analyze_after = true;
	spec->max_quarantine = DEFAULT_MAX_QUARANTINE;
	spec->max_sweeps = DEFAULT_MAX_SWEEPS;
}

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

/* Do both change the same rows of the same table in the same way? */
bool
zdm_spec_same(const ZdmBackfillSpec *a, const ZdmBackfillSpec *b)
{
	if (a->target != b->target || a->mapping_id != b->mapping_id || a->fire_triggers != b->fire_triggers)
		return false;
	return a->mapping_id != 0 ||
		(same_text(a->set_clause, b->set_clause) && same_text(a->filter, b->filter));
}

/*
 * Insert the rows of a new backfill.  A target other than the job's is kept
 * with it.  Does not commit.
 */
void
zdm_spec_store(int64 job_id, const ZdmBackfillSpec *spec)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, BOOLOID, BOOLOID,
	INT4OID, INT4OID, TEXTARRAYOID, INT8OID, OIDOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(spec->set_clause);
	isnull[2] = spec->filter == NULL;
	values[2] = spec->filter ? CStringGetTextDatum(spec->filter) : (Datum) 0;
	values[3] = BoolGetDatum(spec->fire_triggers);
	values[4] = BoolGetDatum(spec->analyze_after);
	values[5] = Int32GetDatum(spec->max_quarantine);
	values[6] = Int32GetDatum(spec->max_sweeps);
	values[7] = zdm_session_to_array(&spec->settings);
	isnull[8] = spec->mapping_id == 0;
	values[8] = Int64GetDatum(spec->mapping_id);
	values[9] = ObjectIdGetDatum(spec->target);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.backfill (job_id, set_clause, filter,"
						" fire_triggers, analyze_after, max_quarantine, max_sweeps, settings,"
						" mapping_id, target, target_schema, target_name)"
						" SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, c.oid, n.nspname, c.relname FROM zdm.job j"
						" LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace)"
						" ON c.oid = $10 AND j.target <> $10 WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_execute("INSERT INTO zdm.backfill_cursor (job_id) VALUES ($1)",
						1, argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* What people are shown of a mapping.  Does not commit. */
void
zdm_spec_store_set_clause(int64 job_id, const char *set_clause)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(set_clause)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.backfill SET set_clause = $2 WHERE job_id = $1 AND set_clause <> $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/*
 * Delete a backfill, its place and its rows in quarantine: the job goes on
 * with another one.  Does not commit.
 */
void
zdm_spec_discard(int64 job_id)
{
	static const char *const tables[] = {"zdm.quarantined_row", "zdm.backfill_cursor", "zdm.backfill"};
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	for (int i = 0; i < lengthof(tables); i++)
		zdm_catalog_execute(psprintf("DELETE FROM %s WHERE job_id = $1", tables[i]),
							1, &argtype, &arg, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/* How many rows the job will convert, at most.  Does not commit. */
void
zdm_spec_store_estimate(int64 job_id, double rows)
{
	static const Oid argtypes[] = {INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(job_id), Int64GetDatum((int64) rows)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.backfill_cursor SET rows_estimated = $2 WHERE job_id = $1",
						2, argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/*
 * The definition of a job, not yet parsed, in the current memory context.
 * NULL when there is none.
 */
ZdmBackfillSpec *
zdm_spec_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	ZdmBackfillSpec *spec = NULL;
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT coalesce(b.target, j.target), coalesce(b.target_name, j.target_name),"
							" b.set_clause, b.filter, b.fire_triggers, b.analyze_after, b.max_quarantine,"
							" b.max_sweeps, b.settings, coalesce(b.mapping_id, 0)"
							" FROM zdm.backfill b JOIN zdm.job j USING (job_id)"
							" WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
	{
		spec = MemoryContextAllocZero(mcxt, sizeof(ZdmBackfillSpec));
		spec->target = DatumGetObjectId(zdm_catalog_value(0, 1, &isnull));
		spec->target_name = zdm_catalog_text(0, 2, mcxt);
		spec->set_clause = zdm_catalog_text(0, 3, mcxt);
		spec->filter = zdm_catalog_text(0, 4, mcxt);
		spec->fire_triggers = DatumGetBool(zdm_catalog_value(0, 5, &isnull));
		spec->analyze_after = DatumGetBool(zdm_catalog_value(0, 6, &isnull));
		spec->max_quarantine = DatumGetInt32(zdm_catalog_value(0, 7, &isnull));
		spec->max_sweeps = DatumGetInt32(zdm_catalog_value(0, 8, &isnull));
		spec->mapping_id = DatumGetInt64(zdm_catalog_value(0, 10, &isnull));
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&spec->settings, zdm_catalog_value(0, 9, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return spec;
}
