/*
 * target.h
 *	  What a table and its constraint must be to be validated, and how.
 */
#ifndef ZDM_CONSTRAINT_TARGET_H
#define ZDM_CONSTRAINT_TARGET_H

#include "constraint/scan.h"
#include "fmgr.h"

#define ZDM_METHOD_CHUNKED "chunked"
#define ZDM_METHOD_NATIVE "native"

extern char *zdm_validation_method_arg(FunctionCallInfo fcinfo, int argno);
extern Relation zdm_validation_target_open(Oid target);
extern void zdm_validation_target_check(Relation rel);
extern ZdmConstraint *zdm_validation_target_constraint(Relation rel, const char *name);
extern bool zdm_target_choose(const ZdmConstraint *top, const char *asked,
							  const char **method, const char **why);
extern void zdm_target_require_fit(const ZdmScanMethod *method,
								   const ZdmConstraint *constraint, Relation rel);

#endif							/* ZDM_CONSTRAINT_TARGET_H */
