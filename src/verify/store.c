/*
 * store.c
 *	  The tables of the verifications: zdm.verification, its cursor, and which
 *	  leaves are done.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/cursor_row.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/xid8.h"
#include "verify/store.h"

static const char *const phase_names[] = {"scan", "proof", "ended"};

#define UPDATE_SQL \
	"UPDATE zdm.verification_cursor SET" \
	" phase = $2, pass = $3, leaf = $4, leaf_filenode = $5, leaf_premises = $6," \
	" mark_lsn = $7, mark_xid = $8, seen_lsn = $9, seen_xid = $10, leaf_blocks = $11, next_block = $12," \
	" leaf_rows = $13, leaf_inconsistent = $14, total = $15, done = $16, rows_done = $17," \
	" rows_again = $18, rows_estimated = $19, inconsistent = $20, chunks = $21, restarts = $22," \
	" retries = $23, work_ms = $24, longest_ms = $25, rows_per_second = $26, seconds_left = $27," \
	" updated_at = clock_timestamp()," \
	" made_in = (SELECT cluster_id || '/' || database_id FROM zdm.job WHERE job_id = $1)" \
	" WHERE ctid = $28 AND job_id = $1 RETURNING ctid"

static Oid	update_types[] = {
	INT8OID, TEXTOID, INT4OID, OIDOID, OIDOID, TEXTOID,
	PG_LSNOID, XID8OID, PG_LSNOID, XID8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
	TIDOID
};

#define NARGS lengthof(update_types)

/* Insert the rows of a new verification.  Does not commit. */
void
zdm_verify_store(int64 job_id, const ZdmVerifySpec *spec)
{
	static const Oid argtypes[] = {INT8OID, INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), Int64GetDatum(spec->mapping_id), ObjectIdGetDatum(spec->target)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.verification (job_id, mapping_id, target, target_schema, target_name)"
						" SELECT $1, $2, $3, coalesce(n.nspname, j.target_schema), coalesce(c.relname, j.target_name)"
						" FROM zdm.job j LEFT JOIN (pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) ON c.oid = $3"
						" WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_execute("INSERT INTO zdm.verification_cursor (job_id) VALUES ($1)",
						1, argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

static void
delete_from(const char *const *tables, int ntables, int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);

	for (int i = 0; i < ntables; i++)
		zdm_catalog_execute(psprintf("DELETE FROM %s WHERE job_id = $1", tables[i]),
							1, &argtype, &arg, NULL, SPI_OK_DELETE);
}

/* Delete them: the job goes on with another verification.  Does not commit. */
void
zdm_verify_discard(int64 job_id)
{
	static const char *const tables[] = {"zdm.inconsistent_row", "zdm.verified_leaf",
	"zdm.verification_cursor", "zdm.verification"};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	delete_from(tables, lengthof(tables), job_id);
	zdm_catalog_end(&scope);
}

/* The definition of a job, in the current memory context; NULL when it has none. */
ZdmVerifySpec *
zdm_verify_load(int64 job_id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmVerifySpec *spec = NULL;
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	bool		isnull;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT target, mapping_id FROM zdm.verification WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
	{
		spec = MemoryContextAllocZero(mcxt, sizeof(ZdmVerifySpec));
		spec->target = DatumGetObjectId(zdm_catalog_value(0, 1, &isnull));
		spec->mapping_id = DatumGetInt64(zdm_catalog_value(0, 2, &isnull));
	}
	zdm_catalog_end(&scope);
	return spec;
}

/*
 * A verification begins, perhaps once more: what a former one has found is
 * forgotten.  definition is what is compared, for people.
 */
