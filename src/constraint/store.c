/*
 * store.c
 *	  The tables zdm.validation and zdm.validation_cursor.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "constraint/store.h"
#include "core/catalog.h"
#include "core/cursor_row.h"
#include "utils/builtins.h"

static const char *const phase_names[] = {"scan", "native", "ended"};

#define UPDATE_SQL \
	"UPDATE zdm.validation_cursor SET" \
	" phase = $2, method = $3, method_reason = $4, leaf = $5, leaf_filenode = $6," \
	" leaf_constraint = $7, premises = $8, next_block = $9, place = $10, scanned = $11," \
	" fresh = $12, leaf_total = $13, leaf_done = $14, leaf_violations = $15," \
	" left_behind = $16, total = $17, done = $18, rows_done = $19, rows_estimated = $20," \
	" violations = $21, chunks = $22, restarts = $23, retries = $24, work_ms = $25," \
	" longest_ms = $26, rows_per_second = $27, seconds_left = $28, updated_at = clock_timestamp()," \
	" made_in = (SELECT cluster_id || '/' || database_id FROM zdm.job WHERE job_id = $1)" \
	" WHERE ctid = $29 AND job_id = $1 RETURNING ctid"

static Oid	update_types[] = {
	INT8OID, TEXTOID, TEXTOID, TEXTOID, OIDOID, OIDOID,
	OIDOID, TEXTOID, INT8OID, BYTEAOID, BOOLOID,
	BOOLOID, INT8OID, INT8OID, INT8OID,
	TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID, FLOAT8OID,
	FLOAT8OID, FLOAT8OID, FLOAT8OID, TIDOID
};

#define NARGS lengthof(update_types)

/* Insert the rows of a new validation.  Does not commit. */
void
zdm_validation_store(int64 job_id, const ZdmValidationSpec *spec)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTARRAYOID,
	OIDOID, TEXTOID, TEXTOID};
	bool		isnull[lengthof(argtypes)] = {false};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(spec->constraint_name);
	values[2] = CStringGetTextDatum(spec->constraint_type);
	values[3] = CStringGetTextDatum(spec->definition);
	values[4] = CStringGetTextDatum(spec->method);
	values[5] = zdm_session_to_array(&spec->settings);
	isnull[6] = isnull[7] = isnull[8] = spec->target_name == NULL;
	if (spec->target_name)
	{
		values[6] = ObjectIdGetDatum(spec->target);
		values[7] = CStringGetTextDatum(spec->target_schema);
		values[8] = CStringGetTextDatum(spec->target_name);
	}

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.validation (job_id, constraint_name, constraint_type,"
						" definition, method, settings, target, target_schema, target_name)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_execute("INSERT INTO zdm.validation_cursor (job_id) VALUES ($1)",
						1, argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* Delete them: the job goes on with the validation of another constraint. */
void
zdm_validation_discard(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.validation_cursor WHERE job_id = $1",
						1, &argtype, &arg, NULL, SPI_OK_DELETE);
	zdm_catalog_execute("DELETE FROM zdm.validation WHERE job_id = $1",
						1, &argtype, &arg, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/* The definition of a job, in the current memory context; NULL when it has none. */
ZdmValidationSpec *
zdm_validation_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	MemoryContext old;
	ZdmValidationSpec *spec = NULL;
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT coalesce(d.target, j.target), d.constraint_name, d.constraint_type, d.definition,"
							" d.method, d.settings"
							" FROM zdm.validation d JOIN zdm.job j USING (job_id)"
							" WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
	{
		spec = MemoryContextAllocZero(mcxt, sizeof(ZdmValidationSpec));
		spec->target = DatumGetObjectId(zdm_catalog_value(0, 1, &isnull));
		spec->constraint_name = zdm_catalog_text(0, 2, mcxt);
		spec->constraint_type = zdm_catalog_text(0, 3, mcxt);
		spec->definition = zdm_catalog_text(0, 4, mcxt);
		spec->method = zdm_catalog_text(0, 5, mcxt);
		old = MemoryContextSwitchTo(mcxt);
		zdm_session_from_array(&spec->settings, zdm_catalog_value(0, 6, &isnull));
		MemoryContextSwitchTo(old);
	}
	zdm_catalog_end(&scope);
	return spec;
}

static int64
get_int8(int col)
{
	bool		isnull;

	return DatumGetInt64(zdm_catalog_value(0, col, &isnull));
}

static double
get_float8(int col, double otherwise)
{
	bool		isnull;
	Datum		value = zdm_catalog_value(0, col, &isnull);

	return isnull ? otherwise : DatumGetFloat8(value);
}

static bytea *
get_bytea(int col, MemoryContext mcxt)
{
	bool		isnull;
	Datum		value = zdm_catalog_value(0, col, &isnull);
	bytea	   *copy;

	if (isnull)
		return NULL;
	copy = DatumGetByteaPP(value);
	return memcpy(MemoryContextAlloc(mcxt, VARSIZE_ANY(copy)), copy, VARSIZE_ANY(copy));
}

static ZdmValidationPhase
get_phase(int col)
{
	const char *name = zdm_catalog_text(0, col, CurrentMemoryContext);

	for (int i = 0; i < lengthof(phase_names); i++)
	{
		if (strcmp(name, phase_names[i]) == 0)
			return (ZdmValidationPhase) i;
	}
	elog(ERROR, "unknown phase \"%s\"", name);
}

static void
fill_cursor(ZdmValidationCursor *cursor, MemoryContext mcxt)
{
	bool		isnull;

	cursor->row = *(ItemPointer) DatumGetPointer(zdm_catalog_value(0, 1, &isnull));
	cursor->phase = get_phase(2);
	cursor->method = zdm_catalog_text(0, 3, mcxt);
	cursor->method_reason = zdm_catalog_text(0, 4, mcxt);
	cursor->leaf = DatumGetObjectId(zdm_catalog_value(0, 5, &isnull));
	cursor->leaf_filenode = DatumGetObjectId(zdm_catalog_value(0, 6, &isnull));
	cursor->leaf_constraint = DatumGetObjectId(zdm_catalog_value(0, 7, &isnull));
	cursor->premises = zdm_catalog_text(0, 8, mcxt);
	cursor->next_block = (BlockNumber) get_int8(9);
	cursor->position = get_bytea(10, mcxt);
	cursor->scanned = DatumGetBool(zdm_catalog_value(0, 11, &isnull));
	cursor->fresh = DatumGetBool(zdm_catalog_value(0, 12, &isnull));
	cursor->leaf_total = get_int8(13);
	cursor->leaf_done = get_int8(14);
	cursor->leaf_violations = get_int8(15);
	cursor->left_behind = zdm_catalog_text(0, 16, mcxt);
	cursor->total = get_int8(17);
	cursor->done = get_int8(18);
	cursor->rows = get_int8(19);
	cursor->rows_estimated = get_int8(20);
	cursor->violations = get_int8(21);
	cursor->chunks = get_int8(22);
	cursor->restarts = get_int8(23);
	cursor->retries = get_int8(24);
	cursor->work_ms = get_float8(25, 0);
	cursor->longest_ms = get_float8(26, 0);
	cursor->rows_per_second = get_float8(27, 0);
	cursor->seconds_left = get_float8(28, -1);
	cursor->foreign_place = DatumGetBool(zdm_catalog_value(0, 29, &isnull));
}

/*
 * Read the cursor of a job; what it points to goes into mcxt.  Errors with
 * DATA_CORRUPTED when the job has none.
 */
void
zdm_validation_cursor_load(int64 job_id, ZdmValidationCursor *cursor, MemoryContext mcxt)
{
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);

	memset(cursor, 0, sizeof(ZdmValidationCursor));
	cursor->job_id = job_id;
	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT c.ctid, c.phase, c.method, c.method_reason, c.leaf, c.leaf_filenode,"
							" c.leaf_constraint, c.premises, c.next_block, c.place, c.scanned, c.fresh,"
							" c.leaf_total, c.leaf_done, c.leaf_violations, c.left_behind, c.total,"
							" c.done, c.rows_done, c.rows_estimated, c.violations, c.chunks,"
							" c.restarts, c.retries, c.work_ms, c.longest_ms, c.rows_per_second,"
							" c.seconds_left, c.made_in IS DISTINCT FROM j.cluster_id || '/' || j.database_id"
							" FROM zdm.validation_cursor c JOIN zdm.job j USING (job_id)"
							" WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.validation_cursor", job_id),
				 errhint("Cancel the job and start it under another name.")));
	fill_cursor(cursor, mcxt);
	zdm_catalog_end(&scope);
}

