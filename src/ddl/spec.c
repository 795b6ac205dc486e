/*
 * spec.c
 *	  The definition of a job of kind "ddl", and how far it is: zdm.ddl.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "ddl/spec.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

static const char *const phase_names[] = {
	[ZDM_DDL_WAITING] = "waiting",
	[ZDM_DDL_STARTED] = "started",
	[ZDM_DDL_EXECUTED] = "executed"
};

/* Insert the row of a new job.  Does not commit. */
void
zdm_ddl_spec_store(int64 job_id, const ZdmDdlSpec *spec)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTARRAYOID, INT8OID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(spec->statement);
	values[2] = zdm_session_to_array(&spec->settings);
	values[3] = Int64GetDatum(spec->deadline_ms);
	isnull[3] = spec->deadline_ms < 0;
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.ddl (job_id, statement, settings, deadline_ms)"
						" VALUES ($1, $2, $3, $4)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static ZdmDdlPhase
parse_phase(const char *name)
{
	for (int i = 0; i < lengthof(phase_names); i++)
	{
		if (strcmp(phase_names[i], name) == 0)
			return (ZdmDdlPhase) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unknown phase \"%s\" in zdm.ddl", name)));
	return ZDM_DDL_WAITING;		/* keep the compiler quiet */
}

/* The definition, in the current memory context; NULL when there is none. */
ZdmDdlSpec *
zdm_ddl_spec_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	ZdmDdlSpec *spec = NULL;
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT statement, settings, coalesce(deadline_ms, -1), phase, state_since"
							" FROM zdm.ddl JOIN zdm.job USING (job_id) WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
	{
		spec = MemoryContextAllocZero(mcxt, sizeof(ZdmDdlSpec));
		spec->statement = zdm_catalog_text(0, 1, mcxt);
		spec->deadline_ms = DatumGetInt64(zdm_catalog_value(0, 3, &isnull));
		spec->phase = parse_phase(zdm_catalog_text(0, 4, CurrentMemoryContext));
		spec->since = DatumGetTimestampTz(zdm_catalog_value(0, 5, &isnull));
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&spec->settings, zdm_catalog_value(0, 2, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return spec;
}

/*
 * Record how far the job is, in the transaction of what has brought it there.
 * Does not commit.
 */
void
zdm_ddl_spec_set_phase(int64 job_id, ZdmDdlPhase phase)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(phase_names[phase])};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.ddl SET phase = $2,"
						" executed_at = CASE WHEN $2 = 'executed' THEN clock_timestamp() END"
						" WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Set what the statement is about: OIDs of relations.  Does not commit. */
void
zdm_ddl_spec_set_objects(int64 job_id, const List *objects)
{
	static const Oid argtypes[] = {INT8OID, OIDARRAYOID};
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(objects), 1));
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;
	ListCell   *lc;

	foreach(lc, objects)
		elems[foreach_current_index(lc)] = ObjectIdGetDatum(lfirst_oid(lc));
	values[0] = Int64GetDatum(job_id);
	values[1] = PointerGetDatum(construct_array(elems, list_length(objects), OIDOID,
												sizeof(Oid), true, TYPALIGN_INT));
	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.ddl SET objects = $2 WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* Add one that the statement has made, in the transaction that makes it.  Does not commit. */
void
zdm_ddl_spec_add_object(int64 job_id, Oid object)
{
	static const Oid argtypes[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(object)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.ddl SET objects = objects || $2 WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* They, in the order in which they were set and added, in the current memory context. */
List *
zdm_ddl_spec_objects(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	List	   *result = NIL;
	int			rows;

	zdm_catalog_begin(&scope);
	rows = zdm_catalog_execute("SELECT u.oid FROM zdm.ddl, unnest(objects) WITH ORDINALITY AS u(oid, n)"
							   " WHERE job_id = $1 ORDER BY u.n",
							   1, &argtype, &arg, NULL, SPI_OK_SELECT);
	for (int row = 0; row < rows; row++)
	{
		bool		isnull;
		Oid			oid = DatumGetObjectId(zdm_catalog_value(row, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		result = lappend_oid(result, oid);
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return result;
}
