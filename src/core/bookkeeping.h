/*
 * bookkeeping.h
 *	  Transactions of zdm's own in a background process.
 */
#ifndef ZDM_CORE_BOOKKEEPING_H
#define ZDM_CORE_BOOKKEEPING_H

#include "core/errors.h"

typedef void (*ZdmBookkeepingStep) (void *arg);

extern void zdm_bookkeeping_pin_settings(void);
extern void zdm_bookkeeping_begin(void);
extern void zdm_bookkeeping_commit(void);
extern ZdmError *zdm_bookkeeping_try(ZdmBookkeepingStep step, void *arg);
extern bool zdm_bookkeeping_is_passing(const ZdmError *error);

#endif							/* ZDM_CORE_BOOKKEEPING_H */
