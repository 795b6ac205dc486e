/*
 * pinned.h
 *	  Recorded settings in force for a moment, in a session that has its own.
 */
#ifndef ZDM_CORE_PINNED_H
#define ZDM_CORE_PINNED_H

#include "core/session.h"

typedef struct ZdmPinned ZdmPinned;

extern int	zdm_session_override(const ZdmSessionSettings *settings);
extern void zdm_session_restore(int nestlevel);

extern ZdmPinned *zdm_pinned_prepare(const ZdmSessionSettings *settings);
extern int	zdm_pinned_enter(ZdmPinned *pinned);

#endif							/* ZDM_CORE_PINNED_H */
