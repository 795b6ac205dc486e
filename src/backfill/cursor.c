/*
 * cursor.c
 *	  How far a backfill is: the row of zdm.backfill_cursor.
 */
#include "postgres.h"

#include "backfill/cursor.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/cursor_row.h"
#include "utils/builtins.h"

#define UPDATE_SQL \
	"UPDATE zdm.backfill_cursor SET" \
	" phase = $2, sweep = $3, leaf = $4, leaf_filenode = $5, leaf_blocks = $6," \
	" window_start = $7, window_end = $8, next_block = $9, stripes = $10, stripe = $11," \
	" blocks_total = $12, blocks_done = $13, sweep_rows = $14, sweep_skipped = $15," \
	" rows_done = $16, rows_estimated = $17, rows_hot = $18, batches = $19, retries = $20," \
	" wal_bytes = $21, work_ms = $22, rows_per_second = $23, seconds_left = $24," \
	" note = $25, updated_at = clock_timestamp()" \
	" WHERE ctid = $26 AND job_id = $1 RETURNING ctid"

static Oid	update_types[] = {
	INT8OID, TEXTOID, INT4OID, OIDOID, OIDOID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT4OID, INT4OID,
	INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID, INT8OID,
	INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
	TEXTOID, TIDOID
};

#define NARGS lengthof(update_types)

static int64
get_int8(int col)
{
	bool		isnull;

	return DatumGetInt64(zdm_catalog_value(0, col, &isnull));
}

static void
fill_cursor(ZdmCursor *cursor, MemoryContext mcxt)
{
	bool		isnull;
	Datum		value;

	cursor->row = *(ItemPointer) DatumGetPointer(zdm_catalog_value(0, 1, &isnull));
	cursor->phase = strcmp(zdm_catalog_text(0, 2, CurrentMemoryContext), "proof") == 0 ?
		ZDM_PHASE_PROOF : ZDM_PHASE_SWEEP;
	cursor->sweep = DatumGetInt32(zdm_catalog_value(0, 3, &isnull));
	cursor->leaf = DatumGetObjectId(zdm_catalog_value(0, 4, &isnull));
	cursor->leaf_filenode = DatumGetObjectId(zdm_catalog_value(0, 5, &isnull));
	cursor->leaf_blocks = (BlockNumber) get_int8(6);
	cursor->window_start = (BlockNumber) get_int8(7);
	cursor->window_end = (BlockNumber) get_int8(8);
	cursor->next_block = (BlockNumber) get_int8(9);
	cursor->stripes = DatumGetInt32(zdm_catalog_value(0, 10, &isnull));
	cursor->stripe = DatumGetInt32(zdm_catalog_value(0, 11, &isnull));
	cursor->blocks_total = get_int8(12);
	cursor->blocks_done = get_int8(13);
	cursor->sweep_rows = get_int8(14);
	cursor->sweep_skipped = get_int8(15);
	cursor->rows_done = get_int8(16);
	cursor->rows_estimated = get_int8(17);
	cursor->rows_hot = get_int8(18);
	cursor->batches = get_int8(19);
	cursor->retries = get_int8(20);
	cursor->wal_bytes = get_int8(21);
	cursor->work_ms = DatumGetFloat8(zdm_catalog_value(0, 22, &isnull));
	cursor->rows_per_second = DatumGetFloat8(zdm_catalog_value(0, 23, &isnull));
	value = zdm_catalog_value(0, 24, &isnull);
	cursor->seconds_left = isnull ? -1 : DatumGetFloat8(value);
	cursor->note = zdm_catalog_text(0, 25, mcxt);
}

/*
 * Read the cursor of a job; what it points to goes into mcxt.  Errors with
 * DATA_CORRUPTED when the job has none.
 */
void
zdm_cursor_load(int64 job_id, ZdmCursor *cursor, MemoryContext mcxt)
{
	ZdmCatalogScope scope;
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);

	memset(cursor, 0, sizeof(ZdmCursor));
	cursor->job_id = job_id;
	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT ctid, phase, sweep, leaf, leaf_filenode, leaf_blocks,"
							" window_start, window_end, next_block, stripes, stripe,"
							" blocks_total, blocks_done, sweep_rows, sweep_skipped,"
							" rows_done, rows_estimated, rows_hot, batches, retries,"
							" wal_bytes, work_ms, rows_per_second, seconds_left, note"
							" FROM zdm.backfill_cursor WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in zdm.backfill_cursor", job_id),
				 errhint("Cancel the job and start it under another name.")));
	fill_cursor(cursor, mcxt);
	zdm_catalog_end(&scope);
}

