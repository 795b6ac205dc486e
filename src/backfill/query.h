/*
 * query.h
 *	  The statements of a backfill, put together as trees.
 */
#ifndef ZDM_BACKFILL_QUERY_H
#define ZDM_BACKFILL_QUERY_H

#include "backfill/spec.h"
#include "backfill/statement.h"
#include "nodes/bitmapset.h"
#include "utils/relcache.h"

/* what analysis of the clauses against one relation says */
typedef struct ZdmClauseFacts
{
	Bitmapset  *assigned;		/* attribute numbers -
								 * FirstLowInvalidHeapAttributeNumber */
	bool		volatile_assignment;
	bool		time_dependent_assignment;
	bool		depends_on_other_rows;
	bool		locks_rows;		/* a sub-select has FOR UPDATE or the like */
	bool		volatile_filter;
	bool		whole_row;		/* a clause refers to the row as a whole */
	bool		comparable;		/* the values can be compared before the
								 * update */
	char	   *first_column;	/* name of the first assigned column */
	Bitmapset  *used;			/* all that are assigned or read, likewise */
} ZdmClauseFacts;

extern void zdm_query_check_rules(Relation rel);
extern ZdmClauseFacts *zdm_query_facts(const ZdmBackfillSpec *spec, Relation rel);
extern double zdm_query_estimate_rows(const ZdmBackfillSpec *spec, Relation rel);
extern ZdmStatements *zdm_query_prepare(const ZdmBackfillSpec *spec, Relation rel);

#endif							/* ZDM_BACKFILL_QUERY_H */
