/*
 * target.h
 *	  What a table or an index must be for a job on an index.
 */
#ifndef ZDM_INDEX_TARGET_H
#define ZDM_INDEX_TARGET_H

#include "index/store.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

extern Relation zdm_index_open_table(const RangeVar *name);
extern Relation zdm_index_open_table_of(Oid index, ZdmIndexAction action);

#endif							/* ZDM_INDEX_TARGET_H */
