/*
 * check.c
 *	  What of the definition of an index can be told to fail before it is
 *	  built.
 *
 * PostgreSQL looks at all of this inside the function that makes the index,
 * under its lock.  Here the same is looked at when the job is submitted, with
 * the functions that it exports, and with its messages where it exports none.
 * What is missed makes the job fail.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/reloptions.h"
#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_tablespace.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "compat/acl.h"
#include "compat/compat.h"
#include "compat/explain.h"
#include "core/identity.h"
#include "index/definition.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* What a column of an index has in it. */
typedef struct Content
{
	Oid			type;
	Oid			collation;
} Content;

static void
refuse(int sqlerrcode, char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* ---------- where it is made ---------- */

/* The right to create relations there may be gone since the table was made. */
static void
check_schema(Oid oid)
{
	char	   *schema = get_namespace_name(oid);

	if (zdm_compat_schema_aclcheck(oid, GetUserId(), ACL_CREATE) != ACLCHECK_OK)
		refuse(ERRCODE_INSUFFICIENT_PRIVILEGE, psprintf("permission denied for schema %s", schema),
			   psprintf("The job runs as the owner of the table: GRANT CREATE ON SCHEMA %s TO %s.",
						quote_identifier(schema), quote_identifier(GetUserNameFromId(GetUserId(), false))));
}

/* Partitions get theirs in their own. */
static void
check_schemas(Relation rel)
{
	ListCell   *lc;

	check_schema(RelationGetNamespace(rel));
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return;
	foreach(lc, find_all_inheritors(RelationGetRelid(rel), NoLock, NULL))
		check_schema(get_rel_namespace(lfirst_oid(lc)));
}

static void
check_tablespace(const IndexStmt *stmt)
{
	Oid			tablespace;

	if (stmt->tableSpace == NULL)
		return;
	tablespace = get_tablespace_oid(stmt->tableSpace, false);
	if (tablespace == GLOBALTABLESPACE_OID)
		refuse(ERRCODE_INVALID_PARAMETER_VALUE,
			   pstrdup("only shared relations can be placed in pg_global tablespace"), "Name another tablespace.");
	if (tablespace != MyDatabaseTableSpace &&
		zdm_compat_tablespace_aclcheck(tablespace, GetUserId(), ACL_CREATE) != ACLCHECK_OK)
		refuse(ERRCODE_INSUFFICIENT_PRIVILEGE, psprintf("permission denied for tablespace %s", stmt->tableSpace),
			   psprintf("The job runs as the owner of the table: GRANT CREATE ON TABLESPACE %s TO %s.",
						quote_identifier(stmt->tableSpace),
						quote_identifier(GetUserNameFromId(GetUserId(), false))));
}

/* ---------- what its access method can do ---------- */

static void
require_ability(bool able, const IndexStmt *stmt, const char *what)
{
	if (!able)
		refuse(ERRCODE_FEATURE_NOT_SUPPORTED,
			   psprintf("access method \"%s\" does not support %s", stmt->accessMethod, what),
			   "Leave it out, or use another access method, as btree.");
}

static void
check_abilities(const IndexStmt *stmt, const IndexAmRoutine *am)
{
	int			nkeys = list_length(stmt->indexParams);

	if (nkeys + list_length(stmt->indexIncludingParams) > INDEX_MAX_KEYS)
		refuse(ERRCODE_TOO_MANY_COLUMNS, psprintf("cannot use more than %d columns in an index", INDEX_MAX_KEYS),
			   "Name fewer columns.");
	require_ability(am->amcanunique || !stmt->unique, stmt, "unique indexes");
	require_ability(am->amcaninclude || stmt->indexIncludingParams == NIL, stmt, "included columns");
	require_ability(am->amcanmulticol || nkeys == 1, stmt, "multicolumn indexes");
	(void) index_reloptions(am->amoptions,
							transformRelOptions((Datum) 0, stmt->options, NULL, NULL, false, false), true);
}

/* ---------- its columns ---------- */

static void
refuse_system_column(void)
{
	refuse(ERRCODE_FEATURE_NOT_SUPPORTED, pstrdup("index creation on system columns is not supported"),
		   "Name columns of the table.");
}

/* As CREATE INDEX does it: after planning, which puts in the bodies of SQL functions. */
static void
check_expression(Node *expr, const char *what, const char *hint)
{
	Bitmapset  *columns = NULL;

	if (expr && contain_mutable_functions((Node *) expression_planner((Expr *) copyObject(expr))))
		refuse(ERRCODE_INVALID_OBJECT_DEFINITION, psprintf("functions in %s must be marked IMMUTABLE", what), hint);
	pull_varattnos(expr, 1, &columns);
	for (AttrNumber attno = FirstLowInvalidHeapAttributeNumber + 1; attno < 0; attno++)
	{
		if (bms_is_member(attno - FirstLowInvalidHeapAttributeNumber, columns))
			refuse_system_column();
	}
}

static Content
content_of_column(const char *name, Relation rel)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(rel), name);
	Form_pg_attribute att;
	Content		content;

	if (attno == InvalidAttrNumber)
		refuse(ERRCODE_UNDEFINED_COLUMN,
			   psprintf("column \"%s\" of table \"%s\" does not exist", name, RelationGetRelationName(rel)),
			   "Check the columns of the definition.");
	if (attno < 0)
		refuse_system_column();
	att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	if (zdm_compat_is_virtual(att->attgenerated))
		refuse(ERRCODE_FEATURE_NOT_SUPPORTED, pstrdup("indexes on virtual generated columns are not supported"),
			   "Index its expression on the columns that are stored.");
	content.type = att->atttypid;
	content.collation = att->attcollation;
	return content;
}