static void
put_text(const char *text, int arg, Datum *values, char *nulls)
{
	nulls[arg] = text ? ' ' : 'n';
	values[arg] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
fill_scan(const ZdmValidationCursor *cursor, Datum *values, char *nulls)
{
	values[0] = Int64GetDatum(cursor->job_id);
	values[1] = CStringGetTextDatum(phase_names[cursor->phase]);
	put_text(cursor->method, 2, values, nulls);
	put_text(cursor->method_reason, 3, values, nulls);
	values[4] = ObjectIdGetDatum(cursor->leaf);
	values[5] = ObjectIdGetDatum(cursor->leaf_filenode);
	values[6] = ObjectIdGetDatum(cursor->leaf_constraint);
	put_text(cursor->premises, 7, values, nulls);
	values[8] = Int64GetDatum((int64) cursor->next_block);
	values[9] = PointerGetDatum(cursor->position);
	nulls[9] = cursor->position ? ' ' : 'n';
	values[10] = BoolGetDatum(cursor->scanned);
	values[11] = BoolGetDatum(cursor->fresh);
	values[12] = Int64GetDatum(cursor->leaf_total);
	values[13] = Int64GetDatum(cursor->leaf_done);
	values[14] = Int64GetDatum(cursor->leaf_violations);
}

static void
fill_job(const ZdmValidationCursor *cursor, Datum *values, char *nulls)
{
	put_text(cursor->left_behind, 15, values, nulls);
	values[16] = Int64GetDatum(cursor->total);
	values[17] = Int64GetDatum(cursor->done);
	values[18] = Int64GetDatum(cursor->rows);
	values[19] = Int64GetDatum(cursor->rows_estimated);
	values[20] = Int64GetDatum(cursor->violations);
	values[21] = Int64GetDatum(cursor->chunks);
	values[22] = Int64GetDatum(cursor->restarts);
	values[23] = Int64GetDatum(cursor->retries);
	values[24] = Float8GetDatum(cursor->work_ms);
	values[25] = Float8GetDatum(cursor->longest_ms);
	values[26] = Float8GetDatum(cursor->rows_per_second);
	values[27] = Float8GetDatum(cursor->seconds_left);
	nulls[27] = cursor->seconds_left < 0 ? 'n' : ' ';
}

/*
 * Write the cursor in the current transaction.  cursor->row is then where the
 * new version is, which holds only if the transaction commits: work on a copy
 * and keep it after the commit.
 */
void
zdm_validation_cursor_store(ZdmValidationCursor *cursor)
{
	static ZdmCursorTable table = {
		.name = "zdm.validation_cursor",
		.update = UPDATE_SQL,
		.nargs = NARGS,
		.argtypes = update_types
	};
	Datum		values[NARGS];
	char		nulls[NARGS];
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	memset(nulls, ' ', sizeof(nulls));
	fill_scan(cursor, values, nulls);
	fill_job(cursor, values, nulls);
	zdm_cursor_row_store(&table, &cursor->row, values, nulls);
	zdm_catalog_end(&scope);
}
