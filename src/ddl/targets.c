/*
 * targets.c
 *	  Which relations a statement locks, and in which mode.
 *
 * Names are resolved, and rights checked, without locking anything.  What is
 * missed here is no danger: the statement takes the lock itself, under the
 * same short lock_timeout and the same timer as everything in an attempt; it
 * only may have to try more often.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "commands/tablecmds.h"
#include "core/args.h"
#include "ddl/targets.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef enum Right
{
	RIGHT_OWNER,
	RIGHT_OWNER_OR_SCHEMA,		/* enough for DROP */
	RIGHT_TRUNCATE,
	RIGHT_TRIGGER,
	RIGHT_REFERENCES,			/* on the table or a column */
	RIGHT_CHECKED				/* PostgreSQL has checked, or will */
} Right;

/* ---------- the list ---------- */

/* Add a lock; of two on the same relation the stronger one stays. */
static void
add(List **targets, Oid relid, LOCKMODE mode)
{
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	foreach(lc, *targets)
	{
		ZdmLockTarget *target = lfirst(lc);

		if (target->relid == relid)
		{
			target->mode = Max(target->mode, mode);
			return;
		}
	}
	*targets = lappend(*targets, zdm_lock_target(relid, mode));
}

/* The same for all that inherit from it: children, partitions, their indexes. */
static void
add_tree(List **targets, Oid relid, LOCKMODE mode)
{
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		add(targets, lfirst_oid(lc), mode);
}

/* ---------- rights, and what may be changed at all ---------- */

static char *
relation_name(Form_pg_class form)
{
	return psprintf("%s.%s", get_namespace_name(form->relnamespace), NameStr(form->relname));
}

static Oid
schema_owner(Oid namespace)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(namespace));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

static void
check_right(Oid relid, Form_pg_class form, Right right)
{
	Oid			user = GetUserId();
	char	   *what = psprintf("relation \"%s\"", relation_name(form));

	switch (right)
	{
		case RIGHT_CHECKED:
			return;
		case RIGHT_TRUNCATE:
			if (pg_class_aclcheck(relid, user, ACL_TRUNCATE) == ACLCHECK_OK)
				return;
			break;
		case RIGHT_TRIGGER:
			if (pg_class_aclcheck(relid, user, ACL_TRIGGER) == ACLCHECK_OK)
				return;
			break;
		case RIGHT_REFERENCES:
			if (pg_class_aclcheck(relid, user, ACL_REFERENCES) == ACLCHECK_OK ||
				pg_attribute_aclcheck_all(relid, user, ACL_REFERENCES, ACLMASK_ANY) == ACLCHECK_OK)
				return;
			break;
		case RIGHT_OWNER_OR_SCHEMA:
			if (has_privs_of_role(user, schema_owner(form->relnamespace)))
				return;
			break;
		case RIGHT_OWNER:
			break;
	}
	zdm_require_owner_rights(form->relowner, what);
}

static void
check_kind(Oid relid, Form_pg_class form)
{
	const char *why = NULL;
	int			code = ERRCODE_INSUFFICIENT_PRIVILEGE;

	if (IsSystemClass(relid, form))
		why = "it is a system catalog";
	else if (form->relnamespace == get_namespace_oid("zdm", true))
		why = "it is zdm's own";
	else if (form->relpersistence == RELPERSISTENCE_TEMP)
	{
		why = "it is temporary, and a background worker cannot see it";
		code = ERRCODE_FEATURE_NOT_SUPPORTED;
	}
	if (why)
		ereport(ERROR,
				(errcode(code),
				 errmsg("cannot change \"%s\": %s", relation_name(form), why),
				 code == ERRCODE_FEATURE_NOT_SUPPORTED ?
				 errhint("Run the statement in the session that has made it.") :
				 errhint("Give a relation of yours.")));
}

static Oid
checked(Oid relid, Right right)
{
	HeapTuple	tuple;

	if (!OidIsValid(relid))
		return InvalidOid;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	check_kind(relid, (Form_pg_class) GETSTRUCT(tuple));
	check_right(relid, (Form_pg_class) GETSTRUCT(tuple), right);
	ReleaseSysCache(tuple);
	return relid;
}

