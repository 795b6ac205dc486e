/*
 * sample.c
 *	  Rows that are not consistent, as they are told: zdm.inconsistent_row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "verify/sample.h"

#define FIRST_TEXT 6

/*
 * List a row of rel.  error is what the evaluation of the row met, or NULL.
 * In a transaction, outside of a catalog scope.
 */
void
zdm_sample_store(int64 job_id, Relation rel, ItemPointer tid, const ZdmRowSample *sample, const ZdmError *error)
{
	static const Oid argtypes[] = {INT8OID, OIDOID, TEXTOID, TEXTOID, TIDOID, JSONBOID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	const char *texts[] = {sample->old_value, sample->new_value, sample->expected,
	error ? zdm_error_sqlstate(error) : NULL, error ? error->message : NULL};
	Datum		values[lengthof(argtypes)];
	bool		isnull[lengthof(argtypes)] = {false};
	ZdmCatalogScope scope;

	values[0] = Int64GetDatum(job_id);
	values[1] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[2] = CStringGetTextDatum(get_namespace_name(RelationGetNamespace(rel)));
	values[3] = CStringGetTextDatum(RelationGetRelationName(rel));
	values[4] = PointerGetDatum(tid);
	isnull[5] = sample->row_key == NULL;
	values[5] = sample->row_key ? DirectFunctionCall1(jsonb_in, CStringGetDatum(sample->row_key)) : (Datum) 0;
	for (int i = 0; i < lengthof(texts); i++)
	{
		isnull[FIRST_TEXT + i] = texts[i] == NULL;
		values[FIRST_TEXT + i] = texts[i] ? CStringGetTextDatum(texts[i]) : (Datum) 0;
	}

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("INSERT INTO zdm.inconsistent_row (job_id, leaf, leaf_schema, leaf_name, row_ctid, row_key,"
						" old_value, new_value, expected_value, sqlstate, message)"
						" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
						lengthof(argtypes), argtypes, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
}

/* How many are listed for a job. */
int
zdm_sample_count(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	bool		isnull;
	int			count;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("SELECT count(*) FROM zdm.inconsistent_row WHERE job_id = $1",
						1, &argtype, &arg, NULL, SPI_OK_SELECT);
	count = (int) DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	return count;
}
