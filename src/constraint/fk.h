/*
 * fk.h
 *	  A foreign key as the scans for orphans need to know it.
 */
#ifndef ZDM_CONSTRAINT_FK_H
#define ZDM_CONSTRAINT_FK_H

#include "constraint/scan.h"

typedef struct ZdmForeignKey
{
	Oid			constraint;
	Oid			child;			/* referencing table */
	Oid			parent;			/* referenced table */
	Oid			parent_index;	/* the unique index that it rests on */
	bool		match_full;

	/* its columns, in the order of the columns of parent_index */
	int			nkeys;
	AttrNumber	child_att[INDEX_MAX_KEYS];
	AttrNumber	parent_att[INDEX_MAX_KEYS];
	Oid			equal[INDEX_MAX_KEYS];	/* parent = child */
} ZdmForeignKey;

/* fk.c */
extern void zdm_fk_load(const ZdmConstraint *constraint, ZdmForeignKey *fk);
extern bool zdm_fk_fits(const ZdmConstraint *constraint, Relation child, const char **why);
extern char *zdm_fk_premises(const ZdmConstraint *constraint, Relation child);
extern bool zdm_fk_lock_parent(const ZdmForeignKey *fk);

/* fk_merge.c */
extern Oid	zdm_fk_find_index(const ZdmForeignKey *fk, Relation child, bool *not_yet);

#endif							/* ZDM_CONSTRAINT_FK_H */
