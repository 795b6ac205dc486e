/*
 * grants.c
 *	  GRANT and REVOKE lock no table, but what they name must be there.
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/acl.h"

/* Errors with what PostgreSQL says of a name. */
static void
require_object(ObjectType objtype, Node *object)
{
	Relation	rel = NULL;

	switch (objtype)
	{
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			(void) typenameTypeId(NULL, makeTypeNameFromNameList((List *) object));
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_SCHEMA:
		case OBJECT_DATABASE:
		case OBJECT_TABLESPACE:
		case OBJECT_LANGUAGE:
		case OBJECT_FDW:
		case OBJECT_FOREIGN_SERVER:
			(void) get_object_address(objtype, object, &rel, AccessShareLock, false);
			break;
		default:
			break;
	}
}

static void
require_relation(const ZdmFacts *facts, const RangeVar *rv, const List *privileges)
{
	Oid			relid = zdm_facts_lookup(rv, false);
	ListCell   *lp;
	ListCell   *lc;

	foreach(lp, privileges)
	{
		foreach(lc, lfirst_node(AccessPriv, lp)->cols)
			zdm_facts_require_column(facts, relid, strVal(lfirst(lc)));
	}
}

static void
require_roles(const List *roles)
{
	ListCell   *lc;

	foreach(lc, roles)
	{
		const RoleSpec *role = lfirst_node(RoleSpec, lc);

		if (role->roletype != ROLESPEC_PUBLIC)
			(void) get_rolespec_oid(role, false);
	}
}

/* GRANT and REVOKE of rights.  Errors with what PostgreSQL says of names. */
void
zdm_explain_grant(const ZdmFacts *facts, const GrantStmt *stmt)
{
	ListCell   *lc;

	require_roles(stmt->grantees);
	if (stmt->targtype != ACL_TARGET_OBJECT)
		return;
	foreach(lc, stmt->objects)
	{
		if (stmt->objtype == OBJECT_TABLE || stmt->objtype == OBJECT_SEQUENCE)
			require_relation(facts, lfirst_node(RangeVar, lc), stmt->privileges);
		else
			require_object(stmt->objtype, lfirst(lc));
	}
}

/* GRANT and REVOKE of membership.  Errors with what PostgreSQL says of names. */
void
zdm_explain_grant_role(const GrantRoleStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->granted_roles)
		(void) get_role_oid(lfirst_node(AccessPriv, lc)->priv_name, false);
	require_roles(stmt->grantee_roles);
}
