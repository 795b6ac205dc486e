/*
 * column.c
 *	  What a table and its columns must be for a recipe about a column.
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "compat/constraint.h"
#include "compat/type.h"
#include "core/args.h"
#include "ddl/statement.h"
#include "migration/column_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#define RESERVED_PREFIX "~zdm_"

static void
check_kind(Relation rel, const char *name)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot change columns of %s", name),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind),
				 errhint("Give the name of a table.")));
	if (IsSystemRelation(rel) || RelationGetNamespace(rel) == get_namespace_oid("zdm", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot change columns of %s: it is a %s", name,
						IsSystemRelation(rel) ? "system catalog" : "table of zdm's own"),
				 errhint("Give the name of a table of yours.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot change columns of temporary table %s", name),
				 errdetail("A background worker cannot see it."),
				 errhint("Use ALTER TABLE: nobody else waits for it.")));
}

/*
 * Errors with WRONG_OBJECT_TYPE, INSUFFICIENT_PRIVILEGE, FEATURE_NOT_SUPPORTED
 * unless the caller may change columns of this table, and zdm can.
 */
void
zdm_column_check_table(Relation rel)
{
	char	   *name = zdm_column_plan_table_name(rel);

	check_kind(rel, name);
	zdm_require_owner_rights(rel->rd_rel->relowner, psprintf("table %s", name));
	if (OidIsValid(rel->rd_rel->reloftype))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot change columns of %s: it is a table of type %s", name, format_type_be(rel->rd_rel->reloftype)),
				 errhint("Its columns are those of the type. ALTER TABLE ... NOT OF makes it independent.")));
	if (rel->rd_rel->relkind == RELKIND_RELATION && has_subclass(RelationGetRelid(rel)) &&
		find_inheritance_children(RelationGetRelid(rel), NoLock) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot change columns of %s: other tables inherit from it", name),
				 errdetail("Triggers are not inherited, so rows of those could not be kept right."),
				 errhint("Make the tables independent with ALTER TABLE ... NO INHERIT, and change each.")));
}

static void
refuse_column(ZdmColumnPlan *build, const char *column, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change column \"%s\" of table %s: %s", column, build->table, why),
			 errhint("%s", hint)));
}

static void
check_old(ZdmColumnPlan *build, Form_pg_attribute att)
{
	char	   *name = NameStr(att->attname);

	if (att->attgenerated)
		refuse_column(build, name, "it is generated",
					  "Add another column with the new expression, and drop this one with zdm.drop_column().");
	if (att->attinhcount > 0)
		refuse_column(build, name, "it is inherited", "Change the column of the table that it comes from.");
	if (has_partition_attrs(build->rel, bms_make_singleton(att->attnum - FirstLowInvalidHeapAttributeNumber), NULL))
		refuse_column(build, name, "it is a part of the partition key",
					  "Rows are placed by it. Make another partitioned table, and move the rows.");
	if (zdm_compat_invalid_not_null(build->rel, att->attnum))
		refuse_column(build, name, "its NOT NULL constraint is not valid",
					  "Validate it first with zdm.set_not_null().");
}

/*
 * Take a column of the table as the plan's old one.  Errors with
 * UNDEFINED_COLUMN, INVALID_COLUMN_REFERENCE, FEATURE_NOT_SUPPORTED.
 */
void
zdm_column_take_old(ZdmColumnPlan *build, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(build->rel), name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table %s does not exist", name, build->table),
				 errhint("Names are compared as they are, without quotes.")));
	if (attnum < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("\"%s\" is a system column", name),
				 errhint("Name a column of the table.")));
	check_old(build, TupleDescAttr(RelationGetDescr(build->rel), attnum - 1));
	build->attnum = attnum;
	build->old_name = pstrdup(name);
	build->hidden_name = zdm_column_plan_name(build, psprintf("old_%s", name));
	build->plan->column = build->old_name;
}

/*
 * Take a name as that of the plan's new column.  Errors with INVALID_NAME,
 * RESERVED_NAME, DUPLICATE_COLUMN.
 */
void
zdm_column_take_new(ZdmColumnPlan *build, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(build->rel), name);

	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of the new column must not be empty"),
				 errhint("Give the name as it will be used.")));
	if (strncmp(name, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("column name \"%s\" is reserved", name),
				 errhint("Names that begin with \"%s\" are zdm's own: give another one.", RESERVED_PREFIX)));
	if (build->old_name && strcmp(name, build->old_name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the new name of column \"%s\" is its old one", name),
				 errhint("Give another name; a column that changes its type keeps its name when new_name is left out.")));
	if (attnum < 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("column name \"%s\" is that of a system column", name),
				 errhint("Give another name.")));
	if (attnum > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column \"%s\" of table %s exists already, with type %s", name, build->table,
						format_type_be(get_atttype(RelationGetRelid(build->rel), attnum))),
				 errhint("Give another name, or drop that column with zdm.drop_column().")));
	build->working_name = pstrdup(name);
	build->final_name = build->working_name;
	build->plan->new_column = build->working_name;
}

typedef struct TypeText
{
	const char *source;
	Oid			type;
	int32		typmod;
} TypeText;

static void
parse_type(void *arg)
{
	TypeText   *type = arg;

	zdm_compat_parse_type(type->source, &type->type, &type->typmod);
}

/*
 * Take a type by its name as the new column's type, with that type's collation.
 * Errors: SYNTAX_ERROR, UNDEFINED_OBJECT.
 */
void
zdm_column_take_type(ZdmColumnPlan *build, const char *name)
{
	TypeText	type = {.source = name};

	zdm_statement_errors(parse_type, &type, name);
	build->type = type.type;
	build->typmod = type.typmod;
	build->collation = get_typcollation(type.type);
}

/*
 * Errors with INVALID_TABLE_DEFINITION when a column cannot have the new
 * column's type, with FEATURE_NOT_SUPPORTED when adding one would rewrite the
 * table.
 */
void
zdm_column_check_type(ZdmColumnPlan *build, const char *name)
{
	CheckAttributeType(name, build->type, build->collation, NIL, 0);
	if (DomainHasConstraints(build->type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot add column \"%s\" to table %s: type %s is a domain with constraints", name, build->table,
						format_type_be(build->type)),
				 errdetail("PostgreSQL would rewrite the table under ACCESS EXCLUSIVE."),
				 errhint("Use type %s, and add what the domain checks with zdm.add_check() and zdm.set_not_null().",
						 format_type_be(getBaseType(build->type)))));
}
