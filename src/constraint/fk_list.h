/*
 * fk_list.h
 *	  Listing the orphans of a foreign key that cannot be scanned in chunks.
 */
#ifndef ZDM_CONSTRAINT_FK_LIST_H
#define ZDM_CONSTRAINT_FK_LIST_H

#include "constraint/scan.h"

extern void zdm_fk_require_periods(const ZdmConstraint *constraint);
extern bool zdm_fk_list_orphans(ZdmValidation *v);

#endif							/* ZDM_CONSTRAINT_FK_LIST_H */
