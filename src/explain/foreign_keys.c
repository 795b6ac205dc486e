/*
 * foreign_keys.c
 *	  Foreign keys that are added, and what partitions have of one already.
 *
 * A foreign key of a partitioned table comes to each partition.  One that the
 * partition has of its own and that is equal is adopted: it is not checked
 * again, and the triggers that it has on the referenced table are dropped,
 * for which PostgreSQL locks that against everybody.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "compat/constraint.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* ---------- what partitions have ---------- */

/* A foreign key, and the names of its columns. */
typedef struct Wanted
{
	const Constraint *con;
	Oid			referenced;
	List	   *referenced_columns; /* of String */
} Wanted;

/* The columns of the primary key, of String; NIL when there is none. */
static List *
primary_key_columns(Oid relid)
{
	List	   *indexes = zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisprimary",
										 relid, InvalidOid, 0);
	List	   *columns = NIL;
	Relation	index;

	if (indexes == NIL)
		return NIL;
	index = index_open(linitial_oid(indexes), AccessShareLock);
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		columns = lappend(columns, makeString(get_attname(relid, index->rd_index->indkey.values[i], false)));
	index_close(index, NoLock);
	return columns;
}

static bool
are_named(Oid relid, const AttrNumber *attnos, int count, const List *names)
{
	ListCell   *lc;

	if (count != list_length(names))
		return false;
	foreach(lc, names)
	{
		if (strcmp(get_attname(relid, attnos[foreach_current_index(lc)], false), strVal(lfirst(lc))) != 0)
			return false;
	}
	return true;
}

/*
 * What PostgreSQL compares but for the operators, which follow from the types of
 * the columns and the referenced key.
 */
static bool
is_equal(HeapTuple tuple, const Wanted *wanted)
{
	Form_pg_constraint own = (Form_pg_constraint) GETSTRUCT(tuple);
	const Constraint *con = wanted->con;
	int			count;
	AttrNumber	columns[INDEX_MAX_KEYS];
	AttrNumber	referenced_columns[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];

	if (own->contype != CONSTRAINT_FOREIGN || OidIsValid(own->conparentid) ||
		own->confrelid != wanted->referenced || !zdm_compat_constraint_enforced(own) ||
		own->condeferrable != con->deferrable || own->condeferred != con->initdeferred ||
		own->confupdtype != con->fk_upd_action || own->confdeltype != con->fk_del_action ||
		own->confmatchtype != con->fk_matchtype || zdm_compat_is_temporal(own) || zdm_compat_is_period(con))
		return false;
	DeconstructFkConstraintRow(tuple, &count, columns, referenced_columns, operators, NULL, NULL, NULL, NULL);
	return are_named(own->conrelid, columns, count, con->fk_attrs) &&
		are_named(own->confrelid, referenced_columns, count, wanted->referenced_columns);
}

