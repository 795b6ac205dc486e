/*
 * fk_parents.h
 *	  Looking for parents by key.
 */
#ifndef ZDM_CONSTRAINT_FK_PARENTS_H
#define ZDM_CONSTRAINT_FK_PARENTS_H

#include "constraint/fk.h"
#include "constraint/fk_walk.h"
#include "fmgr.h"

typedef struct ZdmParents
{
	const ZdmForeignKey *fk;
	Relation	heap;
	Relation	index;
	const Oid  *child_type;		/* of the keys that are looked for */
	FmgrInfo	compare[INDEX_MAX_KEYS];	/* entry of the index with key */
	ZdmWalk		walk;
	bool		positioned;
	bool		is_visible;		/* the entry that walk stands on */
} ZdmParents;

extern void zdm_parents_begin(ZdmParents *parents, const ZdmForeignKey *fk, Snapshot snapshot,
							  const Oid *child_type);
extern void zdm_parents_unposition(ZdmParents *parents);
extern bool zdm_parents_find(ZdmParents *parents, const Datum *key);
extern bool zdm_parents_missing(ZdmParents *parents, const Datum *key, Snapshot snapshot);
extern void zdm_parents_end(ZdmParents *parents);

#endif							/* ZDM_CONSTRAINT_FK_PARENTS_H */
