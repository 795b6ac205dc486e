/*
 * acl.h
 *	  Version differences in checks of privileges: of a role on an object, and
 *	  whether it owns one.
 */
#ifndef ZDM_COMPAT_ACL_H
#define ZDM_COMPAT_ACL_H

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_tablespace.h"
#include "utils/acl.h"

#if PG_VERSION_NUM >= 160000
#define zdm_compat_database_aclcheck(oid, role, mode) object_aclcheck(DatabaseRelationId, oid, role, mode)
#define zdm_compat_schema_aclcheck(oid, role, mode) object_aclcheck(NamespaceRelationId, oid, role, mode)
#define zdm_compat_tablespace_aclcheck(oid, role, mode) object_aclcheck(TableSpaceRelationId, oid, role, mode)
#define zdm_compat_function_aclcheck(oid, role, mode) object_aclcheck(ProcedureRelationId, oid, role, mode)
#define zdm_compat_owns_table(oid, role) object_ownercheck(RelationRelationId, oid, role)
#else
#define zdm_compat_database_aclcheck(oid, role, mode) pg_database_aclcheck(oid, role, mode)
#define zdm_compat_schema_aclcheck(oid, role, mode) pg_namespace_aclcheck(oid, role, mode)
#define zdm_compat_tablespace_aclcheck(oid, role, mode) pg_tablespace_aclcheck(oid, role, mode)
#define zdm_compat_function_aclcheck(oid, role, mode) pg_proc_aclcheck(oid, role, mode)
#define zdm_compat_owns_table(oid, role) pg_class_ownercheck(oid, role)
#endif

#endif							/* ZDM_COMPAT_ACL_H */
