/*
 * target.h
 *	  What a table must be to be backfilled.
 */
#ifndef ZDM_BACKFILL_TARGET_H
#define ZDM_BACKFILL_TARGET_H

#include "backfill/query.h"
#include "utils/relcache.h"

extern Relation zdm_target_open(Oid target);
extern void zdm_target_check(Relation rel);
extern void zdm_target_check_access_method(Relation rel);
extern void zdm_target_check_foreign_keys(Relation rel, const Bitmapset *assigned);
extern ZdmClauseFacts *zdm_target_check_clauses(ZdmBackfillSpec *spec, Relation rel,
												double *rows);
extern ZdmClauseFacts *zdm_target_check_mapping(ZdmBackfillSpec *spec, Relation rel,
												double *rows);

#endif							/* ZDM_BACKFILL_TARGET_H */
