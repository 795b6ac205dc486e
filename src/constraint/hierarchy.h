/*
 * hierarchy.h
 *	  The relations that a constraint is to be validated on.
 */
#ifndef ZDM_CONSTRAINT_HIERARCHY_H
#define ZDM_CONSTRAINT_HIERARCHY_H

#include "constraint/facts.h"
#include "nodes/pg_list.h"

extern List *zdm_hierarchy_list(const ZdmConstraint *constraint);
extern ZdmConstraint *zdm_hierarchy_member(const ZdmConstraint *top, Oid relid);
extern bool zdm_hierarchy_below_is_valid(const ZdmConstraint *constraint);
extern bool zdm_hierarchy_below_is_left(const ZdmConstraint *constraint,
										const char *left_behind);
extern Oid	zdm_hierarchy_next(const ZdmConstraint *top, const char *left_behind);
extern void zdm_hierarchy_size(const ZdmConstraint *top, int64 *blocks, int64 *rows);

#endif							/* ZDM_CONSTRAINT_HIERARCHY_H */