/* The relation of that name; errors with UNDEFINED_TABLE unless missing_ok. */
static Oid
resolve(const RangeVar *rv, Right right, bool missing_ok)
{
	if (rv == NULL)
		return InvalidOid;
	return checked(RangeVarGetRelidExtended(rv, NoLock, missing_ok ? RVR_MISSING_OK : 0, NULL, NULL),
				   right);
}

/* ---------- foreign keys ---------- */

static bool
key_has_column(HeapTuple tuple, TupleDesc desc, AttrNumber attnum)
{
	bool		isnull;
	Datum		keys = heap_getattr(tuple, Anum_pg_constraint_conkey, desc, &isnull);
	ArrayType  *array;

	if (isnull)
		return false;
	array = DatumGetArrayTypeP(keys);
	for (int i = 0; i < ARR_DIMS(array)[0]; i++)
	{
		if (((int16 *) ARR_DATA_PTR(array))[i] == attnum)
			return true;
	}
	return false;
}

/*
 * The tables that foreign keys of relid refer to: of the constraint of that
 * name, of those with that column, or all.
 */
static void
add_referenced(List **targets, Oid relid, const char *conname, AttrNumber attnum)
{
	Relation	rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (form->contype == CONSTRAINT_FOREIGN &&
			(conname == NULL || strcmp(NameStr(form->conname), conname) == 0) &&
			(attnum == InvalidAttrNumber || key_has_column(tuple, RelationGetDescr(rel), attnum)))
			add(targets, form->confrelid, AccessExclusiveLock);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* The tables with foreign keys that refer to relid. */
static void
add_referencing(List **targets, Oid relid)
{
	Relation	rel = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (form->contype == CONSTRAINT_FOREIGN && form->confrelid == relid)
			add_tree(targets, form->conrelid, AccessExclusiveLock);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Tables that new foreign keys among constraints will refer to. */
static void
add_new_keys(List **targets, List *constraints)
{
	ListCell   *lc;

	foreach(lc, constraints)
	{
		Node	   *node = lfirst(lc);

		if (IsA(node, Constraint) && ((Constraint *) node)->contype == CONSTR_FOREIGN)
			add_tree(targets, resolve(((Constraint *) node)->pktable, RIGHT_REFERENCES, false),
					 ShareRowExclusiveLock);
		else if (IsA(node, ColumnDef))
			add_new_keys(targets, ((ColumnDef *) node)->constraints);
	}
}

/* ---------- ALTER TABLE ---------- */

static void
add_default_partition(List **targets, Oid parent)
{
	add(targets, get_default_partition_oid(parent), AccessExclusiveLock);
}

static void
add_partition_command(List **targets, Oid relid, const PartitionCmd *cmd)
{
	add_tree(targets, resolve(cmd->name, RIGHT_OWNER, false), AccessExclusiveLock);
	add_default_partition(targets, relid);
}

static void
add_alter_command(List **targets, Oid relid, const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			add_new_keys(targets, list_make1(cmd->def));
			break;
		case AT_AddConstraint:
			add_new_keys(targets, list_make1(cmd->def));
			break;
		case AT_DropConstraint:
			add_referenced(targets, relid, cmd->name, InvalidAttrNumber);
			break;
		case AT_DropColumn:
		case AT_AlterColumnType:
			{
				AttrNumber	attnum = get_attnum(relid, cmd->name);

				if (attnum != InvalidAttrNumber)
					add_referenced(targets, relid, NULL, attnum);
				break;
			}
		case AT_AttachPartition:
		case AT_DetachPartition:
		case AT_DetachPartitionFinalize:
			if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
				add_partition_command(targets, relid, castNode(PartitionCmd, cmd->def));
			break;
		default:
			break;
	}
}

static void
add_alter_table(List **targets, AlterTableStmt *stmt)
{
	LOCKMODE	mode = AlterTableGetLockLevel(stmt->cmds);
	Oid			relid = checked(AlterTableLookupRelation(stmt, NoLock), RIGHT_CHECKED);
	bool		partition_command = false;
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	add(targets, relid, mode);
	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		partition_command = partition_command || cmd->subtype == AT_AttachPartition ||
			cmd->subtype == AT_DetachPartition || cmd->subtype == AT_DetachPartitionFinalize;
		add_alter_command(targets, relid, cmd);
	}
	if (stmt->relation->inh && !partition_command)
		add_tree(targets, relid, mode);
}

