/*
 * clause.h
 *	  set_clause and filter: from text to parse trees, each by itself.
 */
#ifndef ZDM_BACKFILL_CLAUSE_H
#define ZDM_BACKFILL_CLAUSE_H

#include "backfill/spec.h"
#include "utils/relcache.h"

extern void zdm_clause_parse(ZdmBackfillSpec *spec);
extern void zdm_clause_check(const ZdmBackfillSpec *spec, Relation rel);
extern void zdm_clause_check_rewrite(const ZdmBackfillSpec *spec, Relation rel);

#endif							/* ZDM_BACKFILL_CLAUSE_H */
