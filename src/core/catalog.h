/*
 * catalog.h
 *	  Access to zdm's own tables, always as the extension's owner.
 *
 * Users need no privilege on zdm's tables.  C code reaches them between
 * zdm_catalog_begin() and zdm_catalog_end(), which switch to the extension's
 * owner under search_path = pg_catalog, pg_temp and connect to SPI.  Nothing
 * that a user wrote may be evaluated inside such a scope.
 */
#ifndef ZDM_CORE_CATALOG_H
#define ZDM_CORE_CATALOG_H

#include "executor/spi.h"

typedef struct ZdmCatalogScope
{
	Oid			save_userid;
	int			save_sec_context;
	int			guc_nestlevel;
	bool		pushed_snapshot;
} ZdmCatalogScope;

extern Oid	zdm_extension_oid(bool missing_ok);
extern char *zdm_extension_version(void);
extern Oid	zdm_own_relation(const char *relname, bool missing_ok);
extern Oid	zdm_own_function(const char *funcname, int nargs, const Oid *argtypes);

extern void zdm_catalog_begin(ZdmCatalogScope *scope);
extern void zdm_catalog_end(ZdmCatalogScope *scope);

/* each in a scope of its own */
extern void zdm_catalog_set(const char *sql, int64 id, Oid argtype, Datum value, bool isnull);
extern int64 *zdm_catalog_ids(const char *sql, int64 id, int *count);
extern char *zdm_catalog_ask(const char *sql, int64 id);

/* inside a scope only */
extern int	zdm_catalog_execute(const char *sql, int nargs, const Oid *argtypes,
								const Datum *values, const bool *isnull,
								int expected);
extern Datum zdm_catalog_value(int row, int col, bool *isnull);
extern char *zdm_catalog_text(int row, int col, MemoryContext mcxt);

#endif							/* ZDM_CORE_CATALOG_H */
