/*
 * open.c
 *	  Which migrations of a table are open: no two on one column.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "migration/open.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

/*
 * Sessions that start migrations of one table do so one after the other: an
 * object lock on zdm.migration and the table's OID, to the end of the
 * transaction.  No application waits for it.
 */
static void
lock_table_for_migrations(Oid target)
{
	LockDatabaseObject(zdm_own_relation("migration", false), target, 0, ExclusiveLock);
}

static Datum
name_datum(const char *name, bool *isnull)
{
	*isnull = name == NULL;
	return name ? CStringGetTextDatum(name) : (Datum) 0;
}

/*
 * Errors with OBJECT_IN_USE when another migration has begun on the old or the
 * new column and has not come to its end.
 */
void
zdm_open_require_columns(const ZdmMigration *migration)
{
	static const Oid argtypes[] = {OIDOID, TEXTOID, TEXTOID, INT8OID};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	char	   *other = NULL;
	char	   *column = NULL;
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;

	if (migration->column == NULL && migration->new_column == NULL)
		return;
	lock_table_for_migrations(migration->target);
	values[0] = ObjectIdGetDatum(migration->target);
	values[1] = name_datum(migration->column, &isnull[1]);
	values[2] = name_datum(migration->new_column, &isnull[2]);
	values[3] = Int64GetDatum(migration->id);
	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT m.name, c.name FROM zdm.migration m,"
							" LATERAL (VALUES (column_name), (new_column_name)) AS c (name)"
							" WHERE target = $1 AND phase NOT IN ('planned', 'done', 'aborted') AND c.name IN ($2, $3)"
							" AND migration_id <> $4 ORDER BY migration_id LIMIT 1",
							lengthof(argtypes), argtypes, values, isnull, SPI_OK_SELECT) > 0)
	{
		other = zdm_catalog_text(0, 1, mcxt);
		column = zdm_catalog_text(0, 2, mcxt);
	}
	zdm_catalog_end(&scope);
	if (other)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("migration \"%s\" is at work on column \"%s\" of table \"%s\"", other, column,
						migration->target_name),
				 errdetail("No two open migrations can be about one column."),
				 errhint("Bring it to its end with zdm.contract() or zdm.abort() first.")));
}
