/*
 * target.c
 *	  What a table must be to be backfilled, and what its columns allow.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "backfill/clause.h"
#include "backfill/target.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "mapping/require.h"
#include "miscadmin.h"
#include "rewrite/prs2lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static char *
qualified_name(Relation rel)
{
	return psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)),
					RelationGetRelationName(rel));
}

/*
 * Open the target with ACCESS SHARE, kept to the end of the transaction.
 * Errors with UNDEFINED_TABLE.
 */
Relation
zdm_target_open(Oid target)
{
	Relation	rel = try_relation_open(target, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", target),
				 errhint("Give the name of a table, with its schema.")));
	return rel;
}

static void
check_relkind(Relation rel)
{
	char		relkind = rel->rd_rel->relkind;
	const char *hint;

	if (relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE)
		return;
	switch (relkind)
	{
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			hint = "Backfill the table under the view.";
			break;
		case RELKIND_FOREIGN_TABLE:
			hint = "Run the backfill on the server that holds the data, or detach the foreign partition.";
			break;
		default:
			hint = "Give the name of a table.";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot backfill \"%s\"", qualified_name(rel)),
			 errdetail_relkind_not_supported(relkind),
			 errhint("%s", hint)));
}

/*
 * Errors with FEATURE_NOT_SUPPORTED when rel's access method cannot do what
 * the planner is not asked about.
 */
void
zdm_target_check_access_method(Relation rel)
{
	if (rel->rd_tableam != NULL && rel->rd_tableam->scan_getnextslot_tidrange != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot backfill \"%s\": its access method has no TID range scans",
					qualified_name(rel)),
			 errhint("Tables of the access method heap can be backfilled.")));
}

static void
check_storage(Relation rel)
{
	if (IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot backfill \"%s\": it is a system catalog", qualified_name(rel)),
				 errhint("Give the name of a table of yours.")));
	if (RelationGetNamespace(rel) == get_namespace_oid("zdm", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot backfill \"%s\": it is a table of zdm's own", qualified_name(rel)),
				 errhint("Give the name of a table of yours.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot backfill temporary table \"%s\"", RelationGetRelationName(rel)),
				 errdetail("A background worker cannot see it."),
				 errhint("Use a plain UPDATE.")));
	if (rel->rd_rel->relkind == RELKIND_RELATION)
		zdm_target_check_access_method(rel);
}

static void
check_rights(Relation rel)
{
	Oid			owner = rel->rd_rel->relowner;

	zdm_require_owner_rights(owner, psprintf("table \"%s\"", qualified_name(rel)));
	if (rel->rd_rel->relrowsecurity && rel->rd_rel->relforcerowsecurity &&
		!has_bypassrls_privilege(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot backfill \"%s\": row security is forced on its owner",
						qualified_name(rel)),
				 errdetail("Policies would hide rows from the backfill."),
				 errhint("Give role \"%s\" BYPASSRLS, or use ALTER TABLE ... NO FORCE ROW LEVEL SECURITY while it runs.",
						 GetUserNameFromId(owner, false))));
}

static void
check_rules(Relation rel)
{
	if (rel->rd_rules == NULL)
		return;
	for (int i = 0; i < rel->rd_rules->numLocks; i++)
	{
		if (rel->rd_rules->rules[i]->event == CMD_UPDATE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot backfill \"%s\": it has a rule ON UPDATE", qualified_name(rel)),
					 errhint("Drop the rule, or make a trigger of it.")));
	}
}

static void
check_one(Relation rel, Oid top_owner)
{
	check_relkind(rel);
	check_storage(rel);
	check_rights(rel);
	check_rules(rel);
	if (rel->rd_rel->relowner != top_owner)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table \"%s\" has another owner than the table it belongs to",
						qualified_name(rel)),
				 errdetail("A backfill runs as one role."),
				 errhint("Use ALTER TABLE ... OWNER TO, or backfill the partitions by themselves.")));
}

/*
 * Check the target and everything below it.  Errors: WRONG_OBJECT_TYPE,
 * INSUFFICIENT_PRIVILEGE, FEATURE_NOT_SUPPORTED.  Takes ACCESS SHARE on each
 * relation.
 */
