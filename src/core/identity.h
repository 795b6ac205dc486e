/*
 * identity.h
 *	  As whom a worker's transaction runs, and with which settings.
 */
#ifndef ZDM_CORE_IDENTITY_H
#define ZDM_CORE_IDENTITY_H

/* what zdm_identity_borrow() has changed */
typedef struct ZdmBorrowedIdentity
{
	Oid			save_userid;
	int			save_sec_context;
	int			guc_nestlevel;
} ZdmBorrowedIdentity;

extern Oid	zdm_relation_owner(Oid relid);

extern void zdm_identity_borrow(ZdmBorrowedIdentity *borrowed, Oid owner,
								const char *search_path);
extern void zdm_identity_give_back(ZdmBorrowedIdentity *borrowed);

extern void zdm_identity_enter(Oid owner);
extern void zdm_identity_leave(void);
extern void zdm_pin_setting(const char *name, const char *value);
extern bool zdm_try_session_setting(const char *name, const char *value);

#endif							/* ZDM_CORE_IDENTITY_H */
