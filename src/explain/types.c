/*
 * types.c
 *	  ALTER COLUMN ... TYPE: whether rows are rewritten, indexes rebuilt,
 *	  constraints checked again, and who else is locked for it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* an ALTER COLUMN ... TYPE on one table */
typedef struct TypeChange
{
	ZdmFacts   *facts;
	Oid			relid;
	AttrNumber	attnum;
	const char *column;
	Oid			typid;			/* new */
	Oid			collid;			/* new */
	bool		rewrites;
	const char *advice;
} TypeChange;

/* The expression that makes the new values of the old, planned. */
static Node *
conversion(const AlterTableCmd *cmd, Form_pg_attribute att, Oid typid, int32 typmod)
{
	ColumnDef  *def = castNode(ColumnDef, cmd->def);
	ParseState *pstate = make_parsestate(NULL);
	Node	   *expr = def->cooked_default;

	if (expr == NULL)
		expr = (Node *) makeVar(1, att->attnum, att->atttypid, att->atttypmod, att->attcollation, 0);
	expr = coerce_to_target_type(pstate, expr, exprType(expr), typid, typmod,
								 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" cannot be cast automatically to type %s",
						cmd->name, format_type_be(typid)),
				 errhint("Say how with USING, as in \"USING %s::%s\".", quote_identifier(cmd->name),
						 format_type_with_typemod(typid, typmod))));
	assign_expr_collations(pstate, expr);
	return (Node *) expression_planner((Expr *) expr);
}

/*
 * The server's own test: rows stay as they are when the conversion comes down
 * to the column itself.  NULL when it does not.
 */
static Node *
peel(Node *expr)
{
	if (IsA(expr, RelabelType))
		return (Node *) ((RelabelType *) expr)->arg;
	if (IsA(expr, CoerceToDomain))
		return DomainHasConstraints(((CoerceToDomain *) expr)->resulttype) ? NULL :
			(Node *) ((CoerceToDomain *) expr)->arg;
	if (IsA(expr, FuncExpr))
	{
		FuncExpr   *func = (FuncExpr *) expr;

		if ((func->funcid == F_TIMESTAMPTZ_TIMESTAMP || func->funcid == F_TIMESTAMP_TIMESTAMPTZ) &&
			!TimestampTimestampTzRequiresRewrite())
			return linitial(func->args);
	}
	return NULL;
}

static bool
is_just_the_column(Node *expr, AttrNumber attnum)
{
	while (expr && !IsA(expr, Var))
		expr = peel(expr);
	return expr && ((Var *) expr)->varattno == attnum;
}

/* Does an opclass that was the old type's default stay so for the new type? */
static bool
opclass_stays(Oid opclass, Oid old_type, Oid new_type, Oid am)
{
	Oid			input = get_opclass_input_type(opclass);

	if (IsPolymorphicType(input) && old_type != new_type)
		return false;
	if (GetDefaultOpClass(old_type, am) == opclass)
		return GetDefaultOpClass(new_type, am) == opclass;
	/* named in the index: it is kept if it fits */
	return IsBinaryCoercible(new_type, input);
}

static Oid
column_collation(Oid relid, AttrNumber attnum)
{
	Oid			typid;
	int32		typmod;
	Oid			collid;

	get_atttypetypmodcoll(relid, attnum, &typid, &typmod, &collid);
	return collid;
}

static bool
key_stays(const TypeChange *change, Relation index, const oidvector *classes, int key)
{
	Oid			old_collid = column_collation(change->relid, change->attnum);

	/* a collation that the index names is kept */
	if (index->rd_indcollation[key] == old_collid && old_collid != change->collid)
		return false;
	return opclass_stays(classes->values[key], get_atttype(change->relid, change->attnum),
						 change->typid, index->rd_rel->relam);
}

/* Can the index take over the storage it has?  As CheckIndexCompatible() sees it. */
static bool
index_stays(const TypeChange *change, Relation index)
{
	Form_pg_index form = index->rd_index;
	bool		isnull;
	oidvector  *classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, index->rd_indextuple,
																		Anum_pg_index_indclass, &isnull));

	/* those of a partitioned index are dropped with it, and built by it */
	if (!form->indisvalid || index->rd_rel->relispartition || RelationGetIndexExpressions(index) != NIL ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int key = 0; key < form->indnkeyatts; key++)
	{
		if (form->indkey.values[key] == change->attnum && !key_stays(change, index, classes, key))
			return false;
	}
	return true;
}

/* An index on the column is dropped and made again, perhaps with its old storage. */
static void
rebuild_index(const TypeChange *change, Oid indexid)
{
	Relation	index = index_open(indexid, AccessShareLock);
	bool		stays = !change->rewrites && index_stays(change, index);

	index_close(index, NoLock);
	zdm_facts_lock(change->facts, indexid, AccessExclusiveLock);
	if (stays)
		return;
	if (zdm_facts_has_storage(indexid))
		zdm_facts_rewrite(change->facts, indexid, NULL);
	zdm_facts_scan_list(change->facts, zdm_facts_leaves(change->relid, get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE),
						psprintf("Rebuilds index %s under ACCESS EXCLUSIVE. Drop it with zdm.drop_index() before, and make it again with zdm.create_index() after.",
								 get_rel_name(indexid)));
}

