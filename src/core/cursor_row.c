/*
 * cursor_row.c
 *	  The one row of a job in a table of cursors, written by ctid.
 *
 * Only the worker that holds the job's lock writes the row, in the same
 * transaction as the work that it speaks of.  It is updated by ctid: with no
 * index in between, the cost stays the same while an old snapshot keeps every
 * former version of the row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/cursor_row.h"
#include "utils/guc.h"

static void
keep_row(ItemPointer row)
{
	bool		isnull;

	*row = *(ItemPointer) DatumGetPointer(zdm_catalog_value(0, 1, &isnull));
}

static bool
try_update(ZdmCursorTable *table, ItemPointer row, Datum *values, const char *nulls)
{
	values[table->nargs - 1] = PointerGetDatum(row);
	if (SPI_execute_plan(table->plan, values, nulls, false, 0) != SPI_OK_UPDATE_RETURNING)
		elog(ERROR, "could not update %s", table->name);
	if (SPI_processed != 1)
		return false;
	keep_row(row);
	return true;
}

/* The row is not where we left it (VACUUM FULL, for one). */
static void
find_row(ZdmCursorTable *table, ItemPointer row, const Datum *job_id)
{
	char	   *sql = psprintf("SELECT ctid FROM %s WHERE job_id = $1", table->name);
	Oid			argtype = INT8OID;

	if (zdm_catalog_execute(sql, 1, &argtype, job_id, NULL, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("job " INT64_FORMAT " has no row in %s", DatumGetInt64(*job_id), table->name),
				 errhint("Cancel the job and start it under another name.")));
	keep_row(row);
}

/*
 * Update the row of job values[0] in the current transaction, inside a scope
 * of zdm_catalog_begin().  row says where it was, and then where the new
 * version is, which holds only if the transaction commits: work on a copy and
 * keep it after the commit.  Errors with DATA_CORRUPTED when there is none.
 */
void
zdm_cursor_row_store(ZdmCursorTable *table, ItemPointer row, Datum *values, const char *nulls)
{
	/* of a table of one page, the planner would rather read all */
	(void) set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (table->plan == NULL)
	{
		table->plan = SPI_prepare(table->update, table->nargs, table->argtypes);
		if (table->plan == NULL)
			elog(ERROR, "SPI_prepare failed");
		SPI_keepplan(table->plan);
	}
	if (try_update(table, row, values, nulls))
		return;
	find_row(table, row, values);
	if (!try_update(table, row, values, nulls))
		elog(ERROR, "could not find the row of %s", table->name);
}
