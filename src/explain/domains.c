/*
 * domains.c
 *	  Types: a domain's constraints are checked in every table that uses it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* tables with a column of the domain $1, or of a domain over it */
#define USERS_OF_DOMAIN \
	"WITH RECURSIVE t(typid) AS (SELECT $1 UNION SELECT oid FROM t JOIN pg_type ON typbasetype = typid AND typtype = 'd')" \
	" SELECT DISTINCT attrelid FROM t JOIN pg_attribute ON atttypid = typid AND NOT attisdropped" \
	" JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'm') ORDER BY 1"

/* those that have it inside another type, which PostgreSQL refuses */
#define INDIRECT_USERS_OF_DOMAIN \
	"WITH RECURSIVE t(typid, inside) AS (SELECT $1, false UNION" \
	" SELECT y.oid, inside OR y.typtype <> 'd' FROM t JOIN pg_type y ON (y.typtype = 'd' AND y.typbasetype = typid)" \
	"  OR (y.typelem = typid AND y.typlen = -1) OR y.typrelid IN (SELECT attrelid FROM pg_attribute WHERE atttypid = typid" \
	"      AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'c')))" \
	" SELECT DISTINCT attrelid FROM t JOIN pg_attribute ON atttypid = typid AND NOT attisdropped" \
	" JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'm') WHERE inside ORDER BY 1"

static void
check_users(ZdmFacts *facts, Oid typid, const char *advice)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_oids(USERS_OF_DOMAIN, typid, InvalidOid, 0))
	{
		zdm_facts_lock(facts, lfirst_oid(lc), ShareLock);
		zdm_facts_scan(facts, lfirst_oid(lc), advice);
	}
	foreach(lc, zdm_facts_oids(INDIRECT_USERS_OF_DOMAIN, typid, InvalidOid, 0))
		zdm_facts_fails(facts, lfirst_oid(lc),
						"Fails: a column has the domain inside an array or a composite type, where it cannot be checked. Use NOT VALID, or change that column first.");
}

static bool
is_not_null(Oid typid)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	bool		result = ((Form_pg_type) GETSTRUCT(tuple))->typnotnull;

	ReleaseSysCache(tuple);
	return result;
}

static bool
is_valid_constraint(Oid typid, const char *name)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID,
										ObjectIdGetDatum(get_domain_constraint_oid(typid, name, false)));
	bool		result = ((Form_pg_constraint) GETSTRUCT(tuple))->convalidated;

	ReleaseSysCache(tuple);
	return result;
}

#define ADVICE_TABLE_CHECK \
	"Scans every table that uses the domain, while writers wait. Use zdm.add_check() and zdm.set_not_null() on the tables instead."

/* ALTER DOMAIN */
void
zdm_explain_domain(ZdmFacts *facts, AlterDomainStmt *stmt)
{
	Oid			typid = typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName));
	const Constraint *con = (const Constraint *) stmt->def;
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	Oid			owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	char		typtype = ((Form_pg_type) GETSTRUCT(tuple))->typtype;

	ReleaseSysCache(tuple);
	if (typtype != TYPTYPE_DOMAIN)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a domain", format_type_be(typid)),
				 errhint("Use ALTER TYPE.")));
	zdm_require_owner_rights(owner, psprintf("type %s", format_type_be(typid)));
	if (stmt->subtype == 'C' && con->conname && OidIsValid(get_domain_constraint_oid(typid, con->conname, true)))
		zdm_facts_note(facts, false, "Fails: a constraint of that name is there already. Choose another name.");
	if (stmt->subtype == 'X')
		(void) get_domain_constraint_oid(typid, stmt->name, stmt->missing_ok);
	if (stmt->subtype == 'C' && con->contype == CONSTR_CHECK && !con->skip_validation)
		check_users(facts, typid, ADVICE_TABLE_CHECK);
	else if ((stmt->subtype == 'O' || (stmt->subtype == 'C' && con->contype == CONSTR_NOTNULL)) &&
			 !is_not_null(typid))
		check_users(facts, typid, ADVICE_TABLE_CHECK);
	else if (stmt->subtype == 'V' && !is_valid_constraint(typid, stmt->name))
		check_users(facts, typid,
					"Scans every table that uses the domain, while writers wait, unlike VALIDATE CONSTRAINT of a table. Use zdm.add_check() on the tables instead.");
}

static bool
has_label(Oid typid, const char *label)
{
	return SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(typid), PointerGetDatum(label));
}

/* ALTER TYPE ... ADD VALUE or RENAME VALUE */
void
zdm_explain_enum(ZdmFacts *facts, AlterEnumStmt *stmt)
{
	Oid			typid = typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName));

	if (get_typtype(typid) != TYPTYPE_ENUM)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not an enum", format_type_be(typid)),
				 errhint("Name a type that was made with CREATE TYPE ... AS ENUM.")));
	if (has_label(typid, stmt->newVal))
		zdm_facts_note(facts, stmt->skipIfNewValExists,
					   stmt->skipIfNewValExists ? "The label is there already: nothing is done." :
					   "Fails: the label is there already. Choose another one.");
	else if ((stmt->oldVal && !has_label(typid, stmt->oldVal)) ||
			 (stmt->newValNeighbor && !has_label(typid, stmt->newValNeighbor)))
		zdm_facts_note(facts, false, "Fails: the type has no label of the name that is to be changed, or before or after which the new one is to be. \\dT+ in psql lists the labels.");
	else
		zdm_facts_note(facts, stmt->oldVal == NULL,
					   stmt->oldVal ? "It locks no table, but clients that use the old label fail. Add the new label, fill it in with zdm.start_backfill(), and stop using the old one." :
					   "It locks no table. The new label can be used after the commit.");
}

/* ALTER TYPE of a composite type: its tables follow it. */
void
zdm_explain_composite(ZdmFacts *facts, Oid relid)
{
	zdm_facts_lock(facts, relid, AccessExclusiveLock);
	zdm_facts_lock_list(facts,
						zdm_facts_oids("SELECT oid FROM pg_class WHERE reloftype = (SELECT reltype FROM pg_class WHERE oid = $1)",
									   relid, InvalidOid, 0), AccessExclusiveLock);
}