/* What a partition has of it; a valid one is preferred. */
static ZdmPartitionKey *
find_own(Oid relid, const Wanted *wanted)
{
	ZdmPartitionKey *key = palloc0(sizeof(ZdmPartitionKey));
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	key->relid = relid;
	ScanKeyInit(&skey, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 1, &skey);
	while (!key->valid && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint own = (Form_pg_constraint) GETSTRUCT(tuple);

		if (!is_equal(tuple, wanted))
			continue;
		key->own = pstrdup(NameStr(own->conname));
		key->valid = own->convalidated;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return key;
}

static void
collect_keys(Oid relid, const Wanted *wanted, List **keys)
{
	ListCell   *lc;

	foreach(lc, find_inheritance_children(relid, NoLock))
	{
		ZdmPartitionKey *key = find_own(lfirst_oid(lc), wanted);

		if (key->valid || get_rel_relkind(key->relid) != RELKIND_PARTITIONED_TABLE)
			*keys = lappend(*keys, key);
		else
			collect_keys(key->relid, wanted, keys);
	}
}

/*
 * What the partitions of relid, below it on any level, have of a foreign key
 * that is added to it, as a list of ZdmPartitionKey in the current memory
 * context: of all leaves, but for those under a partition that has a valid
 * one, which stands for them.  con is not analyzed.  Needs a snapshot.  Takes
 * no lock on partitions: it holds under one on relid that keeps others from
 * coming and going.
 */
List *
zdm_partition_keys(Oid relid, Oid referenced, const Constraint *con)
{
	Wanted		wanted = {con, referenced, con->pk_attrs};
	List	   *keys = NIL;

	if (con->pk_attrs == NIL)
		wanted.referenced_columns = primary_key_columns(referenced);
	collect_keys(relid, &wanted, &keys);
	return keys;
}

/* ---------- ADD FOREIGN KEY ---------- */

/* The unique index on the columns that a foreign key names; InvalidOid: none. */
static Oid
key_index(Oid relid, const List *columns)
{
	Bitmapset  *wanted = NULL;
	ListCell   *lc;

	foreach(lc, columns)
		wanted = bms_add_member(wanted, get_attnum(relid, strVal(lfirst(lc))));
	foreach(lc, zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisunique AND indisvalid"
							   " AND indimmediate AND indpred IS NULL AND indexprs IS NULL AND indnkeyatts = $3",
							   relid, InvalidOid, list_length(columns)))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Bitmapset  *keys = NULL;

		for (int i = 0; i < index->rd_index->indnkeyatts; i++)
			keys = bms_add_member(keys, index->rd_index->indkey.values[i]);
		index_close(index, NoLock);
		if (bms_equal(keys, wanted))
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

static Oid
primary_key_index(Oid relid)
{
	List	   *indexes = zdm_facts_oids("SELECT indexrelid FROM pg_index WHERE indrelid = $1 AND indisprimary AND indimmediate",
										 relid, InvalidOid, 0);

	return indexes == NIL ? InvalidOid : linitial_oid(indexes);
}

/* Can the key's operator tell whether a value of typid is equal to one in the index? */
static bool
is_comparable(Relation index, int key, Oid typid)
{
	Oid			family = index->rd_opfamily[key];
	Oid			input = index->rd_opcintype[key];
	Oid			base = getBaseType(typid);
	Oid			types[] = {get_atttype(index->rd_index->indrelid, index->rd_index->indkey.values[key]), typid};
	Oid			inputs[] = {input, input};

	if (OidIsValid(get_opfamily_member(family, input, base, BTEqualStrategyNumber)) &&
		OidIsValid(get_opfamily_member(family, base, base, BTEqualStrategyNumber)))
		return true;
	return can_coerce_type(2, types, inputs, COERCION_IMPLICIT);
}

/* Where in the index is the column that the n-th of the foreign key refers to? */
static int
key_of(Relation index, const Constraint *con, int n)
{
	AttrNumber	attnum;

	if (con->pk_attrs == NIL)
		return n;
	attnum = get_attnum(index->rd_index->indrelid, strVal(list_nth(con->pk_attrs, n)));
	for (int key = 0; key < index->rd_index->indnkeyatts; key++)
	{
		if (index->rd_index->indkey.values[key] == attnum)
			return key;
	}
	return -1;
}

/* The types of both sides must have an operator. */
static void
check_types(ZdmFacts *facts, Oid relid, const Constraint *con, Relation index)
{
	ListCell   *lc;

	if (list_length(con->fk_attrs) != index->rd_index->indnkeyatts)
	{
		zdm_facts_fails(facts, relid, "Fails: the foreign key has not as many columns as what it refers to. Name the columns of both sides.");
		return;
	}
	foreach(lc, con->fk_attrs)
	{
		Oid			typid = get_atttype(relid, get_attnum(relid, strVal(lfirst(lc))));
		int			key = key_of(index, con, foreach_current_index(lc));

		if (OidIsValid(typid) && key >= 0 && !is_comparable(index, key, typid))
			zdm_facts_fails(facts, relid, psprintf("Fails: column %s is of type %s, which cannot be compared with the column that it refers to. Change its type, as with zdm.change_column_type().",
												   quote_identifier(strVal(lfirst(lc))), format_type_be(typid)));
	}
}

/* The columns of both sides must be there, and be a key on the other side. */
static void
check_foreign_key(ZdmFacts *facts, Oid relid, Oid pkid, const Constraint *con)
{
	ZdmFacts	none = {.sql = facts->sql};
	ListCell   *lc;
	Oid			indexid;

	foreach(lc, con->fk_attrs)
		zdm_facts_require_column(facts, relid, strVal(lfirst(lc)));
	foreach(lc, con->pk_attrs)
		zdm_facts_require_column(relid == pkid ? facts : &none, pkid, strVal(lfirst(lc)));
	indexid = con->pk_attrs ? key_index(pkid, con->pk_attrs) : primary_key_index(pkid);
	if (OidIsValid(indexid) && facts->alone)
	{
		Relation	index = index_open(indexid, AccessShareLock);

		/* a key over periods is of another access method */
		if (index->rd_rel->relam == BTREE_AM_OID)
			check_types(facts, relid, con, index);
		index_close(index, NoLock);
	}
	if (!OidIsValid(indexid) && (con->pk_attrs == NIL || facts->new_columns == NIL))
		zdm_facts_fails(facts, pkid,
						psprintf("Fails: the referenced columns are no key. Use zdm.add_unique(%s, ...) or zdm.add_primary_key() there first.",
								 zdm_facts_literal(pkid)));
}

/*
 * The leaves to be checked: those that have not an equal one.  What an adopted
 * one has on each partition of a referenced table goes, too, for which its own
 * table is locked.
 */
static List *
adopt_keys(ZdmFacts *facts, Oid relid, Oid pkid, const Constraint *con)
{
	bool		pk_partitioned = get_rel_relkind(pkid) == RELKIND_PARTITIONED_TABLE;
	List	   *unchecked = NIL;
	ListCell   *lc;

	foreach(lc, zdm_partition_keys(relid, pkid, con))
	{
		const ZdmPartitionKey *key = lfirst(lc);

		if (key->own && (key->valid || ZDM_ADOPTS_NOT_VALID))
		{
			zdm_facts_lock_list(facts, zdm_facts_tree(pkid, pk_partitioned), AccessExclusiveLock);
			if (pk_partitioned)
				zdm_facts_lock_list(facts, zdm_facts_tree(key->relid, true), AccessExclusiveLock);
		}
		if (!key->valid)
			unchecked = list_concat(unchecked, zdm_facts_leaves(key->relid, true));
	}
	return unchecked;
}

/* ADD FOREIGN KEY, in either form. */
void
zdm_explain_add_foreign_key(ZdmFacts *facts, Oid relid, const Constraint *con)
{
	Oid			pkid = zdm_facts_lookup(con->pktable, false);
	bool		partitioned = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
	bool		pk_partitioned = get_rel_relkind(pkid) == RELKIND_PARTITIONED_TABLE;
	List	   *unchecked;

	check_foreign_key(facts, relid, pkid, con);
	zdm_facts_refuse_taken_constraint(facts, relid, con->conname, false);
	zdm_facts_require_references(pkid, con->pk_attrs);
	zdm_facts_lock_list(facts, zdm_facts_tree(relid, partitioned), ShareRowExclusiveLock);
	zdm_facts_lock_list(facts, zdm_facts_tree(pkid, pk_partitioned), ShareRowExclusiveLock);
	unchecked = partitioned ? adopt_keys(facts, relid, pkid, con) : zdm_facts_leaves(relid, false);
	/* a period is looked up for each row */
	if (!con->skip_validation && zdm_compat_is_period(con))
		zdm_facts_scan_list(facts, unchecked,
							"Reads the whole table, and looks up each row in the other, while both are locked against writes. Add it NOT VALID and then use zdm.validate_constraint().");
	else if (!con->skip_validation && unchecked != NIL)
		zdm_facts_check_foreign_key(facts, unchecked, pkid,
									psprintf("Reads the whole table, and looks up each row in the other, while both are locked against writes. Use zdm.add_foreign_key(%s, ...), or add it NOT VALID and then zdm.validate_constraint().",
											 zdm_facts_literal(relid)));
	else if (partitioned && !con->initially_valid && !ZDM_PARTITIONED_FK_NOT_VALID)
		zdm_facts_fails(facts, relid,
						"Fails: before PostgreSQL 18, a foreign key of a partitioned table cannot be NOT VALID. Use zdm.add_foreign_key(), which builds it partition by partition.");
}
