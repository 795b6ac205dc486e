/*
 * rights.c
 *	  Which rights a statement needs on a relation.
 *
 * They are looked at before anything is waited for, so that nobody queues for
 * the lock of a statement that will be refused.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_namespace.h"
#include "compat/explain.h"
#include "core/args.h"
#include "explain/facts.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static Oid
schema_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/* Does a grant do instead of ownership? */
static bool
is_granted(Oid relid, ZdmRight right)
{
	Oid			user = GetUserId();

	switch (right)
	{
		case ZDM_RIGHT_OWNER:
			break;
		case ZDM_RIGHT_DROP:
			return has_privs_of_role(user, schema_owner(get_rel_namespace(relid)));
		case ZDM_RIGHT_TRUNCATE:
			return pg_class_aclcheck(relid, user, ACL_TRUNCATE) == ACLCHECK_OK;
		case ZDM_RIGHT_TRIGGER:
			return pg_class_aclcheck(relid, user, ACL_TRIGGER) == ACLCHECK_OK;
		case ZDM_RIGHT_MAINTAIN:
			return zdm_compat_may_maintain(relid, user);
	}
	return false;
}

/* Has the current user that right on a relation? */
bool
zdm_facts_may(Oid relid, ZdmRight right)
{
	return is_granted(relid, right) || has_privs_of_role(GetUserId(), zdm_facts_owner(relid));
}

static void
refuse_catalog(Oid relid)
{
	if (IsCatalogRelationOid(relid) && !allowSystemTableMods)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("relation \"%s\" is a system catalog", zdm_facts_name(relid)),
				 errhint("Name a relation of yours.")));
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE unless the current user may make foreign
 * keys to these columns, of String, of a relation, which must be one of users;
 * NIL: to its primary key.
 */
void
zdm_facts_require_references(Oid relid, const List *columns)
{
	List	   *attnums = NIL;
	ListCell   *lc;

	refuse_catalog(relid);
	foreach(lc, columns)
	{
		AttrNumber	attnum = get_attnum(relid, strVal(lfirst(lc)));

		if (attnum != InvalidAttrNumber)
			attnums = lappend_int(attnums, attnum);
	}
	if (columns == NIL)
	{
		Oid			constraint;
		Bitmapset  *key = get_primary_key_attnos(relid, false, &constraint);

		for (int i = bms_next_member(key, -1); i >= 0; i = bms_next_member(key, i))
			attnums = lappend_int(attnums, i + FirstLowInvalidHeapAttributeNumber);
	}
	zdm_require_references(relid, attnums, GetUserId());
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE unless the current user has that right on
 * a relation, which must be one of users.
 */
void
zdm_facts_require(Oid relid, ZdmRight right)
{
	refuse_catalog(relid);
	if (!is_granted(relid, right))
		zdm_require_owner_rights(zdm_facts_owner(relid), psprintf("relation \"%s\"", zdm_facts_name(relid)));
}

/*
 * Tables and materialized views with rows, of users, in a schema (0: in any),
 * that the current user may maintain; ACCESS SHARE is kept on each.
 */
List *
zdm_facts_maintained(Oid schema)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, zdm_facts_oids("SELECT oid FROM pg_class WHERE relkind IN ('r', 'm') AND relpersistence <> 't'"
							   " AND oid >= $3 AND ($1 = 0 OR relnamespace = $1) ORDER BY oid",
							   schema, InvalidOid, FirstNormalObjectId))
	{
		Oid			relid = lfirst_oid(lc);

		LockRelationOid(relid, AccessShareLock);
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) && zdm_facts_may(relid, ZDM_RIGHT_MAINTAIN))
			result = lappend_oid(result, relid);
		else
			UnlockRelationOid(relid, AccessShareLock);
	}
	return result;
}
