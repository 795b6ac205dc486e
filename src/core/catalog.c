/*
 * catalog.c
 *	  Access to zdm's own tables, always as the extension's owner.
 *
 * The switch of identity uses SECURITY_LOCAL_USERID_CHANGE, so that nothing
 * inside a scope can change role again.  An error inside a scope unwinds with
 * the (sub)transaction: PostgreSQL restores user, settings and SPI stack.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "core/catalog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define ZDM_SCHEMA "zdm"

/*
 * OID of the extension in this database.  Errors with UNDEFINED_OBJECT when
 * it is not installed, unless missing_ok.  Needs a transaction.
 */
Oid
zdm_extension_oid(bool missing_ok)
{
	Oid			oid = get_extension_oid("zdm", true);

	if (!OidIsValid(oid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"zdm\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION zdm.")));
	return oid;
}

/* Our row of pg_extension; false when there is none. */
static bool
read_extension(Oid *owner, char **version)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum("zdm"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		*owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
		*version = TextDatumGetCString(heap_getattr(tuple, Anum_pg_extension_extversion,
													RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/*
 * Version of the extension in this database, in the current context; NULL
 * when it is not installed.  It is another than the library's, ZDM_VERSION,
 * between the installation of a new library and ALTER EXTENSION UPDATE.
 * Needs a transaction.
 */
char *
zdm_extension_version(void)
{
	Oid			owner;
	char	   *version;

	return read_extension(&owner, &version) ? version : NULL;
}

/*
 * OID of one of zdm's own relations.  Errors with UNDEFINED_TABLE, unless
 * missing_ok.
 */
Oid
zdm_own_relation(const char *relname, bool missing_ok)
{
	Oid			nsp = get_namespace_oid(ZDM_SCHEMA, true);
	Oid			oid = OidIsValid(nsp) ? get_relname_relid(relname, nsp) : InvalidOid;

	if (!OidIsValid(oid) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", ZDM_SCHEMA, relname),
				 errhint("Run CREATE EXTENSION zdm.")));
	return oid;
}

/*
 * OID of one of zdm's own functions, by exact argument types.  Errors with
 * UNDEFINED_FUNCTION.
 */
Oid
zdm_own_function(const char *funcname, int nargs, const Oid *argtypes)
{
	oidvector  *args = buildoidvector(argtypes, nargs);
	Oid			oid = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
									  CStringGetDatum(funcname),
									  PointerGetDatum(args),
									  ObjectIdGetDatum(get_namespace_oid(ZDM_SCHEMA, true)));

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s.%s does not exist", ZDM_SCHEMA, funcname),
				 errhint("Run ALTER EXTENSION zdm UPDATE.")));
	return oid;
}

/*
 * Its owner.  Errors with UNDEFINED_OBJECT when it is not installed, and with
 * OBJECT_NOT_IN_PREREQUISITE_STATE when its tables are of another version.
 */
static Oid
extension_owner(void)
{
	Oid			owner = InvalidOid;
	char	   *version;

	if (!read_extension(&owner, &version))
		(void) zdm_extension_oid(false);
	else if (strcmp(version, ZDM_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"zdm\" is at version %s in this database, and its library at %s",
						version, ZDM_VERSION),
				 errhint("Run ALTER EXTENSION zdm UPDATE.")));
	return owner;
}

/*
 * Open a scope: become the extension's owner, pin search_path, stay in this
 * process, connect to SPI.  Needs a transaction.  Errors as extension_owner() does.
 */
