/*
 * identity.h
 *	  As whom a worker's transaction runs, and with which settings.
 */
#ifndef ZDM_CORE_IDENTITY_H
#define ZDM_CORE_IDENTITY_H

extern void zdm_identity_enter(Oid owner);
extern void zdm_identity_leave(void);
extern void zdm_pin_setting(const char *name, const char *value);
extern bool zdm_try_session_setting(const char *name, const char *value);

#endif							/* ZDM_CORE_IDENTITY_H */
