/*
 * retarget.c
 *	  The relations that a statement names, and what they are called now.
 *
 * Statements are planned long before they run.  By then the table may have
 * another name or schema, and its name may be another table's.  So the names
 * of the relations that a recipe is about are put into the statement when it
 * runs, by OID.  What moves to another schema with a table, its indexes and the
 * sequences that it owns, is found there.
 *
 * What belongs here is where in which statement a relation is named.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "compat/tree.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "recipe/retarget.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* what is named */
typedef enum NameKind
{
	NAME_TABLE,
	NAME_INDEX,					/* or sequence: goes where its table goes */
	NAME_NEW_SEQUENCE
} NameKind;

typedef void (*Visit) (RangeVar *rv, NameKind kind, void *arg);

typedef struct Visitor
{
	Visit		visit;
	void	   *arg;
} Visitor;

/* ---------- where a relation is named ---------- */

static void
visit_rv(const Visitor *visitor, RangeVar *rv, NameKind kind)
{
	if (rv)
		visitor->visit(rv, kind, visitor->arg);
}

/*
 * A name as a list of strings, the last "parts" of which name a part of the
 * relation.
 */
static void
visit_names(const Visitor *visitor, List *names, int parts, NameKind kind)
{
	int			length = list_length(names) - parts;
	RangeVar   *rv;

	if (length < 1 || length > 3)
		return;
	rv = makeRangeVarFromNameList(list_truncate(list_copy(names), length));
	visit_rv(visitor, rv, kind);
	lfirst(list_nth_cell(names, length - 1)) = makeString(rv->relname);
	if (length > 1)
		lfirst(list_nth_cell(names, length - 2)) = makeString(rv->schemaname);
}

static NameKind
kind_of(ObjectType type)
{
	return type == OBJECT_INDEX || type == OBJECT_SEQUENCE ? NAME_INDEX : NAME_TABLE;
}

/* In DROP and COMMENT: an object of that type has this name. */
static void
visit_object(const Visitor *visitor, ObjectType type, Node *object)
{
	if (!IsA(object, List))
		return;
	switch (type)
	{
		case OBJECT_TABLE:
		case OBJECT_INDEX:
		case OBJECT_SEQUENCE:
			visit_names(visitor, (List *) object, 0, kind_of(type));
			break;
		case OBJECT_COLUMN:
		case OBJECT_TABCONSTRAINT:
		case OBJECT_TRIGGER:
		case OBJECT_RULE:
		case OBJECT_POLICY:
			visit_names(visitor, (List *) object, 1, NAME_TABLE);
			break;
		default:
			break;
	}
}

static void
visit_list(const Visitor *visitor, List *rvs, NameKind kind)
{
	ListCell   *lc;

	foreach(lc, rvs)
	{
		if (IsA(lfirst(lc), RangeVar))
			visit_rv(visitor, lfirst(lc), kind);
	}
}

/* OWNED BY schema.table.column */
static void
visit_sequence_options(const Visitor *visitor, List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "owned_by") == 0 && IsA(option->arg, List))
			visit_names(visitor, (List *) option->arg, 1, NAME_TABLE);
	}
}

/* 'schema.sequence'::regclass, as nextval() has it */
static bool
visit_regclass(Node *node, void *context)
{
	TypeCast   *cast = (TypeCast *) node;
	List	   *names;

	if (node == NULL)
		return false;
	if (!IsA(node, TypeCast) || !IsA(cast->arg, A_Const) ||
		strcmp(strVal(llast(cast->typeName->names)), "regclass") != 0 ||
		((A_Const *) cast->arg)->isnull || !IsA(&((A_Const *) cast->arg)->val, String))
		return raw_expression_tree_walker(node, visit_regclass, context);
	names = zdm_compat_qualified_names(strVal(&((A_Const *) cast->arg)->val));
	visit_names(context, names, 0, NAME_INDEX);
	((A_Const *) cast->arg)->val.sval.sval = NameListToQuotedString(names);
	return false;
}