static void
fill_position(const ZdmCursor *cursor, Datum *values)
{
	values[0] = Int64GetDatum(cursor->job_id);
	values[1] = CStringGetTextDatum(cursor->phase == ZDM_PHASE_PROOF ? "proof" : "sweep");
	values[2] = Int32GetDatum(cursor->sweep);
	values[3] = ObjectIdGetDatum(cursor->leaf);
	values[4] = ObjectIdGetDatum(cursor->leaf_filenode);
	values[5] = Int64GetDatum((int64) cursor->leaf_blocks);
	values[6] = Int64GetDatum((int64) cursor->window_start);
	values[7] = Int64GetDatum((int64) cursor->window_end);
	values[8] = Int64GetDatum((int64) cursor->next_block);
	values[9] = Int32GetDatum(cursor->stripes);
	values[10] = Int32GetDatum(cursor->stripe);
}

static void
fill_counters(const ZdmCursor *cursor, Datum *values, char *nulls)
{
	values[11] = Int64GetDatum(cursor->blocks_total);
	values[12] = Int64GetDatum(cursor->blocks_done);
	values[13] = Int64GetDatum(cursor->sweep_rows);
	values[14] = Int64GetDatum(cursor->sweep_skipped);
	values[15] = Int64GetDatum(cursor->rows_done);
	values[16] = Int64GetDatum(cursor->rows_estimated);
	values[17] = Int64GetDatum(cursor->rows_hot);
	values[18] = Int64GetDatum(cursor->batches);
	values[19] = Int64GetDatum(cursor->retries);
	values[20] = Int64GetDatum(cursor->wal_bytes);
	values[21] = Float8GetDatum(cursor->work_ms);
	values[22] = Float8GetDatum(cursor->rows_per_second);
	values[23] = Float8GetDatum(cursor->seconds_left);
	nulls[23] = cursor->seconds_left < 0 ? 'n' : ' ';
	values[24] = cursor->note ? CStringGetTextDatum(cursor->note) : (Datum) 0;
	nulls[24] = cursor->note ? ' ' : 'n';
}

/*
 * Write the cursor in the current transaction.  cursor->row is then where the
 * new version is, which holds only if the transaction commits: work on a copy
 * and keep it after the commit.
 */
void
zdm_cursor_store(ZdmCursor *cursor)
{
	static ZdmCursorTable table = {
		.name = "zdm.backfill_cursor",
		.update = UPDATE_SQL,
		.nargs = NARGS,
		.argtypes = update_types
	};
	Datum		values[NARGS];
	char		nulls[NARGS];
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	memset(nulls, ' ', sizeof(nulls));
	fill_position(cursor, values);
	fill_counters(cursor, values, nulls);
	zdm_cursor_row_store(&table, &cursor->row, values, nulls);
	zdm_catalog_end(&scope);
}

/*
 * After the batch that ended before block to: the next stripe when the window
 * is through, the next window when its stripes are.
 */
void
zdm_cursor_advance(ZdmCursor *cursor, BlockNumber to)
{
	cursor->next_block = to;
	if (to < cursor->window_end)
		return;
	cursor->stripe++;
	cursor->next_block = cursor->window_start;
	if (cursor->stripe < cursor->stripes)
		return;
	cursor->window_start = cursor->window_end;
	cursor->next_block = cursor->window_end;
	cursor->stripe = 0;
}

/* Enter a leaf, or enter it again because its storage is another. */
void
zdm_cursor_begin_leaf(ZdmCursor *cursor, Oid leaf, Oid filenode, BlockNumber blocks)
{
	cursor->leaf = leaf;
	cursor->leaf_filenode = filenode;
	cursor->leaf_blocks = blocks;
	cursor->window_start = cursor->window_end = cursor->next_block = 0;
	cursor->stripes = 1;
	cursor->stripe = 0;
}

/* Forget the position; blocks_total is the work of the new sweep. */
void
zdm_cursor_begin_sweep(ZdmCursor *cursor, int64 blocks_total)
{
	zdm_cursor_begin_leaf(cursor, InvalidOid, InvalidOid, 0);
	cursor->phase = ZDM_PHASE_SWEEP;
	cursor->blocks_total = blocks_total;
	cursor->blocks_done = 0;
	cursor->sweep_rows = 0;
	cursor->sweep_skipped = 0;
}

/*
 * Share of the first sweep's work that is done, [0, 1].  Later sweeps are
 * short and count as done.
 */
double
zdm_cursor_fraction(const ZdmCursor *cursor)
{
	double		done = (double) cursor->blocks_done;

	if (cursor->sweep > 1 || cursor->phase == ZDM_PHASE_PROOF)
		return 1.0;
	if (cursor->blocks_total <= 0)
		return 0.0;
	done += cursor->window_start;
	if (cursor->window_end > cursor->window_start)
		done += (double) (cursor->window_end - cursor->window_start) *
			((double) cursor->stripe / cursor->stripes +
			 (double) (cursor->next_block - cursor->window_start) /
			 (cursor->window_end - cursor->window_start) / cursor->stripes);
	return Min(done / cursor->blocks_total, 1.0);
}
