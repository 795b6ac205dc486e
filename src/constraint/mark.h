/*
 * mark.h
 *	  Marking a constraint as valid.
 */
#ifndef ZDM_CONSTRAINT_MARK_H
#define ZDM_CONSTRAINT_MARK_H

#include "constraint/scan.h"

extern ZdmVerdict zdm_mark_scanned(ZdmRun *base, void *arg);
extern ZdmVerdict zdm_mark_parent(ZdmRun *base, void *arg);

#endif							/* ZDM_CONSTRAINT_MARK_H */
