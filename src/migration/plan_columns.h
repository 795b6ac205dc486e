/*
 * plan_columns.h
 *	  The plans of the recipes about a column.
 */
#ifndef ZDM_MIGRATION_PLAN_COLUMNS_H
#define ZDM_MIGRATION_PLAN_COLUMNS_H

#include "fmgr.h"
#include "migration/migration.h"

/* what zdm.change_column_type() is called with; texts may be NULL */
typedef struct ZdmTypeChange
{
	char	   *column;
	char	   *type;
	char	   *forward;
	char	   *reverse;
	char	   *new_name;		/* NULL: it keeps its name */
	ZdmMappingSide winner;
	ZdmMappingOnError on_error;
} ZdmTypeChange;

/* what zdm.add_column() is called with */
typedef struct ZdmNewColumn
{
	char	   *column;
	char	   *type;
	char	   *fill;			/* NULL: none */
	char	   *column_default; /* NULL: none */
	bool		not_null;
} ZdmNewColumn;

/*
 * The table is open with ACCESS SHARE and has been checked by
 * zdm_column_check_table().  id is that of the mapping.  Nothing is changed.
 * Errors: UNDEFINED_COLUMN, DUPLICATE_COLUMN, INVALID_NAME, RESERVED_NAME,
 * INVALID_PARAMETER_VALUE, FEATURE_NOT_SUPPORTED, INSUFFICIENT_PRIVILEGE,
 * DATATYPE_MISMATCH, and what PostgreSQL says of a type or an expression.
 */
extern ZdmMigrationPlan *zdm_plan_rename_column(Relation rel, int64 id, const char *column, const char *new_name);
extern ZdmMigrationPlan *zdm_plan_change_column_type(Relation rel, int64 id, const ZdmTypeChange *change);
extern ZdmMigrationPlan *zdm_plan_add_column(Relation rel, int64 id, const ZdmNewColumn *column);
extern ZdmMigrationPlan *zdm_plan_drop_column(Relation rel, int64 id, const char *column);

extern void zdm_column_check_table(Relation rel);

/* what becomes of an old column */
typedef enum ZdmColumnFate
{
	ZDM_COLUMN_RENAMED,			/* another one, of another name, is there */
	ZDM_COLUMN_SWAPPED,			/* another one takes its name */
	ZDM_COLUMN_DROPPED
} ZdmColumnFate;

/* dependents.c */
extern ZdmColumnFate zdm_migration_fate(const ZdmMigration *migration);
extern char *zdm_dependents_left(const ZdmMigration *migration);

/* record.c */
extern char *zdm_record_difference(const ZdmMigration *migration);
extern void zdm_record_require_same(const ZdmMigration *migration);

/* api_columns.c */
extern bool zdm_columns_is_function(PGFunction function);

#endif							/* ZDM_MIGRATION_PLAN_COLUMNS_H */
