/*
 * kinds.h
 *	  The kinds of job that a worker can run.
 */
#ifndef ZDM_WORKER_KINDS_H
#define ZDM_WORKER_KINDS_H

#include "job/kind.h"

extern const ZdmJobKind *zdm_kind_find(const char *name);

#endif							/* ZDM_WORKER_KINDS_H */
