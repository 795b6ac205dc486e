/*
 * catalog.c
 *	  Looking things up for explain: OIDs from catalogs, trees of tables.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "explain/facts.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * The first column, of type oid, of a query on catalogs with the parameters
 * $1 oid, $2 oid, $3 int.
 */
List *
zdm_facts_oids(const char *sql, Oid arg1, Oid arg2, int arg3)
{
	static const Oid argtypes[] = {OIDOID, OIDOID, INT4OID};
	Datum		values[] = {ObjectIdGetDatum(arg1), ObjectIdGetDatum(arg2), Int32GetDatum(arg3)};
	MemoryContext mcxt = CurrentMemoryContext;
	ZdmCatalogScope scope;
	List	   *result = NIL;
	int			rows;

	zdm_catalog_begin(&scope);
	rows = zdm_catalog_execute(sql, 3, argtypes, values, NULL, SPI_OK_SELECT);
	for (int row = 0; row < rows; row++)
	{
		bool		isnull;
		Oid			oid = DatumGetObjectId(zdm_catalog_value(row, 1, &isnull));
		MemoryContext save = MemoryContextSwitchTo(mcxt);

		if (!isnull)
			result = lappend_oid(result, oid);
		MemoryContextSwitchTo(save);
	}
	zdm_catalog_end(&scope);
	return result;
}

/* relid and, if recurse, all tables below it; ACCESS SHARE is kept on each. */
List *
zdm_facts_tree(Oid relid, bool recurse)
{
	return recurse ? find_all_inheritors(relid, AccessShareLock, NULL) : list_make1_oid(relid);
}

/* Those of the tree that have rows of their own. */
List *
zdm_facts_leaves(Oid relid, bool recurse)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, zdm_facts_tree(relid, recurse))
	{
		if (zdm_facts_has_storage(lfirst_oid(lc)))
			result = lappend_oid(result, lfirst_oid(lc));
	}
	return result;
}

/* The sequences that belong to a column of relid, or (0) to any. */
List *
zdm_facts_sequences(Oid relid, AttrNumber attnum)
{
	return zdm_facts_oids("SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass"
						  " AND refclassid = 'pg_class'::regclass AND refobjid = $1"
						  " AND (refobjsubid = $3 OR $3 = 0 AND refobjsubid <> 0)"
						  " AND deptype IN ('a', 'i') AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')",
						  relid, InvalidOid, attnum);
}

/* Has relid storage? */
bool
zdm_facts_has_storage(Oid relid)
{
	return RELKIND_HAS_STORAGE(get_rel_relkind(relid));
}

/* schema.name of a relation, quoted as needed. */
char *
zdm_facts_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* 'schema.name' as an SQL literal. */
char *
zdm_facts_literal(Oid relid)
{
	return quote_literal_cstr(zdm_facts_name(relid));
}

static bool
is_of_kind(ObjectType objtype, char relkind)
{
	switch (objtype)
	{
		case OBJECT_TABLE:
			return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE;
		case OBJECT_INDEX:
			return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;
		case OBJECT_VIEW:
			return relkind == RELKIND_VIEW;
		case OBJECT_MATVIEW:
			return relkind == RELKIND_MATVIEW;
		case OBJECT_SEQUENCE:
			return relkind == RELKIND_SEQUENCE;
		case OBJECT_FOREIGN_TABLE:
			return relkind == RELKIND_FOREIGN_TABLE;
		case OBJECT_TYPE:
			return relkind == RELKIND_COMPOSITE_TYPE;
		default:
			return true;
	}
}

/* Errors with WRONG_OBJECT_TYPE when the statement is for another kind of relation. */
void
zdm_facts_check_kind(ObjectType objtype, char relkind, Oid relid)
{
	if (!is_of_kind(objtype, relkind))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" is of another kind than the statement says", zdm_facts_name(relid)),
				 errdetail_relkind_not_supported(relkind),
				 errhint("Use the form of the statement for this kind of relation.")));
}

/* The owner of a relation that exists. */
Oid
zdm_facts_owner(Oid relid)
{
	Oid			owner = zdm_relation_owner(relid);

	if (!OidIsValid(owner))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return owner;
}
