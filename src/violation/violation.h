/*
 * violation.h
 *	  Rows that break a constraint or keep a unique index from being built:
 *	  zdm.violation.
 *
 * For each job, the first ZDM_VIOLATION_LIMIT finds are listed and all of them
 * are counted.  Who looks for them is another room's business.
 */
#ifndef ZDM_VIOLATION_VIOLATION_H
#define ZDM_VIOLATION_VIOLATION_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"

/* finds that are listed for one job; the others are counted */
#define ZDM_VIOLATION_LIMIT 100

typedef struct ZdmViolation
{
	const char *constraint_name;	/* or the name of the index */
	const char *schema_name;	/* of the relation that has the row */
	const char *table_name;
	ItemPointer row_ctid;		/* NULL when it is not about one row */
	const char *row_key;		/* JSON object; NULL without a primary key */
	const char *row_values;		/* JSON object: what breaks the constraint */
	int64		occurrences;	/* rows that this find stands for */
} ZdmViolation;

/* The texts of a find; evaluates output functions of the user's types. */
extern char *zdm_violation_key(Relation rel, TupleTableSlot *slot);
extern char *zdm_violation_values(Relation rel, TupleTableSlot *slot,
								  const AttrNumber *attnos, int natts);
extern char *zdm_violation_pair(char *object, const char *name, const char *value);

/* Access to the rows.  Each needs a transaction; none of them commits. */
extern void zdm_violation_clear(int64 job_id);
extern bool zdm_violation_find(int64 job_id, const ZdmViolation *violation);
extern bool zdm_violation_add(int64 job_id, const ZdmViolation *violation);
extern void zdm_violation_count(int64 job_id, int64 rows);
extern int64 zdm_violation_total(int64 job_id);

#endif							/* ZDM_VIOLATION_VIOLATION_H */
