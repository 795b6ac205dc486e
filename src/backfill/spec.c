/*
 * spec.c
 *	  The definition of a backfill: what zdm.backfill keeps of it.
 *
 * Expressions are stored as the user's text and mean what they meant in the
 * session that submitted them: the settings that decide this are stored too.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "backfill/spec.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* settings that decide what an expression means or returns */
static const char *const recorded_settings[] = {
	"search_path", "TimeZone", "DateStyle", "IntervalStyle", "bytea_output",
	"extra_float_digits", "xmloption", "xmlbinary", "lc_monetary",
	"lc_numeric", "lc_time", "default_text_search_config",
	"timezone_abbreviations", "standard_conforming_strings", "backslash_quote",
	"transform_null_equals", "array_nulls"
};

/* The schemas searched now, "$user" resolved, temporary ones left out. */
static char *
effective_search_path(void)
{
	List	   *oids = fetch_search_path(false);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, oids)
	{
		char	   *name = get_namespace_name(lfirst_oid(lc));

		if (name == NULL || isAnyTempNamespace(lfirst_oid(lc)))
			continue;
		if (buf.len > 0)
			appendStringInfoString(&buf, ", ");
		appendStringInfoString(&buf, quote_identifier(name));
	}
	if (buf.len == 0)
		appendStringInfoString(&buf, "pg_catalog");
	return buf.data;
}

/* Take the calling session's settings into the spec. */
void
zdm_spec_record_settings(ZdmBackfillSpec *spec)
{
	spec->nsettings = lengthof(recorded_settings);
	spec->setting_names = palloc(sizeof(char *) * spec->nsettings);
	spec->setting_values = palloc(sizeof(char *) * spec->nsettings);
	for (int i = 0; i < spec->nsettings; i++)
	{
		spec->setting_names[i] = pstrdup(recorded_settings[i]);
		spec->setting_values[i] = i == 0 ? effective_search_path() :
			pstrdup(GetConfigOption(recorded_settings[i], false, false));
	}
}

/* The recorded search_path. */
const char *
zdm_spec_search_path(const ZdmBackfillSpec *spec)
{
	return spec->setting_values[0];
}

/* In a worker: make the recorded settings those of the process. */
void
zdm_spec_apply_settings(const ZdmBackfillSpec *spec)
{
	for (int i = 0; i < spec->nsettings; i++)
	{
		const char *now = GetConfigOption(spec->setting_names[i], true, false);

		if (now != NULL && strcmp(now, spec->setting_values[i]) != 0)
			(void) zdm_try_session_setting(spec->setting_names[i], spec->setting_values[i]);
	}
}

static Datum
settings_array(const ZdmBackfillSpec *spec)
{
	Datum	   *elems = palloc(sizeof(Datum) * spec->nsettings * 2);

	for (int i = 0; i < spec->nsettings; i++)
	{
		elems[2 * i] = CStringGetTextDatum(spec->setting_names[i]);
		elems[2 * i + 1] = CStringGetTextDatum(spec->setting_values[i]);
	}
	return PointerGetDatum(construct_array(elems, spec->nsettings * 2, TEXTOID,
										   -1, false, TYPALIGN_INT));
}

/* Insert the rows of a new backfill.  Does not commit. */
void
zdm_spec_store(int64 job_id, const ZdmBackfillSpec *spec)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, BOOLOID, BOOLOID,
	INT4OID, INT4OID, TEXTARRAYOID};
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
	values[7] = settings_array(spec);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.backfill (job_id, set_clause, filter,"
						" fire_triggers, analyze_after, max_quarantine, max_sweeps, settings)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_execute("INSERT INTO zdm.backfill_cursor (job_id) VALUES ($1)",
						1, argtypes, values, NULL, SPI_OK_INSERT);
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

static void
settings_from_array(ZdmBackfillSpec *spec, Datum array)
{
	Datum	   *elems;
	int			nelems;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, NULL, &nelems);
	spec->nsettings = nelems / 2;
	spec->setting_names = palloc(sizeof(char *) * spec->nsettings);
	spec->setting_values = palloc(sizeof(char *) * spec->nsettings);
	for (int i = 0; i < spec->nsettings; i++)
	{
		spec->setting_names[i] = TextDatumGetCString(elems[2 * i]);
		spec->setting_values[i] = TextDatumGetCString(elems[2 * i + 1]);
	}
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
	if (zdm_catalog_execute("SELECT j.target, j.target_name, b.set_clause, b.filter,"
							" b.fire_triggers, b.analyze_after, b.max_quarantine,"
							" b.max_sweeps, b.settings"
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
		old = MemoryContextSwitchTo(mcxt);
		settings_from_array(spec, zdm_catalog_value(0, 9, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return spec;
}
