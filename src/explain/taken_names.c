/*
 * taken_names.c
 *	  What is created, or gets a new name, needs one that is free.
 *
 * Triggers, policies and rules of a table are looked for where their statements
 * are; here are those that a schema or the database has, and constraints.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "explain/facts.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* An array type gives way, and one that is not defined yet is defined; shell: that is what is to be made. */
static bool
type_is_taken(Oid schema, const char *name, bool shell)
{
	Oid			typid = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, PointerGetDatum(name), ObjectIdGetDatum(schema));
	Oid			element = OidIsValid(typid) ? get_element_type(typid) : InvalidOid;

	if (!OidIsValid(typid) || (OidIsValid(element) && get_array_type(element) == typid))
		return false;
	return shell || get_typisdefined(typid);
}

/*
 * Can a relation of that name not be made in the schema?  Most kinds have a type
 * of the same name; indexes do not.
 */
bool
zdm_facts_relation_is_taken(Oid schema, const char *name, bool has_type)
{
	return OidIsValid(get_relname_relid(name, schema)) || (has_type && type_is_taken(schema, name, false));
}

/*
 * Fails when relid has a constraint of that name, unless the statement drops
 * some.  merges: one that is only inherited becomes the table's own.
 */
void
zdm_facts_refuse_taken_constraint(ZdmFacts *facts, Oid relid, const char *name, bool merges)
{
	Oid			conid = name && !facts->frees_names ? get_relation_constraint_oid(relid, name, true) : InvalidOid;
	HeapTuple	tuple = OidIsValid(conid) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(conid)) : NULL;

	if (!HeapTupleIsValid(tuple))
		return;
	if (!merges || ((Form_pg_constraint) GETSTRUCT(tuple))->conislocal)
		zdm_facts_fails(facts, relid, "Fails: a constraint of that name is there already. Choose another name, or use zdm.validate_constraint() when it is the same and NOT VALID.");
	ReleaseSysCache(tuple);
}

/* Where a new relation goes; InvalidOid: a schema that is not there yet. */
static Oid
creation_schema(const RangeVar *rv)
{
	/* a temporary schema would be made by looking for it */
	if (rv->relpersistence == RELPERSISTENCE_TEMP || (rv->schemaname && strcmp(rv->schemaname, "pg_temp") == 0))
		return LookupNamespaceNoError("pg_temp");
	return RangeVarGetCreationNamespace(rv);
}

/*
 * Is the name of a new relation taken?  Errors with what PostgreSQL says of its
 * schema.
 */
bool
zdm_facts_new_relation_is_taken(const RangeVar *rv)
{
	Oid			schema = creation_schema(rv);

	return OidIsValid(schema) && zdm_facts_relation_is_taken(schema, rv->relname, true);
}

static bool
new_type_is_taken(List *names, bool shell)
{
	char	   *name;
	Oid			schema = QualifiedNameGetCreationNamespace(names, &name);

	return type_is_taken(schema, name, shell);
}

/* With the same types of arguments? */
static bool
function_is_taken(const CreateFunctionStmt *stmt)
{
	char	   *name;
	Oid			schema = QualifiedNameGetCreationNamespace(stmt->funcname, &name);
	Oid		   *types = palloc(list_length(stmt->parameters) * sizeof(Oid));
	int			count = 0;
	ListCell   *lc;

	foreach(lc, stmt->parameters)
	{
		const FunctionParameter *parameter = lfirst_node(FunctionParameter, lc);

		if (parameter->mode != FUNC_PARAM_OUT && parameter->mode != FUNC_PARAM_TABLE)
			types[count++] = typenameTypeId(NULL, parameter->argType);
	}
	return SearchSysCacheExists3(PROCNAMEARGSNSP, PointerGetDatum(name),
								 PointerGetDatum(buildoidvector(types, count)), ObjectIdGetDatum(schema));
}

static bool
statistics_is_taken(const CreateStatsStmt *stmt)
{
	char	   *name;
	Oid			schema;

	if (stmt->defnames == NIL || stmt->if_not_exists)
		return false;
	schema = QualifiedNameGetCreationNamespace(stmt->defnames, &name);
	return SearchSysCacheExists2(STATEXTNAMENSP, PointerGetDatum(name), ObjectIdGetDatum(schema));
}

