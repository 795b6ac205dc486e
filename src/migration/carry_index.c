/*
 * carry_index.c
 *	  The indexes of a column: each is built for the new column, concurrently
 *	  and under another name, and gets the old one's place when that is dropped.
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "core/catalog.h"
#include "core/identity.h"
#include "index/definition.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* CREATE INDEX with names qualified. */
static char *
index_definition(Oid index)
{
	ZdmBorrowedIdentity borrowed;
	char	   *definition;

	zdm_identity_borrow(&borrowed, GetUserId(), "pg_catalog, pg_temp");
	definition = pg_get_indexdef_string(index);
	zdm_identity_give_back(&borrowed);
	return definition;
}

/* ---------- does it fit the new type ---------- */

static void
check_element(ZdmColumnPlan *build, const IndexElem *elem, const IndexStmt *stmt)
{
	if (elem->expr == NULL && strcmp(elem->name, build->old_name) == 0)
		(void) ResolveOpClass(elem->opclass, getBaseType(build->type), stmt->accessMethod,
							  get_index_am_oid(stmt->accessMethod, false));
}

static void
check_elements(ZdmColumnPlan *build, const char *name, const IndexStmt *stmt)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ListCell   *lc;

	PG_TRY();
	{
		foreach(lc, stmt->indexParams)
			check_element(build, lfirst_node(IndexElem, lc), stmt);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				(errcode(edata->sqlerrcode),
				 errmsg("index \"%s\" of table %s cannot be built for type %s", name, build->table,
						format_type_be(build->type)),
				 errdetail("%s", edata->message),
				 errhint("Drop it before with zdm.drop_index(), and build one that fits with zdm.create_index() when the migration is done.")));
	}
	PG_END_TRY();
}

static const char expressions_sql[] =
"SELECT c.relname, pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid)"
"  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indexrelid = $1";

static void
check_fits(ZdmColumnPlan *build, Oid index, const char *definition)
{
	ZdmRows    *rows = zdm_rows_of(expressions_sql, index, 0, NULL);
	char	  **row = rows->values[0];

	check_elements(build, row[0], zdm_index_parse(definition));
	if (row[1])
		zdm_check_as_new(build, row[1], "index", row[0], false, true);
	if (row[2])
		zdm_check_as_new(build, row[2], "index", row[0], true, true);
}

/* ---------- what else belongs to an index ---------- */

/* $3 is the name of the new one */
static const char extras_sql[] =
"SELECT format('COMMENT ON INDEX %I.%I IS %L', n.nspname, c.relname, obj_description(c.oid, 'pg_class')),"
"       obj_description(c.oid, 'pg_class') IS NOT NULL, i.indisclustered, i.indisreplident,"
"       (SELECT string_agg(format('; ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s',"
"                                 n.nspname, c.relname, a.attnum, a.attstattarget), '' ORDER BY a.attnum)"
"          FROM pg_attribute a WHERE a.attrelid = c.oid AND coalesce(a.attstattarget, -1) >= 0),"
"       quote_ident(c.relname)"
"  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE i.indexrelid = $1";

static void
add_extras(ZdmColumnPlan *build, Oid index, ZdmIndexCarry *carry)
{
	ZdmRows    *rows = zdm_rows_of(extras_sql, index, 0, carry->name);
	char	  **row = rows->values[0];
	StringInfoData after;

	initStringInfo(&after);
	if (row[1][0] == 't')
		appendStringInfo(&after, "; %s", row[0]);
	if (row[4])
		appendStringInfoString(&after, row[4]);
	if (row[2][0] == 't')
		appendStringInfo(&after, "; ALTER TABLE %s CLUSTER ON %s", build->table, row[5]);
	carry->after = after.data;
	carry->before = row[3][0] == 't' ?
		psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s; ", build->table, quote_identifier(carry->name)) :
		pstrdup("");
}

/*
 * Plan an index like one that uses the old column, for the new one.  Errors
 * when it cannot be built on the new column's type.
 */
ZdmIndexCarry *
zdm_carry_index(ZdmColumnPlan *build, Oid index)
{
	ZdmIndexCarry *carry = palloc0(sizeof(ZdmIndexCarry));
	ZdmRenaming renaming = {build->old_name, build->working_name, false};
	char	   *definition = index_definition(index);
	char	   *schema = get_namespace_name(RelationGetNamespace(build->rel));

	if (build->retyped)
		check_fits(build, index, definition);
	carry->name = zdm_column_plan_name(build, get_rel_name(index));
	carry->definition = zdm_rewrite_index(definition, carry->name, &renaming);
	add_extras(build, index, carry);
	zdm_column_plan_main(build, ZDM_PHASE_MIGRATE, ZDM_STEP_INDEX, carry->name, carry->definition,
						 psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s", quote_qualified_identifier(schema, carry->name)),
						 ZDM_LOCK_WEAK);
	return carry;
}

/* Those that use the column and belong to no constraint. */
static const char indexes_sql[] =
"SELECT i.indexrelid, c.relname, i.indisvalid, i.indisunique, format('%I.%I', n.nspname, c.relname)"
"  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))"
"   AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
"                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2)"
" ORDER BY c.relname";

static void
carry_plain_index(ZdmColumnPlan *build, char **row)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(build->rel));
	bool		is_unique = row[3][0] == 't';
	ZdmIndexCarry *carry = zdm_carry_index(build, atooid(row[0]));
	char	   *statement = psprintf("%sDROP INDEX %s; ALTER INDEX %s RENAME TO %s%s", carry->before, row[4],
									 quote_qualified_identifier(schema, carry->name), quote_identifier(row[1]), carry->after);

	if (is_unique)
		zdm_column_plan_hand_over(build, InvalidOid, row[1], statement, false);
	else
		zdm_column_plan_purge(build, InvalidOid, row[1], statement);
}

/* Carry the old column's indexes, but those of constraints. */
void
zdm_carry_indexes(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(indexes_sql, RelationGetRelid(build->rel), build->attnum, NULL);

	if (rows->count > 0 && build->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		zdm_column_plan_warn(build, "the indexes of the partitions of table %s get other names than they have, chosen by PostgreSQL",
							 build->table);
	for (int i = 0; i < rows->count; i++)
	{
		char	  **row = rows->values[i];

		if (row[2][0] == 't')
		{
			carry_plain_index(build, row);
			continue;
		}
		zdm_column_plan_warn(build, "index \"%s\" is not valid: it is dropped with the old column, and not built again", row[1]);
		zdm_column_plan_purge(build, InvalidOid, row[1], psprintf("DROP INDEX IF EXISTS %s", row[4]));
	}
}