/* The sequences that an expression reads. */
static void
visit_expression(const Visitor *visitor, Node *expression)
{
	(void) visit_regclass(expression, unconstify(Visitor *, visitor));
}

/* A new column: what its constraints refer to, what its default reads. */
static void
visit_column(const Visitor *visitor, ColumnDef *column)
{
	ListCell   *lc;

	foreach(lc, column->constraints)
	{
		Constraint *constraint = lfirst_node(Constraint, lc);

		visit_rv(visitor, constraint->pktable, NAME_TABLE);
		if (constraint->contype == CONSTR_DEFAULT)
			visit_expression(visitor, constraint->raw_expr);
	}
}

static void
visit_alter_table(const Visitor *visitor, AlterTableStmt *stmt)
{
	ListCell   *lc;

	visit_rv(visitor, stmt->relation, kind_of(stmt->objtype));
	foreach(lc, stmt->cmds)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		Node	   *def = cmd->def;

		if (def == NULL)
			continue;
		if (cmd->subtype == AT_ColumnDefault)
			visit_expression(visitor, def);
		if (IsA(def, RangeVar)) /* INHERIT */
			visit_rv(visitor, (RangeVar *) def, NAME_TABLE);
		else if (IsA(def, Constraint))
			visit_rv(visitor, ((Constraint *) def)->pktable, NAME_TABLE);
		else if (IsA(def, ColumnDef))
			visit_column(visitor, (ColumnDef *) def);
		else if (IsA(def, PartitionCmd))
			visit_rv(visitor, ((PartitionCmd *) def)->name, kind_of(stmt->objtype));
	}
}

static void
visit_publication(const Visitor *visitor, List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		PublicationObjSpec *object = lfirst_node(PublicationObjSpec, lc);

		if (object->pubtable)
			visit_rv(visitor, object->pubtable->relation, NAME_TABLE);
	}
}

/* Statements on a relation and what is on it. */
static bool
visit_on_relation(const Visitor *visitor, Node *stmt)
{
	ListCell   *lc;

	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			visit_alter_table(visitor, (AlterTableStmt *) stmt);
			return true;
		case T_RenameStmt:
			visit_rv(visitor, ((RenameStmt *) stmt)->relation, kind_of(((RenameStmt *) stmt)->renameType));
			return true;
		case T_AlterObjectSchemaStmt:
			visit_rv(visitor, ((AlterObjectSchemaStmt *) stmt)->relation,
					 kind_of(((AlterObjectSchemaStmt *) stmt)->objectType));
			return true;
		case T_CreateTrigStmt:
			visit_rv(visitor, ((CreateTrigStmt *) stmt)->relation, NAME_TABLE);
			visit_rv(visitor, ((CreateTrigStmt *) stmt)->constrrel, NAME_TABLE);
			return true;
		case T_DropStmt:
			foreach(lc, ((DropStmt *) stmt)->objects)
				visit_object(visitor, ((DropStmt *) stmt)->removeType, lfirst(lc));
			return true;
		case T_CommentStmt:
			visit_object(visitor, ((CommentStmt *) stmt)->objtype, ((CommentStmt *) stmt)->object);
			return true;
		case T_GrantStmt:
			if (((GrantStmt *) stmt)->targtype == ACL_TARGET_OBJECT)
				visit_list(visitor, ((GrantStmt *) stmt)->objects, kind_of(((GrantStmt *) stmt)->objtype));
			return true;
		case T_IndexStmt:
			visit_rv(visitor, ((IndexStmt *) stmt)->relation, NAME_TABLE);
			return true;
		default:
			return false;
	}
}

