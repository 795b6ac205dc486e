/*
 * predicate.h
 *	  Which rows a batch takes: what the SQL functions that zdm adds to
 *	  every statement of a backfill read.
 */
#ifndef ZDM_BACKFILL_PREDICATE_H
#define ZDM_BACKFILL_PREDICATE_H

#include "storage/itemptr.h"

/* one version of one row */
typedef struct ZdmRowVersion
{
	ItemPointerData tid;
	TransactionId xmin;
} ZdmRowVersion;

extern void zdm_predicate_take_all(void);
extern void zdm_predicate_take_only(const ZdmRowVersion *rows, int nrows);
extern void zdm_predicate_hold_back(const ZdmRowVersion *rows, int nrows);
extern void zdm_predicate_set_stripe(int stripes, int stripe);
extern bool zdm_predicate_takes(ItemPointer tid, TransactionId xmin);

#endif							/* ZDM_BACKFILL_PREDICATE_H */