void
zdm_catalog_begin(ZdmCatalogScope *scope)
{
	Oid			owner = extension_owner();

	GetUserIdAndSecContext(&scope->save_userid, &scope->save_sec_context);
	SetUserIdAndSecContext(owner,
						   scope->save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	scope->guc_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);

	/*
	 * debug_parallel_query would have our few rows read by processes that
	 * transaction_timeout ends
	 */
	(void) set_config_option("max_parallel_workers_per_gather", "0",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
							 true, 0, false);
	/* to compile them takes longer than to run them */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* SPI wants an outer snapshot, which a worker has not got */
	scope->pushed_snapshot = !ActiveSnapshotSet();
	if (scope->pushed_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/* Close the scope that zdm_catalog_begin() opened. */
void
zdm_catalog_end(ZdmCatalogScope *scope)
{
	SPI_finish();
	if (scope->pushed_snapshot)
		PopActiveSnapshot();
	AtEOXact_GUC(true, scope->guc_nestlevel);
	SetUserIdAndSecContext(scope->save_userid, scope->save_sec_context);
}

/*
 * Run one statement of zdm's own; the result is in SPI_tuptable.  isnull may
 * be NULL when no argument is.  expected is the SPI_OK_* code.  Returns the
 * number of rows.
 */
int
zdm_catalog_execute(const char *sql, int nargs, const Oid *argtypes,
					const Datum *values, const bool *isnull, int expected)
{
	char	   *nulls = NULL;
	int			rc;

	if (isnull)
	{
		nulls = palloc(nargs);
		for (int i = 0; i < nargs; i++)
			nulls[i] = isnull[i] ? 'n' : ' ';
	}
	rc = SPI_execute_with_args(sql, nargs, unconstify(Oid *, argtypes),
							   unconstify(Datum *, values), nulls, false, 0);
	if (rc != expected)
		elog(ERROR, "SPI returned %s for: %s", SPI_result_code_string(rc), sql);
	return (int) SPI_processed;
}

/* Column col (from 1) of row row (from 0) of the last result. */
Datum
zdm_catalog_value(int row, int col, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col, isnull);
}

/* The same as text in mcxt; NULL for SQL NULL. */
char *
zdm_catalog_text(int row, int col, MemoryContext mcxt)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col);

	return value ? MemoryContextStrdup(mcxt, value) : NULL;
}

/* Run an UPDATE of the row whose id is $1, with one value, $2. */
void
zdm_catalog_set(const char *sql, int64 id, Oid argtype, Datum value, bool isnull)
{
	Oid			argtypes[] = {INT8OID, argtype};
	Datum		values[] = {Int64GetDatum(id), value};
	bool		nulls[] = {false, isnull};
	ZdmCatalogScope scope;

	zdm_catalog_begin(&scope);
	zdm_catalog_execute(sql, lengthof(argtypes), argtypes, values, nulls, SPI_OK_UPDATE);
	zdm_catalog_end(&scope);
}

/*
 * The first column, of type bigint and not NULL, of the rows of a query about
 * the id $1; in the current memory context.
 */
int64 *
zdm_catalog_ids(const char *sql, int64 id, int *count)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(id);
	ZdmCatalogScope scope;
	int64	   *ids;
	bool		isnull;

	zdm_catalog_begin(&scope);
	*count = zdm_catalog_execute(sql, 1, &argtype, &value, NULL, SPI_OK_SELECT);
	ids = MemoryContextAlloc(mcxt, sizeof(int64) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		ids[i] = DatumGetInt64(zdm_catalog_value(i, 1, &isnull));
	zdm_catalog_end(&scope);
	return ids;
}

/*
 * The first text of a query about the id $1, in the current memory context;
 * NULL when it is that, or there is no row.
 */
char *
zdm_catalog_ask(const char *sql, int64 id)
{
	MemoryContext mcxt = CurrentMemoryContext;
	Oid			argtype = INT8OID;
	Datum		value = Int64GetDatum(id);
	ZdmCatalogScope scope;
	char	   *answer = NULL;

	zdm_catalog_begin(&scope);
	if (zdm_catalog_execute(sql, 1, &argtype, &value, NULL, SPI_OK_SELECT) > 0)
		answer = zdm_catalog_text(0, 1, mcxt);
	zdm_catalog_end(&scope);
	return answer;
}