void
zdm_verify_store_begin(int64 job_id, const char *definition)
{
	static const char *const tables[] = {"zdm.inconsistent_row", "zdm.verified_leaf"};
	static const Oid argtypes[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(definition)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	delete_from(tables, lengthof(tables), job_id);
	zdm_catalog_execute("UPDATE zdm.verification SET definition = $2, started_at = clock_timestamp(), finished_at = NULL,"
						" result = NULL, promise = NULL, rows = NULL, inconsistent = NULL, chunks = NULL WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/* What it has come to. */
void
zdm_verify_store_result(const ZdmVerifyCursor *cursor, const ZdmVerifyResult *result)
{
	static const Oid argtypes[] = {INT8OID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT8OID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(cursor->job_id);
	values[1] = CStringGetTextDatum(result->clean ? "clean" : "inconsistent");
	isnull[2] = !result->clean;
	values[2] = CStringGetTextDatum(result->at_one_instant ? "snapshot" : "passes");
	values[3] = Int64GetDatum(cursor->rows);
	values[4] = Int64GetDatum(cursor->inconsistent);
	values[5] = Int64GetDatum(cursor->chunks);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("UPDATE zdm.verification SET result = $2, promise = $3, rows = $4, inconsistent = $5,"
						" chunks = $6, finished_at = clock_timestamp() WHERE job_id = $1",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
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

/* of two columns, the first of which is col */
static void
get_mark(int col, ZdmPageMark *mark)
{
	bool		isnull;

	mark->lsn = DatumGetLSN(zdm_catalog_value(0, col, &isnull));
	mark->xid = DatumGetFullTransactionId(zdm_catalog_value(0, col + 1, &isnull));
}

static void
put_mark(const ZdmPageMark *mark, Datum *values)
{
	values[0] = LSNGetDatum(mark->lsn);
	values[1] = FullTransactionIdGetDatum(mark->xid);
}

static ZdmVerifyPhase
get_phase(int col)
{
	const char *name = zdm_catalog_text(0, col, CurrentMemoryContext);

	for (int i = 0; i < lengthof(phase_names); i++)
	{
		if (strcmp(name, phase_names[i]) == 0)
			return (ZdmVerifyPhase) i;
	}
	elog(ERROR, "unknown phase \"%s\"", name);
}

static void
fill_cursor(ZdmVerifyCursor *cursor, MemoryContext mcxt)
{
	bool		isnull;

	cursor->row = *(ItemPointer) DatumGetPointer(zdm_catalog_value(0, 1, &isnull));
	cursor->phase = get_phase(2);
	cursor->pass = DatumGetInt32(zdm_catalog_value(0, 3, &isnull));
	cursor->leaf = DatumGetObjectId(zdm_catalog_value(0, 4, &isnull));
	cursor->leaf_filenode = DatumGetObjectId(zdm_catalog_value(0, 5, &isnull));
	cursor->leaf_premises = zdm_catalog_text(0, 6, mcxt);
	get_mark(7, &cursor->leaf_mark);
	get_mark(9, &cursor->leaf_seen);
	cursor->leaf_blocks = (BlockNumber) get_int8(11);
	cursor->next_block = (BlockNumber) get_int8(12);
	cursor->leaf_rows = get_int8(13);
	cursor->leaf_inconsistent = get_int8(14);
	cursor->total = get_int8(15);
	cursor->done = get_int8(16);
	cursor->rows = get_int8(17);
	cursor->rows_again = get_int8(18);
	cursor->rows_estimated = get_int8(19);
	cursor->inconsistent = get_int8(20);
	cursor->chunks = get_int8(21);
	cursor->restarts = get_int8(22);
	cursor->retries = get_int8(23);
	cursor->work_ms = get_float8(24, 0);
	cursor->longest_ms = get_float8(25, 0);
	cursor->rows_per_second = get_float8(26, 0);
	cursor->seconds_left = get_float8(27, -1);
	cursor->foreign_place = DatumGetBool(zdm_catalog_value(0, 28, &isnull));
}

/*
 * Read the cursor of a job; what it points to goes into mcxt.  Errors with
 * DATA_CORRUPTED when the job has none.
 */
void
zdm_verify_cursor_load(int64 job_id, ZdmVerifyCursor *cursor, MemoryContext mcxt)
{
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);

	memset(cursor, 0, sizeof(ZdmVerifyCursor));
	cursor->job_id = job_id;
	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT c.ctid, c.phase, c.pass, c.leaf, c.leaf_filenode, c.leaf_premises,"
							" c.mark_lsn, c.mark_xid, c.seen_lsn, c.seen_xid, c.leaf_blocks, c.next_block,"
							" c.leaf_rows, c.leaf_inconsistent, c.total, c.done, c.rows_done, c.rows_again,"
							" c.rows_estimated, c.inconsistent, c.chunks, c.restarts, c.retries,"
							" c.work_ms, c.longest_ms, c.rows_per_second, c.seconds_left,"
							" c.made_in IS DISTINCT FROM j.cluster_id || '/' || j.database_id"
							" FROM zdm.verification_cursor c JOIN zdm.job j USING (job_id)"
							" WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.verification_cursor", job_id),
				 errhint("Cancel the job and start it under another name.")));
	fill_cursor(cursor, mcxt);
	zdm_catalog_end(&scope);
}

static void
fill_place(const ZdmVerifyCursor *cursor, Datum *values, char *nulls)
{
	values[0] = Int64GetDatum(cursor->job_id);
	values[1] = CStringGetTextDatum(phase_names[cursor->phase]);
	values[2] = Int32GetDatum(cursor->pass);
	values[3] = ObjectIdGetDatum(cursor->leaf);
	values[4] = ObjectIdGetDatum(cursor->leaf_filenode);
	nulls[5] = cursor->leaf_premises ? ' ' : 'n';
	values[5] = cursor->leaf_premises ? CStringGetTextDatum(cursor->leaf_premises) : (Datum) 0;
	put_mark(&cursor->leaf_mark, values + 6);
	put_mark(&cursor->leaf_seen, values + 8);
	values[10] = Int64GetDatum((int64) cursor->leaf_blocks);
	values[11] = Int64GetDatum((int64) cursor->next_block);
	values[12] = Int64GetDatum(cursor->leaf_rows);
	values[13] = Int64GetDatum(cursor->leaf_inconsistent);
}

static void
fill_figures(const ZdmVerifyCursor *cursor, Datum *values, char *nulls)
{
	values[14] = Int64GetDatum(cursor->total);
	values[15] = Int64GetDatum(cursor->done);
	values[16] = Int64GetDatum(cursor->rows);
	values[17] = Int64GetDatum(cursor->rows_again);
	values[18] = Int64GetDatum(cursor->rows_estimated);
	values[19] = Int64GetDatum(cursor->inconsistent);
	values[20] = Int64GetDatum(cursor->chunks);
	values[21] = Int64GetDatum(cursor->restarts);
	values[22] = Int64GetDatum(cursor->retries);
	values[23] = Float8GetDatum(cursor->work_ms);
	values[24] = Float8GetDatum(cursor->longest_ms);
	values[25] = Float8GetDatum(cursor->rows_per_second);
	values[26] = Float8GetDatum(cursor->seconds_left);
	nulls[26] = cursor->seconds_left < 0 ? 'n' : ' ';
}

/*
 * Write the cursor in the current transaction.  cursor->row is then where the
 * new version is, which holds only if the transaction commits: work on a copy
 * and keep it after the commit.
 */
void
zdm_verify_cursor_store(ZdmVerifyCursor *cursor)
{
	static ZdmCursorTable table = {
		.name = "zdm.verification_cursor",
		.update = UPDATE_SQL,
		.nargs = NARGS,
		.argtypes = update_types
	};
	Datum		values[NARGS];
	char		nulls[NARGS];
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	memset(nulls, ' ', sizeof(nulls));
	fill_place(cursor, values, nulls);
	fill_figures(cursor, values, nulls);
	zdm_cursor_row_store(&table, &cursor->row, values, nulls);
	zdm_catalog_end(&scope);
}

/* What is known of a leaf, in the current memory context; false when nothing is. */
bool
zdm_verified_leaf_load(int64 job_id, Oid leaf, ZdmVerifiedLeaf *found)
{
	static const Oid argtypes[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf)};
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	bool		isnull;
	bool		known;

	zdm_catalog_begin(&scope);
	known = zdm_catalog_execute("SELECT leaf_filenode, premises, pass, mark_lsn, mark_xid"
								" FROM zdm.verified_leaf WHERE job_id = $1 AND leaf = $2",
								lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT) > 0;
	if (known)
	{
		found->leaf = leaf;
		found->filenode = DatumGetObjectId(zdm_catalog_value(0, 1, &isnull));
		found->premises = zdm_catalog_text(0, 2, mcxt);
		found->pass = DatumGetInt32(zdm_catalog_value(0, 3, &isnull));
		get_mark(4, &found->mark);
	}
	zdm_catalog_end(&scope);
	return known;
}

/* A pass has gone through a leaf. */
void
zdm_verified_leaf_store(int64 job_id, const ZdmVerifiedLeaf *leaf)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, OIDOID, TEXTOID, INT4OID, PG_LSNOID, XID8OID};
	Datum		values[lengthof(argtypes)];
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = ObjectIdGetDatum(leaf->leaf);
	values[2] = ObjectIdGetDatum(leaf->filenode);
	values[3] = CStringGetTextDatum(leaf->premises);
	values[4] = Int32GetDatum(leaf->pass);
	put_mark(&leaf->mark, values + 5);

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.verified_leaf (job_id, leaf, leaf_filenode, premises, pass, mark_lsn, mark_xid)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id, leaf) DO UPDATE SET"
						" leaf_filenode = excluded.leaf_filenode, premises = excluded.premises, pass = excluded.pass,"
						" mark_lsn = excluded.mark_lsn, mark_xid = excluded.mark_xid",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* What is known of a leaf, and what was found in it, holds no longer. */
void
zdm_verified_leaf_forget(int64 job_id, Oid leaf)
{
	static const Oid argtypes[] = {INT8OID, OIDOID};
	Datum		values[] = {Int64GetDatum(job_id), ObjectIdGetDatum(leaf)};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.verified_leaf WHERE job_id = $1 AND leaf = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_DELETE);
	zdm_catalog_execute("DELETE FROM zdm.inconsistent_row WHERE job_id = $1 AND leaf = $2",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}