/* ---------- the others ---------- */

static void
add_dropped(List **targets, Oid relid, ObjectType type, DropBehavior behavior)
{
	if (!OidIsValid(relid))
		return;
	if (type == OBJECT_INDEX)
	{
		add_tree(targets, IndexGetRelation(relid, true), AccessExclusiveLock);
		add_tree(targets, relid, AccessExclusiveLock);
		return;
	}
	if (get_rel_relispartition(relid))
	{
		Oid			parent = get_partition_parent(relid, true);

		add(targets, parent, AccessExclusiveLock);
		add_default_partition(targets, parent);
	}
	add_tree(targets, relid, AccessExclusiveLock);
	if (type != OBJECT_TABLE)
		return;
	add_referenced(targets, relid, NULL, InvalidAttrNumber);
	if (behavior == DROP_CASCADE)
		add_referencing(targets, relid);
}

static void
add_drop(List **targets, const DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		switch (stmt->removeType)
		{
			case OBJECT_TABLE:
			case OBJECT_VIEW:
			case OBJECT_MATVIEW:
			case OBJECT_SEQUENCE:
			case OBJECT_INDEX:
			case OBJECT_FOREIGN_TABLE:
				add_dropped(targets,
							resolve(makeRangeVarFromNameList(lfirst_node(List, lc)),
									RIGHT_OWNER_OR_SCHEMA, stmt->missing_ok),
							stmt->removeType, stmt->behavior);
				break;
			case OBJECT_TRIGGER:
			case OBJECT_RULE:
			case OBJECT_POLICY:
				{
					List	   *names = list_copy(lfirst_node(List, lc));

					add_tree(targets,
							 resolve(makeRangeVarFromNameList(list_truncate(names, list_length(names) - 1)),
									 RIGHT_OWNER, stmt->missing_ok),
							 AccessExclusiveLock);
					break;
				}
			default:
				return;
		}
	}
}

static void
add_truncate(List **targets, const TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		const RangeVar *rv = lfirst_node(RangeVar, lc);
		Oid			relid = resolve(rv, RIGHT_TRUNCATE, false);

		if (rv->inh)
			add_tree(targets, relid, AccessExclusiveLock);
		else
			add(targets, relid, AccessExclusiveLock);
		if (stmt->behavior == DROP_CASCADE)
			add_referencing(targets, relid);
	}
}

static void
add_create_table(List **targets, const CreateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->inhRelations)
	{
		Oid			parent = resolve(lfirst_node(RangeVar, lc), RIGHT_OWNER, false);

		add(targets, parent, stmt->partbound ? AccessExclusiveLock : ShareUpdateExclusiveLock);
		if (stmt->partbound)
			add_default_partition(targets, parent);
	}
	add_new_keys(targets, stmt->tableElts);
	add_new_keys(targets, stmt->constraints);
}

static void
add_rename(List **targets, const RenameStmt *stmt)
{
	Oid			relid;

	if (stmt->relation == NULL)
		return;
	relid = resolve(stmt->relation, RIGHT_OWNER, stmt->missing_ok);
	if (stmt->renameType == OBJECT_INDEX)
		add(targets, relid, ShareUpdateExclusiveLock);
	else if (stmt->renameType == OBJECT_COLUMN || stmt->renameType == OBJECT_TABCONSTRAINT)
		add_tree(targets, relid, AccessExclusiveLock);
	else
		add(targets, relid, AccessExclusiveLock);
}

static void
add_reindex(List **targets, const ReindexStmt *stmt, bool concurrently)
{
	Oid			relid = resolve(stmt->relation, RIGHT_OWNER, false);

	if (stmt->kind == REINDEX_OBJECT_TABLE)
		add_tree(targets, relid, concurrently ? ShareUpdateExclusiveLock : ShareLock);
	else if (OidIsValid(relid))
	{
		add_tree(targets, IndexGetRelation(relid, true), concurrently ? ShareUpdateExclusiveLock : ShareLock);
		if (!concurrently)
			add_tree(targets, relid, AccessExclusiveLock);
	}
}

