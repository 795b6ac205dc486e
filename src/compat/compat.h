/*
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18, and nothing else.
 *
 * PG_VERSION_NUM appears in this folder only.  Each difference is one macro
 * or inline function with the newest version's name or meaning.
 */
#ifndef ZDM_COMPAT_COMPAT_H
#define ZDM_COMPAT_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "zdm needs PostgreSQL 15 or later"
#endif

#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_tablespace.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/wait_event.h"

/* 18: stands before the declaration */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* May a background worker connect as a role that may not log in? */
#if PG_VERSION_NUM >= 170000
#define ZDM_BYPASS_ROLELOGINCHECK BGWORKER_BYPASS_ROLELOGINCHECK
#define ZDM_CAN_BYPASS_ROLELOGINCHECK true
#else
#define ZDM_BYPASS_ROLELOGINCHECK 0
#define ZDM_CAN_BYPASS_ROLELOGINCHECK false
#endif

/* A wait event of our own; before 17 they all are "Extension". */
static inline uint32
zdm_compat_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* Entry index (from 1) of this process's copy of the backend status array. */
static inline LocalPgBackendStatus *
zdm_compat_local_beentry(int index)
{
#if PG_VERSION_NUM >= 160000
	return pgstat_get_local_beentry_by_index(index);
#else
	return pgstat_fetch_stat_local_beentry(index);
#endif
}

/*
 * The process that is in that virtual transaction; NULL when none is, because
 * it has ended, or was prepared.  (A prepared one keeps the number of its
 * session, which may be in another transaction.)
 */
static inline PGPROC *
zdm_compat_vxid_proc(VirtualTransactionId vxid)
{
#if PG_VERSION_NUM >= 170000
	PGPROC	   *proc = ProcNumberGetProc(vxid.procNumber);
	LocalTransactionId lxid = proc ? proc->vxid.lxid : InvalidLocalTransactionId;
#else
	PGPROC	   *proc = BackendIdGetProc(vxid.backendId);
	LocalTransactionId lxid = proc ? proc->lxid : InvalidLocalTransactionId;
#endif

	return lxid == vxid.localTransactionId ? proc : NULL;
}

/* Does the process serve a client's session? */
static inline bool
zdm_compat_is_client(const volatile PGPROC *proc)
{
#if PG_VERSION_NUM >= 180000
	return proc->isRegularBackend;
#else
	return OidIsValid(proc->databaseId) && !proc->isBackgroundWorker &&
		(proc->statusFlags & PROC_IS_AUTOVACUUM) == 0;
#endif
}

/* Run a portal to its end. */
static inline bool
zdm_compat_portal_run(Portal portal, bool is_top_level, DestReceiver *dest,
					  QueryCompletion *completion)
{
#if PG_VERSION_NUM >= 180000
	return PortalRun(portal, FETCH_ALL, is_top_level, dest, dest, completion);
#else
	return PortalRun(portal, FETCH_ALL, is_top_level, true, dest, dest, completion);
#endif
}

#endif							/* ZDM_COMPAT_COMPAT_H */