/* Is there an object of a kind that is in no schema?  False for other kinds. */
bool
zdm_facts_object_is_taken(ObjectType objtype, const char *name)
{
	Relation	rel = NULL;

	switch (objtype)
	{
		case OBJECT_ACCESS_METHOD:
		case OBJECT_EVENT_TRIGGER:
		case OBJECT_EXTENSION:
		case OBJECT_FDW:
		case OBJECT_FOREIGN_SERVER:
		case OBJECT_PUBLICATION:
		case OBJECT_ROLE:
		case OBJECT_SCHEMA:
		case OBJECT_SUBSCRIPTION:
			return OidIsValid(get_object_address(objtype, (Node *) makeString(pstrdup(name)), &rel,
												 AccessShareLock, true).objectId);
		default:
			return false;
	}
}

static bool
schema_is_taken(const CreateSchemaStmt *stmt)
{
	const char *name = stmt->schemaname ? stmt->schemaname : get_rolespec_name(stmt->authrole);

	return !stmt->if_not_exists && zdm_facts_object_is_taken(OBJECT_SCHEMA, name);
}

/* Of the database, or of all. */
static bool
global_name_is_taken(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateSchemaStmt:
			return schema_is_taken((const CreateSchemaStmt *) stmt);
		case T_CreatePublicationStmt:
			return zdm_facts_object_is_taken(OBJECT_PUBLICATION, ((const CreatePublicationStmt *) stmt)->pubname);
		case T_CreateSubscriptionStmt:
			return zdm_facts_object_is_taken(OBJECT_SUBSCRIPTION, ((const CreateSubscriptionStmt *) stmt)->subname);
		case T_CreateRoleStmt:
			return zdm_facts_object_is_taken(OBJECT_ROLE, ((const CreateRoleStmt *) stmt)->role);
		case T_CreateExtensionStmt:
			return !((const CreateExtensionStmt *) stmt)->if_not_exists &&
				zdm_facts_object_is_taken(OBJECT_EXTENSION, ((const CreateExtensionStmt *) stmt)->extname);
		case T_CreateFdwStmt:
			return zdm_facts_object_is_taken(OBJECT_FDW, ((const CreateFdwStmt *) stmt)->fdwname);
		case T_CreateForeignServerStmt:
			return !((const CreateForeignServerStmt *) stmt)->if_not_exists &&
				zdm_facts_object_is_taken(OBJECT_FOREIGN_SERVER, ((const CreateForeignServerStmt *) stmt)->servername);
		case T_CreateEventTrigStmt:
			return zdm_facts_object_is_taken(OBJECT_EVENT_TRIGGER, ((const CreateEventTrigStmt *) stmt)->trigname);
		case T_CreateAmStmt:
			return zdm_facts_object_is_taken(OBJECT_ACCESS_METHOD, ((const CreateAmStmt *) stmt)->amname);
		default:
			return false;
	}
}

/* Of a schema; CREATE TABLE and CREATE VIEW look for themselves. */
static bool
name_in_schema_is_taken(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreateTableAsStmt:
			return !((const CreateTableAsStmt *) stmt)->if_not_exists &&
				zdm_facts_new_relation_is_taken(((const CreateTableAsStmt *) stmt)->into->rel);
		case T_CreateSeqStmt:
			return !((const CreateSeqStmt *) stmt)->if_not_exists &&
				zdm_facts_new_relation_is_taken(((const CreateSeqStmt *) stmt)->sequence);
		case T_CompositeTypeStmt:
			return zdm_facts_new_relation_is_taken(((const CompositeTypeStmt *) stmt)->typevar);
		case T_CreateEnumStmt:
			return new_type_is_taken(((const CreateEnumStmt *) stmt)->typeName, false);
		case T_CreateRangeStmt:
			return new_type_is_taken(((const CreateRangeStmt *) stmt)->typeName, false);
		case T_CreateDomainStmt:
			return new_type_is_taken(((const CreateDomainStmt *) stmt)->domainname, false);
		case T_DefineStmt:
			return ((const DefineStmt *) stmt)->kind == OBJECT_TYPE &&
				new_type_is_taken(((const DefineStmt *) stmt)->defnames, ((const DefineStmt *) stmt)->definition == NIL);
		case T_CreateFunctionStmt:
			return !((const CreateFunctionStmt *) stmt)->replace && function_is_taken((const CreateFunctionStmt *) stmt);
		case T_CreateStatsStmt:
			return statistics_is_taken((const CreateStatsStmt *) stmt);
		default:
			return false;
	}
}

/*
 * Fails when the statement makes something whose name is taken, and does not
 * say that it may be.  Errors with what PostgreSQL says of its schema and of
 * types of arguments.
 */
void
zdm_facts_refuse_taken_name(ZdmFacts *facts, const Node *stmt)
{
	if (global_name_is_taken(stmt) || name_in_schema_is_taken(stmt))
		zdm_facts_note(facts, false, "Fails: there is one of that name already. Choose another name.");
}
