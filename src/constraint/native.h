/*
 * native.h
 *	  ALTER TABLE ... VALIDATE CONSTRAINT.
 */
#ifndef ZDM_CONSTRAINT_NATIVE_H
#define ZDM_CONSTRAINT_NATIVE_H

#include "constraint/scan.h"

extern bool zdm_native_lock(const ZdmValidation *v, Oid relid);
extern void zdm_native_statement(const ZdmConstraint *constraint);
extern char *zdm_native_text(const ZdmConstraint *constraint);
extern bool zdm_native(ZdmValidation *v);

#endif							/* ZDM_CONSTRAINT_NATIVE_H */
