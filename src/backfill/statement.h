/*
 * statement.h
 *	  Plans of a backfill's statements: made, kept, checked, run.
 */
#ifndef ZDM_BACKFILL_STATEMENT_H
#define ZDM_BACKFILL_STATEMENT_H

#include "backfill/query.h"
#include "nodes/parsenodes.h"

struct ZdmStatements
{
	MemoryContext mcxt;			/* holds all of this */
	char	   *source;			/* for error reports and statistics */
	Bitmapset  *assigned;
	PlannedStmt *update;
	PlannedStmt *select;
	uint64		generation;		/* of the catalogs at planning */
};

extern ZdmStatements *zdm_statements_create(const char *source);
extern Expr *zdm_statement_param(int paramid, Oid type);
extern PlannedStmt *zdm_statement_plan(Query *query, const char *source);

#endif							/* ZDM_BACKFILL_STATEMENT_H */
