/*
 * acl.h
 *	  Version differences in checks of privileges.
 */
#ifndef ZDM_COMPAT_ACL_H
#define ZDM_COMPAT_ACL_H

#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "utils/acl.h"

/* Privileges of a role on a function. */
static inline AclResult
zdm_compat_function_aclcheck(Oid function, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, mode);
#else
	return pg_proc_aclcheck(function, role, mode);
#endif
}

/* Does the role own the table? */
static inline bool
zdm_compat_owns_table(Oid table, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, table, role);
#else
	return pg_class_ownercheck(table, role);
#endif
}

#endif							/* ZDM_COMPAT_ACL_H */
