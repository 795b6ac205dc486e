/*
 * rights.c
 *	  Roles that write a table and may not execute what its mapping needs.
 *
 * The expressions of a mapping run as whoever writes a row.  A role without
 * EXECUTE on a function in them could not write any more.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "compat/acl.h"
#include "mapping/expression.h"
#include "mapping/rights.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define WRITES (ACL_INSERT | ACL_UPDATE)

/* May the role write the table, or one below it, or a column of one? */
static bool
may_write(Oid role, const List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		if (pg_class_aclcheck(lfirst_oid(lc), role, WRITES) == ACLCHECK_OK ||
			pg_attribute_aclcheck_all(lfirst_oid(lc), role, WRITES, ACLMASK_ANY) == ACLCHECK_OK)
			return true;
	}
	return false;
}

static List *
missing_for(Oid role, const List *functions, List *missing)
{
	ListCell   *lc;

	foreach(lc, functions)
	{
		ZdmMissingRight *right;

		if (zdm_compat_function_aclcheck(lfirst_oid(lc), role, ACL_EXECUTE) == ACLCHECK_OK)
			continue;
		right = palloc(sizeof(ZdmMissingRight));
		right->role = role;
		right->function = lfirst_oid(lc);
		missing = lappend(missing, right);
	}
	return missing;
}

static List *
all_functions(Relation rel, const ZdmMapping *mapping, const ZdmMappingColumn *new_column)
{
	List	   *functions = zdm_mapping_analyze(rel, mapping, ZDM_SIDE_NEW, new_column)->functions;

	if (mapping->reverse)
		functions = list_concat_unique_oid(functions,
										   zdm_mapping_analyze(rel, mapping, ZDM_SIDE_OLD,
															   new_column)->functions);
	return functions;
}

/*
 * A ZdmMissingRight for each role that may write rel, or a partition or child
 * of it, and function of the mapping that it may not execute; new_column as in
 * zdm_mapping_check().  Superusers are left out, and the server's own roles,
 * whose members are listed.
 */
List *
zdm_mapping_missing_rights(Relation rel, const ZdmMapping *mapping,
						   const ZdmMappingColumn *new_column)
{
	List	   *functions = all_functions(rel, mapping, new_column);
	List	   *tables = find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL);
	List	   *missing = NIL;
	Relation	roles = table_open(AuthIdRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(roles, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_authid role = (Form_pg_authid) GETSTRUCT(tuple);

		if (!role->rolsuper && !IsReservedName(NameStr(role->rolname)) && may_write(role->oid, tables))
			missing = missing_for(role->oid, functions, missing);
	}
	systable_endscan(scan);
	table_close(roles, AccessShareLock);
	return missing;
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE when the current user may not execute one
 * of the functions.
 */
void
zdm_mapping_require_rights(const List *functions)
{
	ListCell   *lc;

	foreach(lc, functions)
	{
		Oid			function = lfirst_oid(lc);

		if (zdm_compat_function_aclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for function %s", get_func_name(function)),
					 errhint("Grant EXECUTE on it to every role that writes the table: a mapping of a migration needs it.")));
	}
}