static void
visit_others(const Visitor *visitor, Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateSeqStmt:
			visit_rv(visitor, ((CreateSeqStmt *) stmt)->sequence, NAME_NEW_SEQUENCE);
			visit_sequence_options(visitor, ((CreateSeqStmt *) stmt)->options);
			break;
		case T_AlterSeqStmt:
			visit_rv(visitor, ((AlterSeqStmt *) stmt)->sequence, NAME_INDEX);
			visit_sequence_options(visitor, ((AlterSeqStmt *) stmt)->options);
			break;
		case T_CreateStatsStmt:
			visit_list(visitor, ((CreateStatsStmt *) stmt)->relations, NAME_TABLE);
			break;
		case T_RuleStmt:
			visit_rv(visitor, ((RuleStmt *) stmt)->relation, NAME_TABLE);
			break;
		case T_CreatePolicyStmt:
			visit_rv(visitor, ((CreatePolicyStmt *) stmt)->table, NAME_TABLE);
			break;
		case T_AlterPolicyStmt:
			visit_rv(visitor, ((AlterPolicyStmt *) stmt)->table, NAME_TABLE);
			break;
		case T_TruncateStmt:
			visit_list(visitor, ((TruncateStmt *) stmt)->relations, NAME_TABLE);
			break;
		case T_AlterPublicationStmt:
			visit_publication(visitor, ((AlterPublicationStmt *) stmt)->pubobjects);
			break;
		default:
			break;
	}
}

static void
visit_all(const Visitor *visitor, Node *stmt)
{
	if (!visit_on_relation(visitor, stmt))
		visit_others(visitor, stmt);
}

/* ---------- what it is called now ---------- */

/* An index of the table, or a sequence that a column of it owns. */
static bool
belongs_to(Oid relid, Oid table)
{
	char		relkind = get_rel_relkind(relid);
	Oid			owner;
	int32		column;

	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
		return IndexGetRelation(relid, true) == table;
	return relkind == RELKIND_SEQUENCE &&
		(sequenceIsOwned(relid, DEPENDENCY_AUTO, &owner, &column) ||
		 sequenceIsOwned(relid, DEPENDENCY_INTERNAL, &owner, &column)) &&
		owner == table;
}

/* Something beside the table, when that has moved to another schema. */
static void
follow(RangeVar *rv, NameKind kind, const ZdmNamedRelation *table)
{
	Oid			now = get_rel_namespace(table->relid);
	Oid			planned = get_namespace_oid(table->schema, true);
	Oid			there;

	if (!OidIsValid(now) || now == planned)
		return;
	there = get_relname_relid(rv->relname, now);
	if (kind == NAME_NEW_SEQUENCE ||
		(OidIsValid(there) &&
		 (belongs_to(there, table->relid) ||
		  !OidIsValid(planned) || !OidIsValid(get_relname_relid(rv->relname, planned)))))
		rv->schemaname = get_namespace_name(now);
}

static void
put_name(RangeVar *rv, NameKind kind, void *arg)
{
	ListCell   *lc;

	if (rv->schemaname == NULL)
		return;
	foreach(lc, (List *) arg)
	{
		const ZdmNamedRelation *relation = lfirst(lc);

		if (strcmp(rv->schemaname, relation->schema) != 0)
			continue;
		if (kind != NAME_TABLE)
			follow(rv, kind, relation);
		else if (strcmp(rv->relname, relation->name) == 0)
		{
			char	   *name = get_rel_name(relation->relid);

			if (name == NULL)
				return;
			rv->catalogname = NULL;
			rv->schemaname = get_namespace_name(get_rel_namespace(relation->relid));
			rv->relname = name;
			return;
		}
	}
}

/*
 * Put the present names of relations (of ZdmNamedRelation) into a raw tree.
 * Only names with a schema are taken for theirs.
 */
void
zdm_retarget(Node *stmt, List *relations)
{
	Visitor		visitor = {put_name, relations};

	visit_all(&visitor, stmt);
}

static void
look_up(RangeVar *rv, NameKind kind, void *arg)
{
	List	  **relids = arg;
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);

	if (OidIsValid(relid))
		*relids = list_append_unique_oid(*relids, relid);
}

/* OIDs of the relations named in a raw tree that exist. */
List *
zdm_retarget_relations(Node *stmt)
{
	List	   *relids = NIL;
	Visitor		visitor = {look_up, &relids};

	visit_all(&visitor, stmt);
	return relids;
}
