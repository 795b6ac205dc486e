/*
 * store.c
 *	  The tables zdm.index_job and zdm.index_part.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "index/store.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char *const action_names[] = {
	[ZDM_INDEX_CREATE] = "create",
	[ZDM_INDEX_REINDEX] = "reindex",
	[ZDM_INDEX_DROP] = "drop"
};

/* Insert the row of a job, or replace the one of an earlier step of it. */
void
zdm_index_store(int64 job_id, const ZdmIndexSpec *spec)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, OIDOID, BOOLOID, TEXTARRAYOID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(action_names[spec->action]);
	isnull[2] = spec->definition == NULL;
	values[2] = spec->definition ? CStringGetTextDatum(spec->definition) : (Datum) 0;
	values[3] = CStringGetTextDatum(spec->index_name);
	values[4] = ObjectIdGetDatum(spec->index_oid);
	values[5] = BoolGetDatum(spec->is_unique);
	values[6] = zdm_session_to_array(&spec->settings);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.index_job (job_id, action, definition, index_name,"
						" index_oid, is_unique, settings) VALUES ($1, $2, $3, $4, $5, $6, $7)"
						" ON CONFLICT (job_id) DO UPDATE SET action = excluded.action,"
						" definition = excluded.definition, index_name = excluded.index_name,"
						" index_oid = excluded.index_oid, is_unique = excluded.is_unique,"
						" settings = excluded.settings, phase = NULL, leaf = NULL,"
						" leaves_done = 0, leaves_total = 1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static ZdmIndexAction
action_of(const char *name)
{
	int			action = 0;

	while (action < lengthof(action_names) - 1 && strcmp(name, action_names[action]) != 0)
		action++;
	return (ZdmIndexAction) action;
}

/* The definition of a job in the current memory context; NULL when it has none. */
ZdmIndexSpec *
zdm_index_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	ZdmIndexSpec *spec = NULL;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT action, definition, index_name, index_oid, is_unique, settings"
							" FROM zdm.index_job WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
	{
		spec = MemoryContextAllocZero(mcxt, sizeof(ZdmIndexSpec));
		spec->action = action_of(zdm_catalog_text(0, 1, CurrentMemoryContext));
		spec->definition = zdm_catalog_text(0, 2, mcxt);
		spec->index_name = zdm_catalog_text(0, 3, mcxt);
		spec->index_oid = DatumGetObjectId(zdm_catalog_value(0, 4, &isnull));
		spec->is_unique = DatumGetBool(zdm_catalog_value(0, 5, &isnull));
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&spec->settings, zdm_catalog_value(0, 6, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return spec;
}

/* Is an index of that name on that table what an unfinished job will make? */
bool
zdm_index_is_planned(Oid table, const char *index_name)
{
	static const Oid argtypes[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(table), CStringGetTextDatum(index_name)};
	ZdmCatalogScope scope;
	bool		found;

	zdm_catalog_begin(&scope);
	found = zdm_catalog_execute("SELECT FROM zdm.index_job x JOIN zdm.job j USING (job_id)"
								" WHERE j.target = $1 AND x.index_name = $2 AND x.action = 'create' AND j.state <> 'done'",
								lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT) > 0;
	zdm_catalog_end(&scope);
	return found;
}

/*
 * The job is making this index in this transaction; made_for is the name of
 * the index that it was asked for.
 */
void
zdm_index_add_part(int64 job_id, const char *made_for, Oid index, Oid table, Oid replaces)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, OIDOID, OIDOID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(index),
		ObjectIdGetDatum(table), ObjectIdGetDatum(replaces),
	CStringGetTextDatum(made_for)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.index_part (job_id, index_oid, table_oid, replaces, made_for)"
						" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job_id, index_oid) DO UPDATE"
						" SET table_oid = excluded.table_oid, replaces = excluded.replaces,"
						" made_for = excluded.made_for",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/*
 * The indexes that the job has made for that name and that exist, ZdmIndexPart in the
 * current memory context.  An OID that came from elsewhere does not match,
 * because it does not belong to that table.  Of two valid indexes none
 * replaces the other: the swap makes the old one invalid.
 */
List *
zdm_index_list_parts(int64 job_id, const char *made_for)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(made_for)};
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	List	   *parts = NIL;
	ZdmCatalogScope scope;
	bool		isnull;
	int			nrows;

	zdm_catalog_begin(&scope);
	nrows = zdm_catalog_execute("SELECT p.index_oid, p.table_oid, p.replaces,"
								" i.indisvalid AND i.indisready AND i.indislive,"
								" EXISTS (SELECT FROM pg_index r WHERE r.indexrelid = p.replaces"
								" AND r.indrelid = p.table_oid AND NOT (i.indisvalid AND r.indisvalid))"
								" FROM zdm.index_part p JOIN pg_index i"
								" ON i.indexrelid = p.index_oid AND i.indrelid = p.table_oid"
								" WHERE p.job_id = $1 AND p.made_for = $2 ORDER BY p.table_oid",
								lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(mcxt);
	for (int i = 0; i < nrows; i++)
	{
		ZdmIndexPart *part = palloc(sizeof(ZdmIndexPart));

		part->index = DatumGetObjectId(zdm_catalog_value(i, 1, &isnull));
		part->table = DatumGetObjectId(zdm_catalog_value(i, 2, &isnull));
		part->replaces = DatumGetObjectId(zdm_catalog_value(i, 3, &isnull));
		part->is_valid = DatumGetBool(zdm_catalog_value(i, 4, &isnull));
		part->replaced_exists = DatumGetBool(zdm_catalog_value(i, 5, &isnull));
		parts = lappend(parts, part);
	}
	MemoryContextSwitchTo(old);
	zdm_catalog_end(&scope);
	return parts;
}

/* Show what the job is doing; phase is NULL when it has ended. */
void
zdm_index_set_phase(int64 job_id, const char *phase, Oid leaf, int leaves_done, int leaves_total)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, INT4OID, INT4OID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	char	   *name = OidIsValid(leaf) ? get_rel_name(leaf) : NULL;
	ZdmCatalogScope scope;

	if (name)
		name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(leaf)), name);
	values[0] = Int64GetDatum(job_id);
	isnull[1] = phase == NULL;
	values[1] = phase ? CStringGetTextDatum(phase) : (Datum) 0;
	isnull[2] = name == NULL;
	values[2] = name ? CStringGetTextDatum(name) : (Datum) 0;
	values[3] = Int32GetDatum(leaves_done);
	values[4] = Int32GetDatum(leaves_total);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.index_job SET phase = $2, leaf = $3, leaves_done = $4,"
						" leaves_total = $5 WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}
