/*
 * foreign_key.c
 *	  What of a foreign key can be told to fail before any table is locked for
 *	  it.
 *
 * PostgreSQL looks at this in the function that adds the constraint, under its
 * locks; here the same is looked at when the job is submitted, in the same
 * words.  What is missed makes the first step fail.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "compat/acl.h"
#include "compat/compat.h"
#include "compat/constraint.h"
#include "compat/explain.h"
#include "core/args.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "recipe/plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* The referenced key, in the order of the clause. */
typedef struct Key
{
	int			count;
	AttrNumber	column[INDEX_MAX_KEYS];
	Oid			opclass[INDEX_MAX_KEYS];	/* of the index */
} Key;

/* Where in the index is that column?  -1: not among its keys. */
static int
position_in(Form_pg_index index, AttrNumber attno)
{
	for (int i = 0; i < index->indnkeyatts; i++)
	{
		if (index->indkey.values[i] == attno && attno > 0)
			return i;
	}
	return -1;
}

/* Is that an index that a foreign key to these columns (NIL: the primary key) may rest on? */
static bool
read_index(HeapTuple tuple, Oid referenced, const List *columns, Key *key)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	bool		isnull;
	oidvector  *opclasses = (oidvector *)
	DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull));

	if (!index->indisunique || !index->indisvalid || !index->indimmediate || index->indisexclusion ||
		!heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
		return false;
	if (columns ? index->indnkeyatts != list_length(columns) : !index->indisprimary)
		return false;
	key->count = index->indnkeyatts;
	for (int i = 0; i < key->count; i++)
	{
		int			position = columns ? position_in(index, get_attnum(referenced, list_nth(columns, i))) : i;

		if (position < 0)
			return false;
		key->column[i] = index->indkey.values[position];
		key->opclass[i] = opclasses->values[position];
	}
	return true;
}

static bool
find_key(Relation referenced, const List *columns, Key *key)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(referenced))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tuple))
			continue;
		found = read_index(tuple, RelationGetRelid(referenced), columns, key);
		ReleaseSysCache(tuple);
		if (found)
			break;
	}
	return found;
}

/*
 * Can a foreign key refer to these columns of a table, which are there and
 * named once; NIL: to its primary key?
 */
bool
zdm_foreign_key_can_refer(Relation referenced, const List *columns)
{
	Key			key;

	return find_key(referenced, columns, &key);
}

static bool
is_btree(Oid opclass)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	bool		result = HeapTupleIsValid(tuple) && ((Form_pg_opclass) GETSTRUCT(tuple))->opcmethod == BTREE_AM_OID;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/* Are values of both types compared by the index, perhaps after a cast? */
static bool
can_compare(Oid opclass, Oid referenced_type, Oid type)
{
	Oid			family = get_opclass_family(opclass);
	Oid			input = get_opclass_input_type(opclass);
	Oid			base = getBaseType(type);
	Oid			given[] = {referenced_type, type};
	Oid			wanted[] = {input, input};

	if (!is_btree(opclass))
		return true;			/* the first step will tell */
	if (OidIsValid(get_opfamily_member(family, input, base, BTEqualStrategyNumber)) &&
		OidIsValid(get_opfamily_member(family, base, base, BTEqualStrategyNumber)))
		return true;
	return can_coerce_type(lengthof(given), given, wanted, COERCION_IMPLICIT);
}

static void
check_types(Relation rel, Relation referenced, const ZdmForeignKeyClause *clause, const Key *key)
{
	for (int i = 0; i < key->count; i++)
	{
		char	   *column = list_nth(clause->columns, i);
		Oid			type = get_atttype(RelationGetRelid(rel), get_attnum(RelationGetRelid(rel), column));
		Oid			referenced_type = get_atttype(RelationGetRelid(referenced), key->column[i]);

		if (!can_compare(key->opclass[i], referenced_type, type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("foreign key constraint \"%s\" cannot be implemented", clause->name),
					 errdetail(ZDM_DETAIL_INCOMPATIBLE_TYPES,
							   column, get_attname(RelationGetRelid(referenced), key->column[i], false),
							   format_type_be(type), format_type_be(referenced_type)),
					 errhint("Give the column the type of the column that it refers to.")));
	}
}

/* An action must not write what is computed. */
static void
check_generated(Relation rel, const ZdmForeignKeyClause *clause)
{
	bool		deletes = strncmp(clause->on_delete, "SET ", 4) == 0;
	bool		updates = strncmp(clause->on_update, "SET ", 4) == 0 || strcmp(clause->on_update, "CASCADE") == 0;
	ListCell   *lc;

	foreach(lc, clause->columns)
	{
		char		generated = get_attgenerated(RelationGetRelid(rel), get_attnum(RelationGetRelid(rel), lfirst(lc)));

		if (zdm_compat_is_virtual(generated))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("foreign key constraints on virtual generated columns are not supported"),
					 errhint("Column \"%s\" would have to be stored.", (char *) lfirst(lc))));
		if (generated && (updates || deletes))
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("invalid %s action for foreign key constraint containing generated column",
							updates ? "ON UPDATE" : "ON DELETE"),
					 errhint("Column \"%s\" cannot be written: use NO ACTION or RESTRICT; on_delete may be CASCADE, too.",
							 (char *) lfirst(lc))));
	}
}

static void
check_persistence(Relation rel, Relation referenced)
{
	if (referenced->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED &&
		rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("constraints on permanent tables may reference only permanent tables"),
				 errhint("Table \"%s\" is unlogged: use ALTER TABLE ... SET LOGGED first.",
						 RelationGetRelationName(referenced))));
}

/* The job runs as the owner of the referencing table. */
static void
check_rights(Relation rel, Relation referenced, const Key *key)
{
	Oid			owner = rel->rd_rel->relowner;
	char	   *schema = get_namespace_name(RelationGetNamespace(referenced));
	List	   *columns = NIL;

	for (int i = 0; i < key->count; i++)
		columns = lappend_int(columns, key->column[i]);
	zdm_require_references(RelationGetRelid(referenced), columns, owner);
	if (zdm_compat_schema_aclcheck(RelationGetNamespace(referenced), owner, ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema %s", schema),
				 errhint("The job runs as the owner of the referencing table: GRANT USAGE ON SCHEMA %s TO %s.",
						 quote_identifier(schema), quote_identifier(GetUserNameFromId(owner, false)))));
}

/*
 * Errors with what PostgreSQL would say of a new foreign key of rel:
 * INVALID_TABLE_DEFINITION, INSUFFICIENT_PRIVILEGE, SYNTAX_ERROR,
 * FEATURE_NOT_SUPPORTED, DATATYPE_MISMATCH.  The columns are known to be there,
 * and both tables are locked with ACCESS SHARE.
 */
void
zdm_foreign_key_check(Relation rel, const ZdmForeignKeyClause *clause)
{
	Relation	referenced = relation_open(clause->referenced, NoLock);
	Key			key;

	check_persistence(rel, referenced);
	if (find_key(referenced, clause->referenced_columns, &key))
	{
		check_rights(rel, referenced, &key);
		check_generated(rel, clause);
		check_types(rel, referenced, clause, &key);
	}
	relation_close(referenced, NoLock);
}