static void
add_comment(List **targets, ObjectType type, Node *object)
{
	switch (type)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_SEQUENCE:
		case OBJECT_FOREIGN_TABLE:
			add(targets, resolve(makeRangeVarFromNameList(castNode(List, object)), RIGHT_OWNER, false),
				ShareUpdateExclusiveLock);
			break;
		default:
			break;
	}
}

/*
 * The locks of a statement, of ZdmLockTarget, in the current memory context;
 * the first is the relation that it is about.  Locks nothing.  Errors as the
 * statement would, where a relation is missing (UNDEFINED_TABLE) or the
 * current user has not the rights (INSUFFICIENT_PRIVILEGE), and refuses
 * catalogs, tables of zdm's own and temporary ones.
 */
List *
zdm_ddl_targets(const ZdmStatement *statement)
{
	Node	   *tree = copyObject(statement->tree);
	List	   *targets = NIL;

	switch (nodeTag(tree))
	{
		case T_AlterTableStmt:
			add_alter_table(&targets, (AlterTableStmt *) tree);
			break;
		case T_IndexStmt:
			add_tree(&targets, resolve(((IndexStmt *) tree)->relation, RIGHT_OWNER, false),
					 statement->toplevel ? ShareUpdateExclusiveLock : ShareLock);
			break;
		case T_DropStmt:
			add_drop(&targets, (DropStmt *) tree);
			break;
		case T_TruncateStmt:
			add_truncate(&targets, (TruncateStmt *) tree);
			break;
		case T_CreateStmt:
			add_create_table(&targets, (CreateStmt *) tree);
			break;
		case T_CreateForeignTableStmt:
			add_create_table(&targets, &((CreateForeignTableStmt *) tree)->base);
			break;
		case T_RenameStmt:
			add_rename(&targets, (RenameStmt *) tree);
			break;
		case T_AlterObjectSchemaStmt:
			add(&targets, resolve(((AlterObjectSchemaStmt *) tree)->relation, RIGHT_OWNER,
								  ((AlterObjectSchemaStmt *) tree)->missing_ok), AccessExclusiveLock);
			break;
		case T_AlterSeqStmt:
			add(&targets, resolve(((AlterSeqStmt *) tree)->sequence, RIGHT_OWNER,
								  ((AlterSeqStmt *) tree)->missing_ok), ShareRowExclusiveLock);
			break;
		case T_CreateTrigStmt:
			add_tree(&targets, resolve(((CreateTrigStmt *) tree)->relation, RIGHT_TRIGGER, false), ShareRowExclusiveLock);
			add(&targets, resolve(((CreateTrigStmt *) tree)->constrrel, RIGHT_TRIGGER, false), ShareRowExclusiveLock);
			break;
		case T_RuleStmt:
			add(&targets, resolve(((RuleStmt *) tree)->relation, RIGHT_OWNER, false), AccessExclusiveLock);
			break;
		case T_CreatePolicyStmt:
			add(&targets, resolve(((CreatePolicyStmt *) tree)->table, RIGHT_OWNER, false), AccessExclusiveLock);
			break;
		case T_AlterPolicyStmt:
			add(&targets, resolve(((AlterPolicyStmt *) tree)->table, RIGHT_OWNER, false), AccessExclusiveLock);
			break;
		case T_ViewStmt:
			if (((ViewStmt *) tree)->replace)
				add(&targets, resolve(((ViewStmt *) tree)->view, RIGHT_OWNER, true), AccessExclusiveLock);
			break;
		case T_RefreshMatViewStmt:
			add(&targets, resolve(((RefreshMatViewStmt *) tree)->relation, RIGHT_OWNER, false),
				statement->harmless ? ExclusiveLock : AccessExclusiveLock);
			break;
		case T_ReindexStmt:
			add_reindex(&targets, (ReindexStmt *) tree, statement->toplevel);
			break;
		case T_CommentStmt:
			add_comment(&targets, ((CommentStmt *) tree)->objtype, ((CommentStmt *) tree)->object);
			break;
		default:
			break;
	}
	return targets;
}
