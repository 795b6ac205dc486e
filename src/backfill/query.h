/*
 * query.h
 *	  The statements of a backfill, put together as trees, and their plans.
 */
#ifndef ZDM_BACKFILL_QUERY_H
#define ZDM_BACKFILL_QUERY_H

#include "backfill/spec.h"
#include "nodes/bitmapset.h"
#include "nodes/plannodes.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* the rows that one execution looks at */
typedef struct ZdmRange
{
	ItemPointerData from;		/* inclusive */
	ItemPointerData to;			/* exclusive */
	int			stripes;
	int			stripe;
} ZdmRange;

/* what analysis of the clauses against one relation says */
typedef struct ZdmClauseFacts
{
	Bitmapset  *assigned;		/* attribute numbers - FirstLowInvalidHeapAttributeNumber */
	bool		volatile_assignment;
	bool		time_dependent_assignment;
	bool		volatile_filter;
	bool		comparable;		/* the values can be compared before the update */
	char	   *first_column;	/* name of the first assigned column */
} ZdmClauseFacts;

typedef struct ZdmStatements ZdmStatements;

extern ZdmClauseFacts *zdm_query_facts(const ZdmBackfillSpec *spec, Relation rel);
extern double zdm_query_estimate_rows(const ZdmBackfillSpec *spec, Relation rel);

extern void zdm_query_init(void);
extern ZdmStatements *zdm_query_prepare(const ZdmBackfillSpec *spec, Relation rel);
extern void zdm_query_free(ZdmStatements *statements);
extern bool zdm_query_is_stale(const ZdmStatements *statements);
extern const Bitmapset *zdm_query_assigned(const ZdmStatements *statements);
extern uint64 zdm_query_update(ZdmStatements *statements, const ZdmRange *range);

/* called for each row that the range still has to convert; false stops */
typedef bool (*ZdmRowCallback) (ItemPointer tid, TransactionId xmin, void *arg);
extern void zdm_query_select(ZdmStatements *statements, const ZdmRange *range,
							 ZdmRowCallback callback, void *arg);

#endif							/* ZDM_BACKFILL_QUERY_H */
