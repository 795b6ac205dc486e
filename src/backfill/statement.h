/*
 * statement.h
 *	  Plans of a backfill's statements: made, kept, checked, run.
 */
#ifndef ZDM_BACKFILL_STATEMENT_H
#define ZDM_BACKFILL_STATEMENT_H

#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "storage/itemptr.h"

/* the rows that one execution looks at */
typedef struct ZdmRange
{
	ItemPointerData from;		/* inclusive */
	ItemPointerData to;			/* exclusive */
	int			stripes;
	int			stripe;
} ZdmRange;

/* the two statements of one relation, see query.c */
typedef struct ZdmStatements
{
	MemoryContext mcxt;			/* holds all of this */
	char	   *source;			/* for error reports and statistics */
	Bitmapset  *assigned;		/* as in ZdmClauseFacts */
	int64		mapping_id;		/* it assigns what this one says; 0: none */
	PlannedStmt *update;
	PlannedStmt *select;
	uint64		generation;		/* of the catalogs at planning */
} ZdmStatements;

/* called for each row that the range still has to convert; false stops */
typedef bool (*ZdmRowCallback) (ItemPointer tid, TransactionId xmin, void *arg);

extern void zdm_statement_init(void);
extern ZdmStatements *zdm_statement_create(const char *source);
extern void zdm_statement_keep(ZdmStatements *statements);
extern void zdm_statement_free(ZdmStatements *statements);
extern bool zdm_statement_is_stale(const ZdmStatements *statements);
extern Expr *zdm_statement_param(int paramid, Oid type);
extern PlannedStmt *zdm_statement_plan(Query *query, const char *source);
extern uint64 zdm_statement_update(ZdmStatements *statements, const ZdmRange *range);
extern void zdm_statement_select(ZdmStatements *statements, const ZdmRange *range,
								 ZdmRowCallback callback, void *arg);

#endif							/* ZDM_BACKFILL_STATEMENT_H */
