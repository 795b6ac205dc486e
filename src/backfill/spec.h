/*
 * spec.h
 *	  The definition of a backfill: what zdm.backfill keeps of it.
 */
#ifndef ZDM_BACKFILL_SPEC_H
#define ZDM_BACKFILL_SPEC_H

#include "mapping/mapping.h"
#include "nodes/pg_list.h"

typedef struct ZdmBackfillSpec
{
	Oid			target;
	char	   *target_name;	/* as the clauses may call it */
	int64		mapping_id;		/* 0: none, set_clause and filter say it */
	char	   *set_clause;		/* with a mapping, only for people */
	char	   *filter;			/* may be NULL */
	bool		fire_triggers;
	bool		analyze_after;
	int			max_quarantine;
	int			max_sweeps;
	ZdmSessionSettings settings;	/* as at submit, pinned in a batch */

	/* the clauses, parsed but not analyzed */
	List	   *set_list;		/* of ResTarget */
	Node	   *filter_tree;	/* may be NULL */

	ZdmMapping *mapping;		/* as read from the target's trigger */
} ZdmBackfillSpec;

extern void zdm_spec_init(ZdmBackfillSpec *spec);
extern bool zdm_spec_same(const ZdmBackfillSpec *a, const ZdmBackfillSpec *b);
extern void zdm_spec_store(int64 job_id, const ZdmBackfillSpec *spec);
extern void zdm_spec_store_estimate(int64 job_id, double rows);
extern void zdm_spec_store_set_clause(int64 job_id, const char *set_clause);
extern void zdm_spec_discard(int64 job_id);
extern ZdmBackfillSpec *zdm_spec_load(int64 job_id);

#endif							/* ZDM_BACKFILL_SPEC_H */
