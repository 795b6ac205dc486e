/*
 * facts.c
 *	  What pg_constraint says of one constraint of one relation.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "constraint/facts.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"

#define NOT_VALID " NOT VALID"

/*
 * The definition for people, as pg_get_constraintdef() has it, without NOT
 * VALID at its end.  Needs a snapshot.
 */
char *
zdm_constraint_definition(const ZdmConstraint *constraint)
{
	Datum		value = OidFunctionCall1(F_PG_GET_CONSTRAINTDEF_OID, ObjectIdGetDatum(constraint->oid));
	char	   *definition = TextDatumGetCString(value);
	size_t		len = strlen(definition);
	size_t		suffix = strlen(NOT_VALID);

	if (len > suffix && strcmp(definition + len - suffix, NOT_VALID) == 0)
		definition[len - suffix] = '\0';
	return definition;
}

static char *
expression_of(HeapTuple tuple, Relation catalog)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, Anum_pg_constraint_conbin,
									 RelationGetDescr(catalog), &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static ZdmConstraint *
from_tuple(HeapTuple tuple, Relation catalog)
{
	Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);
	ZdmConstraint *constraint = palloc0(sizeof(ZdmConstraint));

	constraint->oid = con->oid;
	constraint->relid = con->conrelid;
	constraint->name = pstrdup(NameStr(con->conname));
	constraint->contype = con->contype;
	constraint->valid = con->convalidated;
	constraint->enforced = zdm_compat_constraint_enforced(con);
	constraint->no_inherit = con->connoinherit;
	constraint->deferrable = con->condeferrable;
	constraint->deferred = con->condeferred;
	constraint->temporal = zdm_compat_is_temporal(con);
	constraint->expression = expression_of(tuple, catalog);
	constraint->confrelid = con->confrelid;
	constraint->conindid = con->conindid;
	constraint->matchtype = con->confmatchtype;
	constraint->parent = con->conparentid;
	return constraint;
}

/*
 * The constraint of that name as the catalogs have it now, in the current
 * memory context; NULL when there is none.  Needs a transaction and a lock on
 * the relation; a snapshot of its own is taken by the catalog scan.
 */
ZdmConstraint *
zdm_constraint_load(Oid relid, const char *name)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ZdmConstraint *constraint = NULL;
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key[0], Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&key[1], Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(InvalidOid));
	ScanKeyInit(&key[2], Anum_pg_constraint_conname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 3, key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		constraint = from_tuple(tuple, catalog);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return constraint;
}

/* Is a constraint one of those that were made for top on partitions? */
static bool
is_below(Form_pg_constraint con, Oid top)
{
	Oid			parent = con->conparentid;

	while (OidIsValid(parent) && parent != top)
	{
		HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(parent));

		if (!HeapTupleIsValid(tuple))
			return false;
		parent = ((Form_pg_constraint) GETSTRUCT(tuple))->conparentid;
		ReleaseSysCache(tuple);
	}
	return OidIsValid(parent);
}

/*
 * The foreign key of a partition that was made for top, the OID of one of a
 * partitioned table above it.  As zdm_constraint_load().
 */
ZdmConstraint *
zdm_constraint_load_below(Oid relid, Oid top)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ZdmConstraint *constraint = NULL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (constraint == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);

		if (con->contype == CONSTRAINT_FOREIGN && is_below(con, top))
			constraint = from_tuple(tuple, catalog);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return constraint;
}

/*
 * Whether two loads speak of the same constraint.  No command changes the
 * expression or the columns of a constraint in place, so its OID would do;
 * the expression is compared because OIDs come round again.
 */
bool
zdm_constraint_same(const ZdmConstraint *a, const ZdmConstraint *b)
{
	if (a->oid != b->oid || a->contype != b->contype || a->confrelid != b->confrelid)
		return false;
	if (a->expression == NULL || b->expression == NULL)
		return a->expression == b->expression;
	return strcmp(a->expression, b->expression) == 0;
}

/* What people call it. */
const char *
zdm_constraint_type_name(char contype)
{
	switch (contype)
	{
		case CONSTRAINT_CHECK:
			return "CHECK";
		case CONSTRAINT_FOREIGN:
			return "FOREIGN KEY";
		case CONSTRAINT_PRIMARY:
			return "PRIMARY KEY";
		case CONSTRAINT_UNIQUE:
			return "UNIQUE";
		case CONSTRAINT_EXCLUSION:
			return "EXCLUDE";
		case 'n':
			return "NOT NULL";
		default:
			return "constraint";
	}
}

/*
 * The columns of the constraint in its relation, palloc'd; *count is 0 when
 * it names none.
 */
AttrNumber *
zdm_constraint_columns(const ZdmConstraint *constraint, int *count)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint->oid));
	AttrNumber *columns = NULL;
	bool		isnull;
	Datum		value;

	*count = 0;
	if (!HeapTupleIsValid(tuple))
		return NULL;
	value = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conkey, &isnull);
	if (!isnull)
	{
		ArrayType  *array = DatumGetArrayTypePCopy(value);

		*count = ARR_DIMS(array)[0];
		columns = (AttrNumber *) ARR_DATA_PTR(array);
	}
	ReleaseSysCache(tuple);
	return columns;
}
