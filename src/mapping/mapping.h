/*
 * mapping.h
 *	  A mapping: how the new shape of a row is computed from the old one and,
 *	  where possible, back.
 *
 * Dual write, backfill, verification and repair are all derived from it.  At
 * run time the mapping is what the arguments of the table's sync trigger say.
 */
#ifndef ZDM_MAPPING_MAPPING_H
#define ZDM_MAPPING_MAPPING_H

#include "core/session.h"
#include "nodes/primnodes.h"
#include "utils/relcache.h"

/* the trigger's function in schema zdm, and the beginning of its name */
#define ZDM_SYNC_FUNCTION "sync"
#define ZDM_SYNC_TRIGGER_PREFIX "~zdm_sync_"

typedef enum ZdmMappingMode
{
	ZDM_MAPPING_SYNC,			/* both ways, by value */
	ZDM_MAPPING_FILL			/* the new column is filled where it is NULL */
} ZdmMappingMode;

typedef enum ZdmMappingSide
{
	ZDM_SIDE_OLD,
	ZDM_SIDE_NEW
} ZdmMappingSide;

typedef enum ZdmMappingOnError
{
	ZDM_ON_ERROR_FAIL,			/* the application's statement fails */
	ZDM_ON_ERROR_NULL			/* the new column becomes NULL, counted */
} ZdmMappingOnError;

typedef struct ZdmMapping
{
	int64		id;
	ZdmMappingMode mode;
	ZdmMappingSide authority;	/* which side an INSERT is taken to write */
	ZdmMappingSide winner;		/* when an UPDATE changes both */
	ZdmMappingOnError on_error;
	char	   *old_column;		/* what reverse is assigned to; NULL: none */
	char	   *new_column;
	char	   *forward;		/* expressions over the row, as text */
	char	   *reverse;		/* NULL: none */
	ZdmSessionSettings settings;	/* under which both are to be read */
} ZdmMapping;

/* a column that need not exist yet */
typedef struct ZdmMappingColumn
{
	const char *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
} ZdmMappingColumn;

/* what analysis says of a mapping */
typedef struct ZdmMappingFacts
{
	List	   *forward_columns;	/* of char *: what forward reads */
	List	   *functions;		/* of Oid: user-defined functions in both */
	bool		is_stable;		/* not immutable: settings matter */
} ZdmMappingFacts;

/*
 * Errors for what cannot be a mapping on rel: each expression is analyzed alone,
 * against rel's columns and new_column (which may not exist yet).  Volatile
 * functions, aggregates, window functions, set-returning functions,
 * sub-selects, generated and system columns are refused; the result must be
 * assignable to the other side.
 */
extern ZdmMappingFacts *zdm_mapping_check(Relation rel, const ZdmMapping *mapping,
										  const ZdmMappingColumn *new_column);

/* The mapping that the trigger of that id on rel has; NULL when there is none. */
extern ZdmMapping *zdm_mapping_of(Relation rel, int64 id);

/*
 * CREATE OR REPLACE TRIGGER ... ON <rel's qualified name> ..., and its
 * counterpart DROP TRIGGER IF EXISTS ...
 */
extern char *zdm_mapping_trigger_sql(Relation rel, const ZdmMapping *mapping);
extern char *zdm_mapping_drop_trigger_sql(Relation rel, int64 id);

/*
 * forward, coerced to the new column's type, and the condition "is
 * consistent", analyzed and planned against rel, whose columns are Vars of
 * varno.  rel has both columns.
 */
extern Expr *zdm_mapping_forward_expr(Relation rel, const ZdmMapping *mapping, int varno);
extern Expr *zdm_mapping_consistent_expr(Relation rel, const ZdmMapping *mapping, int varno);

#endif							/* ZDM_MAPPING_MAPPING_H */
