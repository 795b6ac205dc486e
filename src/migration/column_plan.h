/*
 * column_plan.h
 *	  The plan of a recipe about one column while it is put together, for the
 *	  files of this room.
 */
#ifndef ZDM_MIGRATION_COLUMN_PLAN_H
#define ZDM_MIGRATION_COLUMN_PLAN_H

#include "access/tupdesc.h"
#include "migration/plan_columns.h"
#include "nodes/nodes.h"

#define ZDM_LOCK_STRONG "ACCESS EXCLUSIVE"
#define ZDM_LOCK_TRIGGER "SHARE ROW EXCLUSIVE"
#define ZDM_LOCK_WEAK "SHARE UPDATE EXCLUSIVE"
#define ZDM_LOCK_WRITE "ROW EXCLUSIVE"
#define ZDM_LOCK_READ "ACCESS SHARE"

typedef struct ZdmColumnPlan
{
	Relation	rel;
	char	   *table;			/* its name, qualified and quoted */
	int64		id;				/* of the mapping; makes names unique */
	int			nnames;			/* how many were made */
	AttrNumber	attnum;			/* of the old column; invalid: there is none */
	char	   *old_name;		/* the old column's until it is retired */
	char	   *hidden_name;	/* and from then on */
	char	   *working_name;	/* the new column's until the old one is
								 * retired */
	char	   *final_name;		/* and from then on */
	Oid			type;			/* of the new column */
	int32		typmod;
	Oid			collation;
	bool		retyped;		/* the values are not simply the old ones */
	bool		plain_cast;		/* they are the old ones, cast */
	bool		reversible;		/* the old column is still kept right when it
								 * is retired */
	List	   *retire;			/* of char *: the statements of that one
								 * transaction, after the columns are renamed */
	List	   *retire_undo;	/* in the order in which they run */
	List	   *not_null_renames;	/* of char *: once the old column is gone */
	ZdmMigrationPlan *plan;
} ZdmColumnPlan;

/* build.c: names, steps */
extern char *zdm_column_plan_table_name(Relation rel);
extern ZdmColumnPlan *zdm_column_plan_begin(Relation rel, const char *kind, int64 id);
extern char *zdm_column_plan_name(ZdmColumnPlan *build, const char *base);
extern ZdmStep *zdm_column_plan_main(ZdmColumnPlan *build, ZdmPhase phase, ZdmStepKind kind, const char *object,
									 char *statement, char *undo, const char *lock);
extern void zdm_column_plan_validated(ZdmColumnPlan *build, Oid target, const char *table, const char *name,
									  const char *definition, bool validate, const char *lock);
extern void zdm_column_plan_not_null(ZdmColumnPlan *build, const char *column, Oid type, const char *name);
extern void zdm_column_plan_retire(ZdmColumnPlan *build, char *statement, char *undo);
extern ZdmStep *zdm_column_plan_retire_step(ZdmColumnPlan *build, const char *object, char *statement, char *undo,
											const char *lock);
extern void zdm_column_plan_purge(ZdmColumnPlan *build, Oid target, const char *object, char *statement);
extern void zdm_column_plan_hand_over(ZdmColumnPlan *build, Oid target, const char *object, char *statement,
									  bool first);
extern void zdm_column_plan_manual(ZdmColumnPlan *build, const char *fmt,...) pg_attribute_printf(2, 3);
extern void zdm_column_plan_warn(ZdmColumnPlan *build, const char *fmt,...) pg_attribute_printf(2, 3);
extern void zdm_column_plan_take_mapping(ZdmColumnPlan *build, ZdmMapping *mapping);
extern ZdmColumnFate zdm_column_plan_fate(const ZdmColumnPlan *build);
extern ZdmMigrationPlan *zdm_column_plan_end(ZdmColumnPlan *build);
extern char *zdm_column_plan_join(List *statements);

/* column.c: what a table and a column must be */
extern void zdm_column_take_old(ZdmColumnPlan *build, const char *name);
extern void zdm_column_take_new(ZdmColumnPlan *build, const char *name);
extern void zdm_column_take_type(ZdmColumnPlan *build, const char *name);
extern void zdm_column_check_type(ZdmColumnPlan *build, const char *name);

/* mapped.c: what rename_column and change_column_type have in common */
extern void zdm_column_plan_fill(ZdmColumnPlan *build);
extern void zdm_column_plan_mapped(ZdmColumnPlan *build);

/* carry_*.c: what the new column gets from the old one */
extern char *zdm_carry_add_column(ZdmColumnPlan *build);
extern void zdm_carry_indexes(ZdmColumnPlan *build);
extern void zdm_carry_constraints(ZdmColumnPlan *build);
extern void zdm_carry_referencing_keys(ZdmColumnPlan *build);
extern void zdm_carry_statistics(ZdmColumnPlan *build);
extern void zdm_carry_default(ZdmColumnPlan *build);
extern void zdm_carry_policies(ZdmColumnPlan *build);
extern List *zdm_carry_triggers(ZdmColumnPlan *build);

/* carry_index.c */
typedef struct ZdmIndexCarry
{
	char	   *definition;		/* CREATE INDEX CONCURRENTLY under another
								 * name */
	char	   *name;			/* that name */
	char	   *after;			/* to be run when it has the old one's name:
								 * begins with ';', or is empty */
	char	   *before;			/* to be run before the old one is dropped:
								 * ends with ';', or is empty */
} ZdmIndexCarry;

extern ZdmIndexCarry *zdm_carry_index(ZdmColumnPlan *build, Oid index);

/* dependents.c */
extern void zdm_column_list_dependents(ZdmColumnPlan *build);

/* record.c */

/* is key of a record about the column alone? */
#define ZDM_RECORD_OWN_SQL "(key = 'NOT NULL' OR key LIKE 'the %')"

extern void zdm_column_plan_record(ZdmColumnPlan *build);

/* rows.c */
typedef struct ZdmRows
{
	int			count;
	char	 ***values;			/* [row][column], text; NULL for NULL */
} ZdmRows;

extern ZdmRows *zdm_rows_of_words(const char *sql, Oid relid, AttrNumber attnum, const char *name, const char *word1,
								  const char *word2);
extern ZdmRows *zdm_rows_of(const char *sql, Oid relid, AttrNumber attnum, const char *name);

/* dependents.c */
extern ZdmRows *zdm_dependents_carried(Relation rel, AttrNumber attnum, ZdmColumnFate fate);

/* rewrite.c */
typedef struct ZdmRenaming
{
	const char *from;
	const char *to;
	bool		is_expression;	/* to is put in as it is, in parentheses */
} ZdmRenaming;

extern char *zdm_rewrite_expression(const char *text, const ZdmRenaming *renamings, int count);
extern char *zdm_rewrite_index(const char *definition, const char *new_name, const ZdmRenaming *renaming);
extern char *zdm_rewrite_check(const char *definition, const ZdmRenaming *renaming);
extern char *zdm_rewrite_lists(const char *definition, Bitmapset *lists, const ZdmRenaming *renaming);
extern List *zdm_rewrite_columns_read(const char *text);
extern Node *zdm_analyze_condition(Relation rel, const char *text);
extern void zdm_check_as_new(ZdmColumnPlan *build, const char *text, const char *what, const char *name,
							 bool is_condition, bool must_be_immutable);

#endif							/* ZDM_MIGRATION_COLUMN_PLAN_H */
