/*
 * identity.c
 *	  As whom a worker's transaction runs, and with which settings.
 *
 * User code (expressions, triggers) runs as the owner of the target.  Where
 * the owner may log in, the worker is connected as the owner and nothing has
 * to be switched.  Where not, the worker is connected as the bootstrap
 * superuser and switches for the whole transaction, its commit included, so
 * that deferred triggers run as the owner too; SECURITY_LOCAL_USERID_CHANGE
 * keeps user code from switching back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "core/identity.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/*
 * In a session: become owner while expressions on its table are analyzed and
 * planned, which may evaluate functions of the owner's.  An error gives the
 * identity back with the (sub)transaction.
 */
void
zdm_identity_borrow(ZdmBorrowedIdentity *borrowed, Oid owner, const char *search_path)
{
	GetUserIdAndSecContext(&borrowed->save_userid, &borrowed->save_sec_context);
	SetUserIdAndSecContext(owner, borrowed->save_sec_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	borrowed->guc_nestlevel = NewGUCNestLevel();
	(void) set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* The end of zdm_identity_borrow(). */
void
zdm_identity_give_back(ZdmBorrowedIdentity *borrowed)
{
	AtEOXact_GUC(false, borrowed->guc_nestlevel);
	SetUserIdAndSecContext(borrowed->save_userid, borrowed->save_sec_context);
}

/* what user code left behind with SET ROLE or SET SESSION AUTHORIZATION */
static void
undo_role_changes(void)
{
	if (GetSessionUserId() != GetAuthenticatedUserId())
		SetConfigOption("session_authorization",
						GetUserNameFromId(GetAuthenticatedUserId(), false),
						PGC_SUSET, PGC_S_SESSION);
	if (OidIsValid(GetCurrentRoleId()))
		SetConfigOption("role", "none", PGC_USERSET, PGC_S_SESSION);
}

/*
 * Become owner until zdm_identity_leave() or the transaction's abort.  Call
 * it right after StartTransactionCommand().
 */
void
zdm_identity_enter(Oid owner)
{
	undo_role_changes();
	if (GetUserId() != owner)
		SetUserIdAndSecContext(owner, SECURITY_LOCAL_USERID_CHANGE);
}

/*
 * Be who the process was again.  Call it right after
 * CommitTransactionCommand(); an abort has done it already.
 */
void
zdm_identity_leave(void)
{
	SetUserIdAndSecContext(GetSessionUserId(), 0);
}

/*
 * Set a setting for the current transaction, whatever role or database
 * settings, or code that ran earlier in this process, made of it.
 */
void
zdm_pin_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Set a setting for the rest of the process; false when this server does not
 * know the value.
 */
bool
zdm_try_session_setting(const char *name, const char *value)
{
	return set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SET, true, DEBUG1, false) > 0;
}

/* The owner of a relation; InvalidOid when it is gone. */
Oid
zdm_relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}
