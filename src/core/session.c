/*
 * session.c
 *	  The settings of a session that decide what a text means: recorded at
 *	  submit, stored with the job, applied in its worker.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "core/identity.h"
#include "core/session.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

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

/*
 * Take the calling session's settings: those that decide what an expression
 * means, and more that the caller names.
 */
void
zdm_session_record(ZdmSessionSettings *settings, const char *const *more, int nmore)
{
	int			nrecorded = lengthof(recorded_settings);

	settings->count = nrecorded + nmore;
	settings->names = palloc(sizeof(char *) * settings->count);
	settings->values = palloc(sizeof(char *) * settings->count);
	for (int i = 0; i < settings->count; i++)
	{
		const char *name = i < nrecorded ? recorded_settings[i] : more[i - nrecorded];

		settings->names[i] = pstrdup(name);
		settings->values[i] = i == 0 ? effective_search_path() :
			pstrdup(GetConfigOption(name, false, false));
	}
}

/* Is it one of the settings that every recording has? */
bool
zdm_session_is_recorded(const char *name)
{
	for (int i = 0; i < lengthof(recorded_settings); i++)
	{
		if (strcmp(recorded_settings[i], name) == 0)
			return true;
	}
	return false;
}

/* The recorded search_path. */
const char *
zdm_session_search_path(const ZdmSessionSettings *settings)
{
	return settings->values[0];
}

/* In a worker: make the recorded settings those of the process. */
void
zdm_session_apply(const ZdmSessionSettings *settings)
{
	for (int i = 0; i < settings->count; i++)
	{
		const char *now = GetConfigOption(settings->names[i], true, false);

		if (now != NULL && strcmp(now, settings->values[i]) != 0)
			(void) zdm_try_session_setting(settings->names[i], settings->values[i]);
	}
}

/* As text[]: name, value, name, value... */
Datum
zdm_session_to_array(const ZdmSessionSettings *settings)
{
	Datum	   *elems = palloc(sizeof(Datum) * settings->count * 2);

	for (int i = 0; i < settings->count; i++)
	{
		elems[2 * i] = CStringGetTextDatum(settings->names[i]);
		elems[2 * i + 1] = CStringGetTextDatum(settings->values[i]);
	}
	return PointerGetDatum(construct_array(elems, settings->count * 2, TEXTOID,
										   -1, false, TYPALIGN_INT));
}

/* The inverse, in the current memory context. */
void
zdm_session_from_array(ZdmSessionSettings *settings, Datum array)
{
	Datum	   *elems;
	int			nelems;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &elems, NULL, &nelems);
	settings->count = nelems / 2;
	settings->names = palloc(sizeof(char *) * settings->count);
	settings->values = palloc(sizeof(char *) * settings->count);
	for (int i = 0; i < settings->count; i++)
	{
		settings->names[i] = TextDatumGetCString(elems[2 * i]);
		settings->values[i] = TextDatumGetCString(elems[2 * i + 1]);
	}
}