void
zdm_target_check(Relation rel)
{
	ListCell   *lc;

	check_one(rel, rel->rd_rel->relowner);
	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	child = relation_open(lfirst_oid(lc), NoLock);

		check_one(child, rel->rd_rel->relowner);
		relation_close(child, NoLock);
	}
}

static void
check_generated(Relation rel, const Bitmapset *assigned)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!bms_is_member(att->attnum - FirstLowInvalidHeapAttributeNumber, assigned))
			continue;
		if (att->attgenerated != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of table \"%s\" is generated",
							NameStr(att->attname), qualified_name(rel)),
					 errhint("Backfill the columns that it is computed from, or drop the generation with ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION.")));
		if (att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of table \"%s\" is an identity column, always generated",
							NameStr(att->attname), qualified_name(rel)),
					 errhint("Use ALTER TABLE ... ALTER COLUMN ... SET GENERATED BY DEFAULT first.")));
	}
}

static void
check_partition_key(Relation rel, const Bitmapset *assigned)
{
	bool		used_in_expr;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE ||
		!has_partition_attrs(rel, unconstify(Bitmapset *, assigned), &used_in_expr))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot backfill a column of the partition key of \"%s\"",
					qualified_name(rel)),
			 errdetail("Rows would move between partitions while they are read."),
			 errhint("Move the rows with DELETE and INSERT, or fill a new column.")));
}

/* The assigned columns of a child have the same names, not the same numbers. */
static Bitmapset *
columns_of_child(Relation rel, Relation child, const Bitmapset *assigned)
{
	Bitmapset  *result = NULL;
	int			bit = -1;

	while ((bit = bms_next_member(assigned, bit)) >= 0)
	{
		AttrNumber	attno = bit + FirstLowInvalidHeapAttributeNumber;
		char	   *name = get_attname(RelationGetRelid(rel), attno, false);

		result = bms_add_member(result, get_attnum(RelationGetRelid(child), name) -
								FirstLowInvalidHeapAttributeNumber);
	}
	return result;
}

static bool
is_in_foreign_key(Oid relid, AttrNumber attno)
{
	static const Oid argtypes[] = {OIDOID, INT2OID};
	Datum		values[] = {ObjectIdGetDatum(relid), Int16GetDatum(attno)};
	ZdmCatalogScope scope;
	bool		found;

	zdm_catalog_begin(&scope);
	found = zdm_catalog_execute("SELECT 1 FROM pg_constraint WHERE contype = 'f'"
								" AND ((conrelid = $1 AND $2 = ANY (conkey))"
								"   OR (confrelid = $1 AND $2 = ANY (confkey)))",
								2, argtypes, values, NULL, SPI_OK_SELECT) > 0;
	zdm_catalog_end(&scope);
	return found;
}

static void
require_right_to_skip_triggers(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to set fire_triggers to false"),
				 errhint("Leave fire_triggers out: the table's triggers then fire as for any UPDATE.")));
}

/*
 * Triggers off means foreign keys unchecked: FEATURE_NOT_SUPPORTED when an
 * assigned column of rel is part of one, on either side.
 */
void
zdm_target_check_foreign_keys(Relation rel, const Bitmapset *assigned)
{
	int			bit = -1;

	while ((bit = bms_next_member(assigned, bit)) >= 0)
	{
		AttrNumber	attno = bit + FirstLowInvalidHeapAttributeNumber;

		if (!is_in_foreign_key(RelationGetRelid(rel), attno))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("fire_triggers must not be false: column \"%s\" of table \"%s\" is part of a foreign key",
						get_attname(RelationGetRelid(rel), attno, false), qualified_name(rel)),
				 errdetail("Foreign keys are checked by triggers."),
				 errhint("Leave fire_triggers out.")));
	}
}

/* Checks on the columns, of the target and of everything below it. */
static void
check_columns(const ZdmBackfillSpec *spec, Relation rel, const Bitmapset *assigned)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), NoLock, NULL))
	{
		Relation	child = relation_open(lfirst_oid(lc), NoLock);
		Bitmapset  *columns = columns_of_child(rel, child, assigned);

		check_generated(child, columns);
		check_partition_key(child, columns);
		if (!spec->fire_triggers)
			zdm_target_check_foreign_keys(child, columns);
		relation_close(child, NoLock);
	}
}