static Content
content_of(const IndexElem *elem, Relation rel)
{
	Content		content;

	if (elem->expr == NULL)
		return content_of_column(elem->name, rel);
	check_expression(elem->expr, "index expression",
					 "What the expression gives for a row must depend on the row alone.");
	content.type = exprType(elem->expr);
	content.collation = exprCollation(elem->expr);
	return content;
}

static void
check_collation(const IndexElem *elem, const Content *content)
{
	Oid			collation = elem->collation ? get_collation_oid(elem->collation, false) : content->collation;

	if (type_is_collatable(content->type) == OidIsValid(collation))
		return;
	if (OidIsValid(collation))
		refuse(ERRCODE_DATATYPE_MISMATCH,
			   psprintf("collations are not supported by type %s", format_type_be(content->type)),
			   "Leave out COLLATE.");
	refuse(ERRCODE_INDETERMINATE_COLLATION,
		   pstrdup("could not determine which collation to use for index expression"),
		   "Use the COLLATE clause to set the collation explicitly.");
}

static void
check_key(const IndexElem *elem, Relation rel, const IndexStmt *stmt, Oid am_oid, const IndexAmRoutine *am)
{
	Content		content = content_of(elem, rel);

	check_collation(elem, &content);
	(void) ResolveOpClass(elem->opclass, content.type, stmt->accessMethod, am_oid);
	require_ability(am->amcanorder || elem->ordering == SORTBY_DEFAULT, stmt, "ASC/DESC options");
	require_ability(am->amcanorder || elem->nulls_ordering == SORTBY_NULLS_DEFAULT, stmt,
					"NULLS FIRST/LAST options");
}

static void
check_included(const IndexElem *elem, Relation rel)
{
	const char *surplus = elem->collation ? "a collation" :
	elem->opclass ? "an operator class" :
	elem->ordering != SORTBY_DEFAULT ? "ASC/DESC options" :
	elem->nulls_ordering != SORTBY_NULLS_DEFAULT ? "NULLS FIRST/LAST options" : NULL;

	if (elem->expr)
		refuse(ERRCODE_FEATURE_NOT_SUPPORTED, pstrdup("expressions are not supported in included columns"),
			   "Include the columns of the expression.");
	(void) content_of_column(elem->name, rel);
	if (surplus)
		refuse(ERRCODE_INVALID_OBJECT_DEFINITION, psprintf("including column does not support %s", surplus),
			   "Give nothing but the name of the column.");
}

/* As the current user. */
static void
check(const IndexStmt *stmt, Relation rel)
{
	Oid			am_oid = get_index_am_oid(stmt->accessMethod, false);
	IndexAmRoutine *am = GetIndexAmRoutineByAmId(am_oid, false);
	ListCell   *lc;

	check_schemas(rel);
	check_tablespace(stmt);
	check_abilities(stmt, am);
	foreach(lc, stmt->indexParams)
		check_key(lfirst_node(IndexElem, lc), rel, stmt, am_oid, am);
	check_expression(stmt->whereClause, "index predicate",
					 "Which rows are in the index must depend on the rows alone.");
	foreach(lc, stmt->indexIncludingParams)
		check_included(lfirst_node(IndexElem, lc), rel);
}

/*
 * The analyzed tree of a definition of an index on rel, its names found in
 * search_path.  Errors with what PostgreSQL would say if the index was to be
 * made now by the owner of rel, as whom the worker makes it.
 */
IndexStmt *
zdm_index_analyze_as_owner(const IndexStmt *stmt, Relation rel, const char *definition, const char *search_path)
{
	ZdmBorrowedIdentity borrowed;
	IndexStmt  *analyzed;

	zdm_identity_borrow(&borrowed, rel->rd_rel->relowner, search_path);
	analyzed = zdm_index_analyze(stmt, RelationGetRelid(rel), definition);
	check(analyzed, rel);
	zdm_identity_give_back(&borrowed);
	return analyzed;
}
