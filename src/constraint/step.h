/*
 * step.h
 *	  What the transactions of a validation begin with.
 */
#ifndef ZDM_CONSTRAINT_STEP_H
#define ZDM_CONSTRAINT_STEP_H

#include "constraint/scan.h"

extern bool zdm_step_lock(const ZdmValidation *v, Oid relid, LOCKMODE lockmode);
extern ZdmConstraint *zdm_step_top(ZdmValidation *v);
extern ZdmConstraint *zdm_step_constraint(const ZdmValidation *v, Oid relid);
extern ZdmVerdict zdm_step_open(ZdmValidation *v, LOCKMODE lockmode, Relation *rel);

#endif							/* ZDM_CONSTRAINT_STEP_H */
