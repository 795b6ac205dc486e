/*
 * violation.c
 *	  Rows that break a constraint or keep a unique index from being built:
 *	  zdm.violation, and their number in zdm.violation_total.
 *
 * What is kept of a row is text inside JSON, made as the owner of the table
 * before zdm's tables are opened.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "compat/tree.h"
#include "core/catalog.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "violation/violation.h"

/* bytes of one value that are kept */
#define VALUE_LIMIT 1000

/*
 * The JSON object with one more member; object is NULL for the first, and used
 * up otherwise.  value is NULL for null, and cut after 1000 bytes.
 */
char *
zdm_violation_pair(char *object, const char *name, const char *value)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (object != NULL)
	{
		appendBinaryStringInfo(&buf, object, strlen(object) - 1);
		appendStringInfoString(&buf, ", ");
		pfree(object);
	}
	else
		appendStringInfoChar(&buf, '{');
	escape_json(&buf, name);
	appendStringInfoString(&buf, ": ");
	if (value == NULL)
		appendStringInfoString(&buf, "null");
	else
	{
		int			len = strlen(value);

		escape_json(&buf, len <= VALUE_LIMIT ? value :
					psprintf("%.*s...", pg_mbcliplen(value, len, VALUE_LIMIT), value));
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

static char *
text_of(Form_pg_attribute att, Datum value, bool isnull)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(att->atttypid, &output, &is_varlena);
	return isnull ? NULL : OidOutputFunctionCall(output, value);
}

/* The value of a column as text, NULL for null; one that is not stored is computed. */
static char *
column_text(Relation rel, TupleTableSlot *slot, AttrNumber attno)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	Node	   *expr = zdm_compat_virtual_expression(rel, attno);
	bool		isnull;
	Datum		value;
	EState	   *estate;
	ExprContext *econtext;
	char	   *text;

	if (expr == NULL)
	{
		value = slot_getattr(slot, attno, &isnull);
		return text_of(att, value, isnull);
	}
	estate = CreateExecutorState();
	econtext = GetPerTupleExprContext(estate);
	econtext->ecxt_scantuple = slot;
	value = ExecEvalExpr(ExecPrepareExpr((Expr *) expr, estate), econtext, &isnull);
	text = text_of(att, value, isnull);

	FreeExecutorState(estate);
	return text;
}

/*
 * A JSON object of those columns of the row in slot, a row of rel; NULL when
 * natts is 0.  Runs output functions of the user's types: as the owner of the
 * table, outside of a catalog scope.
 */
char *
zdm_violation_values(Relation rel, TupleTableSlot *slot, const AttrNumber *attnos, int natts)
{
	char	   *object = NULL;

	for (int i = 0; i < natts; i++)
		object = zdm_violation_pair(object, NameStr(TupleDescAttr(RelationGetDescr(rel), attnos[i] - 1)->attname),
									column_text(rel, slot, attnos[i]));
	return object;
}

/* The same of the primary key's columns; NULL without a primary key. */
char *
zdm_violation_key(Relation rel, TupleTableSlot *slot)
{
	Oid			pkey = zdm_compat_primary_key(rel);
	Relation	index;
	char	   *object;

	if (!OidIsValid(pkey))
		return NULL;
	index = index_open(pkey, AccessShareLock);
	object = zdm_violation_values(rel, slot, index->rd_index->indkey.values,
								  index->rd_index->indnkeyatts);
	index_close(index, AccessShareLock);
	return object;
}

/* Forget what a job has found so far. */
void
zdm_violation_clear(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute("DELETE FROM zdm.violation WHERE job_id = $1",
						1, &argtype, &arg, NULL, SPI_OK_DELETE);
	zdm_catalog_execute("DELETE FROM zdm.violation_total WHERE job_id = $1",
						1, &argtype, &arg, NULL, SPI_OK_DELETE);
	zdm_catalog_end(&scope);
}