/* A row of a partition or child has a type of its own. */
static void
check_whole_row(Relation rel, const ZdmClauseFacts *facts)
{
	if (!facts->whole_row || !has_subclass(RelationGetRelid(rel)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a backfill of \"%s\" cannot refer to the row as a whole", qualified_name(rel)),
			 errdetail("Rows of partitions and child tables are of other types."),
			 errhint("Name the columns, or backfill the partitions by themselves.")));
}

static void
check_side_effects(const ZdmClauseFacts *facts)
{
	if (facts->locks_rows)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a sub-select of a backfill must not lock rows"),
				 errhint("Leave out FOR UPDATE, FOR SHARE and the like.")));
}

static void
check_volatility(const ZdmBackfillSpec *spec, const ZdmClauseFacts *facts)
{
	if (facts->volatile_filter)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("filter must not use volatile functions"),
				 errdetail("The filter decides which rows are still to be converted, so it must give the same answer again."),
				 errhint("Use a condition on columns, such as \"column IS NULL\".")));
	if (facts->comparable || spec->filter)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 facts->volatile_assignment ?
			 errmsg("an assignment with a volatile function needs a filter") :
			 facts->time_dependent_assignment ?
			 errmsg("an assignment that depends on the current time or transaction needs a filter") :
			 facts->depends_on_other_rows ?
			 errmsg("an assignment that depends on the assigned column of other rows needs a filter") :
			 errmsg("an assignment of several columns from one sub-select needs a filter"),
			 errdetail("Without one, zdm cannot tell the rows that are right from the others."),
			 errhint("Give a filter that is false for a row that is right, such as filter => '%s IS NULL'.",
					 quote_identifier(facts->first_column))));
}

/*
 * Parse spec's clauses and check what they do to the target; *rows is the
 * planner's estimate.  What is analyzed and planned is, as the owner.  Errors:
 * SYNTAX_ERROR, GENERATED_ALWAYS, FEATURE_NOT_SUPPORTED,
 * INVALID_OBJECT_DEFINITION, INSUFFICIENT_PRIVILEGE, and whatever PostgreSQL
 * says of the clauses.
 */
ZdmClauseFacts *
zdm_target_check_clauses(ZdmBackfillSpec *spec, Relation rel, double *rows)
{
	ZdmBorrowedIdentity borrowed;
	ZdmClauseFacts *facts;

	if (!spec->fire_triggers)
		require_right_to_skip_triggers();
	zdm_clause_parse(spec);
	zdm_identity_borrow(&borrowed, rel->rd_rel->relowner, zdm_session_search_path(&spec->settings));
	zdm_clause_check(spec, rel);
	facts = zdm_query_facts(spec, rel);
	check_columns(spec, rel, facts->assigned);
	zdm_clause_check_rewrite(spec, rel);
	check_whole_row(rel, facts);
	check_side_effects(facts);
	check_volatility(spec, facts);
	*rows = zdm_query_estimate_rows(spec, rel);
	zdm_identity_give_back(&borrowed);
	return facts;
}

/*
 * The same for a spec by mapping, whose trigger rel has: spec gets what that
 * says.  Errors also as zdm_mapping_require().
 */
ZdmClauseFacts *
zdm_target_check_mapping(ZdmBackfillSpec *spec, Relation rel, double *rows)
{
	ZdmBorrowedIdentity borrowed;
	ZdmClauseFacts *facts;

	spec->mapping = zdm_mapping_require(rel, spec->mapping_id);
	spec->settings = spec->mapping->settings;
	spec->set_clause = zdm_mapping_describe(spec->mapping);
	zdm_identity_borrow(&borrowed, rel->rd_rel->relowner,
						spec->settings.count > 0 ? zdm_session_search_path(&spec->settings) : "pg_catalog");
	facts = zdm_query_facts(spec, rel);
	check_columns(spec, rel, facts->assigned);
	*rows = zdm_query_estimate_rows(spec, rel);
	zdm_identity_give_back(&borrowed);
	return facts;
}
