/*
 * rows.c
 *	  Questions to the catalogs about a table and a column, as rows of text.
 *
 * They are asked as the extension's owner with search_path = pg_catalog, so
 * what PostgreSQL deparses in an answer is qualified.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"

static char **
row_from_result(int row, int ncolumns, MemoryContext mcxt)
{
	char	  **values = MemoryContextAlloc(mcxt, sizeof(char *) * ncolumns);

	for (int i = 0; i < ncolumns; i++)
		values[i] = zdm_catalog_text(row, i + 1, mcxt);
	return values;
}

/*
 * The rows of a query about a table ($1, oid), a column of it ($2, int2) and
 * three texts ($3, $4, $5), in the current memory context.
 */
ZdmRows *
zdm_rows_of_words(const char *sql, Oid relid, AttrNumber attnum, const char *name, const char *word1, const char *word2)
{
	static const Oid argtypes[] = {OIDOID, INT2OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(relid), Int16GetDatum(attnum), CStringGetTextDatum(name),
	CStringGetTextDatum(word1), CStringGetTextDatum(word2)};
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmRows    *rows = palloc0(sizeof(ZdmRows));
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	rows->count = zdm_catalog_execute(sql, lengthof(argtypes), argtypes, values, NULL, SPI_OK_SELECT);
	rows->values = MemoryContextAlloc(mcxt, sizeof(char **) * Max(rows->count, 1));
	for (int i = 0; i < rows->count; i++)
		rows->values[i] = row_from_result(i, SPI_tuptable->tupdesc->natts, mcxt);
	zdm_catalog_end(&scope);
	return rows;
}

/* The same with one text, which may be NULL. */
ZdmRows *
zdm_rows_of(const char *sql, Oid relid, AttrNumber attnum, const char *name)
{
	return zdm_rows_of_words(sql, relid, attnum, name ? name : "", "", "");
}