/* Inside a scope: count rows, and return whether a find may still be listed. */
static bool
count_rows(int64 job_id, int64 rows, int listed)
{
	static const Oid argtypes[] = {INT8OID, INT8OID, INT4OID, INT4OID};
	Datum		values[] = {Int64GetDatum(job_id), Int64GetDatum(rows),
	Int32GetDatum(listed), Int32GetDatum(ZDM_VIOLATION_LIMIT)};
	bool		isnull;

	zdm_catalog_execute("INSERT INTO zdm.violation_total AS t (job_id, rows, listed)"
						" VALUES ($1, $2, $3)"
						" ON CONFLICT (job_id) DO UPDATE SET rows = t.rows + excluded.rows,"
						" listed = least(t.listed + excluded.listed, $4 + 1)"
						" RETURNING listed <= $4",
						lengthof(argtypes), argtypes, values, NULL, SPI_OK_INSERT_RETURNING);
	return DatumGetBool(zdm_catalog_value(0, 1, &isnull));
}

static Datum
json_datum(const char *text)
{
	return text ? DirectFunctionCall1(jsonb_in, CStringGetDatum(text)) : (Datum) 0;
}

#define FIND_ARGS 8

static const Oid find_types[FIND_ARGS] = {
	INT8OID, TEXTOID, TEXTOID, TEXTOID, TIDOID, JSONBOID, JSONBOID, INT8OID
};

static void
fill_find(int64 job_id, const ZdmViolation *violation, Datum *values, bool *isnull)
{
	memset(isnull, false, FIND_ARGS * sizeof(bool));
	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(violation->constraint_name);
	values[2] = CStringGetTextDatum(violation->schema_name);
	values[3] = CStringGetTextDatum(violation->table_name);
	isnull[4] = violation->row_ctid == NULL;
	values[4] = PointerGetDatum(violation->row_ctid);
	isnull[5] = violation->row_key == NULL;
	values[5] = json_datum(violation->row_key);
	isnull[6] = violation->row_values == NULL;
	values[6] = json_datum(violation->row_values);
	values[7] = Int64GetDatum(violation->occurrences);
}

/*
 * Is that row listed already?  Its place is then told anew.  A row is known by
 * its primary key; without one by its place, so that it may be listed twice
 * when it has moved.
 */
bool
zdm_violation_find(int64 job_id, const ZdmViolation *violation)
{
	Datum		values[FIND_ARGS];
	bool		isnull[FIND_ARGS];
	ZdmCatalogScope scope;
	int			rows;

	fill_find(job_id, violation, values, isnull);
	zdm_catalog_begin(&scope);
	rows = zdm_catalog_execute("UPDATE zdm.violation SET row_ctid = $5 WHERE job_id = $1 AND constraint_name = $2"
							   " AND table_schema = $3 AND table_name = $4 AND occurrences = $8"
							   " AND row_key IS NOT DISTINCT FROM $6 AND row_values IS NOT DISTINCT FROM $7"
							   " AND (row_key IS NOT NULL OR row_ctid = $5)",
							   FIND_ARGS, find_types, values, isnull, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
	return rows > 0;
}

/*
 * Keep one find.  False when it was only counted, because the job has listed
 * as many as it may: further ones need no texts, zdm_violation_count() is
 * enough for them.
 */
bool
zdm_violation_add(int64 job_id, const ZdmViolation *violation)
{
	Datum		values[FIND_ARGS];
	bool		isnull[FIND_ARGS];
	ZdmCatalogScope scope;
	bool		list;

	fill_find(job_id, violation, values, isnull);
	zdm_catalog_begin(&scope);
	list = count_rows(job_id, violation->occurrences, 1);
	if (list)
		zdm_catalog_execute("INSERT INTO zdm.violation (job_id, constraint_name, table_schema,"
							" table_name, row_ctid, row_key, row_values, occurrences)"
							" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
							FIND_ARGS, find_types, values, isnull, SPI_OK_INSERT);
	zdm_catalog_end(&scope);
	return list;
}

/* Count rows that are not listed. */
void
zdm_violation_count(int64 job_id, int64 rows)
{
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	(void) count_rows(job_id, rows, 0);
	zdm_catalog_end(&scope);
}

/* Rows counted for a job since zdm_violation_clear(). */
int64
zdm_violation_total(int64 job_id)
{
	Oid			argtype = INT8OID;
	Datum		arg = Int64GetDatum(job_id);
	ZdmCatalogScope scope;
	bool		isnull;
	int64		rows = 0;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute("SELECT rows FROM zdm.violation_total WHERE job_id = $1",
							1, &argtype, &arg, NULL, SPI_OK_SELECT) > 0)
		rows = DatumGetInt64(zdm_catalog_value(0, 1, &isnull));
	zdm_catalog_end(&scope);
	return rows;
}
