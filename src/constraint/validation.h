/*
 * validation.h
 *	  The kind of job "validation".
 */
#ifndef ZDM_CONSTRAINT_VALIDATION_H
#define ZDM_CONSTRAINT_VALIDATION_H

#include "job/kind.h"

extern ZdmRunOutcome zdm_validation_run(const ZdmJob *job);

#endif							/* ZDM_CONSTRAINT_VALIDATION_H */
