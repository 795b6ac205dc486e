/*
 * leaves.h
 *	  The relations with storage that a table consists of.
 */
#ifndef ZDM_SCAN_LEAVES_H
#define ZDM_SCAN_LEAVES_H

#include "nodes/pg_list.h"

extern List *zdm_leaf_list(Oid target);
extern int64 zdm_leaf_total_blocks(Oid target);

#endif							/* ZDM_SCAN_LEAVES_H */