/* A foreign key is dropped and made again; unless the same operators compare, it is checked. */
static void
recheck_foreign_key(const TypeChange *change, Form_pg_constraint con)
{
	Oid			other = con->conrelid == change->relid ? con->confrelid : con->conrelid;
	Oid			old_type = get_atttype(change->relid, change->attnum);
	bool		same = GetDefaultOpClass(old_type, BTREE_AM_OID) == GetDefaultOpClass(change->typid, BTREE_AM_OID);

	zdm_facts_lock(change->facts, other, AccessExclusiveLock);
	zdm_facts_advise(change->facts, change->relid, change->advice);
	if ((change->rewrites || !same) && con->convalidated && zdm_facts_has_storage(con->conrelid))
		zdm_facts_check_foreign_key(change->facts, list_make1_oid(con->conrelid), con->confrelid, NULL);
	zdm_facts_advise(change->facts, other,
					 psprintf("Locked for foreign key %s, which is made again. Drop it before, and use zdm.add_foreign_key() after.",
							  NameStr(con->conname)));
}

static void
redo_constraint(const TypeChange *change, Oid conid)
{
	HeapTuple	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conid));
	Form_pg_constraint con;

	if (!HeapTupleIsValid(tuple))
		return;
	con = (Form_pg_constraint) GETSTRUCT(tuple);
	if (con->contype == CONSTRAINT_FOREIGN)
		recheck_foreign_key(change, con);
	else if (con->contype == CONSTRAINT_CHECK && con->convalidated && zdm_facts_has_storage(change->relid))
		zdm_facts_scan(change->facts, change->relid,
					   psprintf("Checks constraint %s again under ACCESS EXCLUSIVE. Drop it before, and use zdm.add_check() after.",
								NameStr(con->conname)));
	if (con->contype != CONSTRAINT_FOREIGN && OidIsValid(con->conindid))
		rebuild_index(change, con->conindid);
	ReleaseSysCache(tuple);
}

#define DEPENDS_ON_COLUMN \
	"SELECT DISTINCT objid FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = $1 AND refobjsubid = $3"

/* What PostgreSQL refuses to change together with the column. */
static bool
has_stubborn_dependents(const TypeChange *change)
{
	return zdm_facts_oids(DEPENDS_ON_COLUMN
						  " AND (classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,"
						  "                  'pg_proc'::regclass, 'pg_publication_rel'::regclass)"
						  "   OR (classid = 'pg_attrdef'::regclass AND deptype = 'n')"
						  "   OR (classid = 'pg_class'::regclass AND objid = $1))"
						  " AND NOT (classid = 'pg_class'::regclass AND objsubid = $3)",
						  change->relid, InvalidOid, change->attnum) != NIL;
}

static void
redo_dependents(const TypeChange *change)
{
	ListCell   *lc;

	foreach(lc, zdm_facts_oids(DEPENDS_ON_COLUMN " AND classid = 'pg_class'::regclass AND objsubid = 0"
							   " AND objid IN (SELECT oid FROM pg_class WHERE relkind IN ('i', 'I'))",
							   change->relid, InvalidOid, change->attnum))
		rebuild_index(change, lfirst_oid(lc));
	foreach(lc, zdm_facts_oids(DEPENDS_ON_COLUMN " AND classid = 'pg_constraint'::regclass",
							   change->relid, InvalidOid, change->attnum))
		redo_constraint(change, lfirst_oid(lc));
}

/* One table of the tree. */
static void
change_one(const TypeChange *change)
{
	if (has_stubborn_dependents(change))
		zdm_facts_fails(change->facts, change->relid,
						psprintf("Fails: a view, rule, trigger, policy, function, publication or generated column uses column %s. See zdm.dependents(), and drop and make them again in the same transaction, or use zdm.change_column_type().",
								 quote_identifier(change->column)));
	if (change->rewrites && get_rel_relkind(change->relid) == RELKIND_RELATION)
		zdm_facts_rewrite_with_indexes(change->facts, change->relid, change->advice);
	redo_dependents(change);
}

static void
check_partition_key(const TypeChange *change)
{
	Relation	rel = relation_open(change->relid, AccessShareLock);
	bool		in_expr;

	if (has_partition_attrs(rel, bms_make_singleton(change->attnum - FirstLowInvalidHeapAttributeNumber), &in_expr))
		zdm_facts_fails(change->facts, change->relid,
						psprintf("Fails: column %s is part of the partition key. Fill a new partitioned table, and change over.",
								 quote_identifier(change->column)));
	relation_close(rel, NoLock);
}

static Form_pg_attribute
attribute_of(Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheCopyAttName(relid, column);

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(relid))));
	return (Form_pg_attribute) GETSTRUCT(tuple);
}

/*
 * ALTER COLUMN ... TYPE.  tree: the tables that have the column.  Errors with
 * what PostgreSQL says of the type and of USING.
 */
void
zdm_explain_alter_type(ZdmFacts *facts, Oid relid, const List *tree, const AlterTableCmd *cmd)
{
	Form_pg_attribute att = attribute_of(relid, cmd->name);
	TypeChange	change = {.facts = facts,.column = cmd->name};
	int32		typmod;
	ListCell   *lc;

	typenameTypeIdAndMod(NULL, ((ColumnDef *) cmd->def)->typeName, &change.typid, &typmod);
	change.collid = GetColumnDefCollation(NULL, (ColumnDef *) cmd->def, change.typid);
	change.rewrites = !is_just_the_column(conversion(cmd, att, change.typid, typmod), att->attnum) &&
		!zdm_compat_is_virtual(att->attgenerated);
	if (change.rewrites)
		change.advice = psprintf("Rewrites the table and its indexes under ACCESS EXCLUSIVE. Use zdm.change_column_type(%s, %s, ...), or fill a new column with zdm.start_backfill() and change over.",
								 zdm_facts_literal(relid), quote_literal_cstr(cmd->name));
	foreach(lc, tree)
	{
		change.relid = lfirst_oid(lc);
		change.attnum = get_attnum(change.relid, cmd->name);
		if (change.attnum == InvalidAttrNumber)
			continue;
		check_partition_key(&change);
		change_one(&change);
	}
}
