/*
 * carry_default.c
 *	  Where the values of a column come from when a statement gives none: its
 *	  default, its identity, the sequences that it owns.
 *
 * They are the old column's until it is retired, and then the new one's: a row
 * that names neither column is filled on one side only, and sync does the
 * other.  So they move in that transaction, and back in the one that undoes
 * it.  The names in these statements are those of the time between.
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "migration/column_plan.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/rel.h"

static char *
default_of(ZdmColumnPlan *build)
{
	static const char sql[] = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2";
	ZdmRows    *rows = zdm_rows_of(sql, RelationGetRelid(build->rel), build->attnum, NULL);

	return rows->count > 0 ? rows->values[0][0] : NULL;
}

/*
 * The new column's default, which gives what sync would make of the old one's;
 * NULL when there can be none.
 */
static char *
translate_default(ZdmColumnPlan *build, const char *old)
{
	Oid			old_type = TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1)->atttypid;
	const char *forward = build->plan->mapping->forward;
	ZdmRenaming renaming = {build->old_name, old, true};
	List	   *columns = zdm_rewrite_columns_read(forward);
	CoercionPathType path;
	Oid			function;
	ListCell   *lc;

	if (!build->retyped)
		return pstrdup(old);
	foreach(lc, columns)
	{
		if (strcmp(lfirst(lc), build->old_name) != 0)
			return NULL;
	}
	path = find_coercion_pathway(build->type, old_type, COERCION_ASSIGNMENT, &function);
	if (build->plain_cast && path != COERCION_PATH_NONE)
		return pstrdup(old);
	/* each evaluation of it would give another value */
	if (list_length(columns) > 1 && contain_volatile_functions(build_column_default(build->rel, build->attnum)))
		return NULL;
	return zdm_rewrite_expression(forward, &renaming, 1);
}

static char *
move_default(ZdmColumnPlan *build, const char *from, const char *to, const char *expression)
{
	return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT, ALTER COLUMN %s SET DEFAULT %s", build->table,
					quote_identifier(from), quote_identifier(to), expression);
}

static void
carry_expression(ZdmColumnPlan *build)
{
	char	   *old = default_of(build);
	char	   *new = old ? translate_default(build, old) : NULL;

	if (old == NULL)
		return;
	if (new)
		zdm_column_plan_retire(build, move_default(build, build->hidden_name, build->final_name, new),
							   move_default(build, build->final_name, build->hidden_name, old));
	else
		zdm_column_plan_manual(build, "Set a default for column \"%s\" of table %s: that of \"%s\" (%s) cannot be carried over, because the mapping reads more than its value. Until the old column is dropped, sync fills in what follows from its default.",
							   build->final_name, build->table, build->old_name, old);
}

/* ---------- sequences ---------- */

enum
{
	SEQ_DEPENDENCY, SEQ_NAME, SEQ_QUALIFIED, SEQ_SCHEMA, SEQ_TYPE, SEQ_OPTIONS, SEQ_BOUNDS, SEQ_OLD_BOUNDS, SEQ_AFTER
};

/*
 * Bounds that are those of the type are left to the type: SEQ_BOUNDS is for
 * another type, SEQ_OLD_BOUNDS for this one.
 */
static const char sequences_sql[] =
"WITH seq AS (SELECT d.deptype, c.oid, c.relname, n.nspname, c.relowner, c.relacl, s.*,"
"               CASE s.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647"
"                 ELSE 9223372036854775807 END AS top"
"             FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_sequence s ON s.seqrelid = c.oid"
"             JOIN pg_namespace n ON n.oid = c.relnamespace"
"            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1"
"              AND d.refobjsubid = $2 AND d.deptype IN ('a', 'i'))"
" SELECT deptype, relname, format('%I.%I', nspname, relname), nspname, seqtypid::oid,"
"        format('START WITH %s INCREMENT BY %s CACHE %s%s', seqstart, seqincrement, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END),"
"        CASE WHEN seqmin = (CASE WHEN seqincrement > 0 THEN 1 ELSE -top - 1 END) THEN ' NO MINVALUE' ELSE ' MINVALUE ' || seqmin END ||"
"        CASE WHEN seqmax = (CASE WHEN seqincrement > 0 THEN top ELSE -1 END) THEN ' NO MAXVALUE' ELSE ' MAXVALUE ' || seqmax END,"
"        format(' MINVALUE %s MAXVALUE %s', seqmin, seqmax),"
"        (SELECT coalesce(string_agg(format('; GRANT %s ON SEQUENCE %I.%I TO %s%s', x.privileges, nspname, relname, x.grantee, x.option), ''"
"                                    ORDER BY x.grantee, x.option), '')"
"           FROM (SELECT string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS privileges,"
"                        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,"
"                        CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option"
"                   FROM aclexplode(relacl) a WHERE a.grantee <> relowner GROUP BY 2, 3) x) ||"
"        CASE WHEN obj_description(oid, 'pg_class') IS NOT NULL"
"             THEN format('; COMMENT ON SEQUENCE %I.%I IS %L', nspname, relname, obj_description(oid, 'pg_class')) ELSE '' END"
"   FROM seq ORDER BY relname";

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* A sequence that counts for an integer column has the column's type. */
static void
carry_owned(ZdmColumnPlan *build, char **row)
{
	Oid			old_type = TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1)->atttypid;
	bool		retype = atooid(row[SEQ_TYPE]) == old_type && is_integer(build->type) && build->type != old_type;
	const char *sequence = row[SEQ_QUALIFIED];

	zdm_column_plan_retire(build,
						   psprintf("ALTER SEQUENCE %s%s OWNED BY %s.%s", sequence,
									retype ? psprintf(" AS %s", format_type_be(build->type)) : "", build->table,
									quote_identifier(build->final_name)),
						   psprintf("ALTER SEQUENCE %s%s OWNED BY %s.%s", sequence,
									retype ? psprintf(" AS %s", format_type_be(old_type)) : "", build->table,
									quote_identifier(build->hidden_name)));
}

/*
 * An identity's sequence cannot be given to another column: a new one takes
 * its name and goes on where it stopped.  Renaming it first locks it, so that
 * nobody takes a number meanwhile.
 */
static char *
move_identity(ZdmColumnPlan *build, char **row, const char *from, const char *to, const char *aside, const char *bounds)
{
	char		identity = TupleDescAttr(RelationGetDescr(build->rel), build->attnum - 1)->attidentity;
	const char *sequence = row[SEQ_QUALIFIED];
	char	   *aside_qualified = quote_qualified_identifier(row[SEQ_SCHEMA], aside);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "ALTER SEQUENCE %s RENAME TO %s; ", sequence, quote_identifier(aside));
	appendStringInfo(&buf, "ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s%s); ",
					 build->table, quote_identifier(to), identity == ATTRIBUTE_IDENTITY_ALWAYS ? "ALWAYS" : "BY DEFAULT",
					 sequence, row[SEQ_OPTIONS], bounds);
	appendStringInfo(&buf, "SELECT pg_catalog.setval(%s, last_value, is_called) FROM %s; ",
					 quote_literal_cstr(sequence), aside_qualified);
	appendStringInfo(&buf, "ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY%s", build->table, quote_identifier(from),
					 row[SEQ_AFTER]);
	return buf.data;
}

static void
carry_identity(ZdmColumnPlan *build, char **row)
{
	char	   *aside = zdm_column_plan_name(build, row[SEQ_NAME]);

	if (!is_integer(build->type))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of table %s is an identity column, which cannot be of type %s", build->old_name,
						build->table, format_type_be(build->type)),
				 errhint("Use smallint, integer or bigint, or take the identity away with ALTER TABLE ... DROP IDENTITY.")));
	zdm_column_plan_retire(build,
						   move_identity(build, row, build->hidden_name, build->final_name, aside, row[SEQ_BOUNDS]),
						   move_identity(build, row, build->final_name, build->hidden_name, aside, row[SEQ_OLD_BOUNDS]));
}

/* Carry default, identity and owned sequences; the mapping is set. */
void
zdm_carry_default(ZdmColumnPlan *build)
{
	ZdmRows    *rows = zdm_rows_of(sequences_sql, RelationGetRelid(build->rel), build->attnum, NULL);

	carry_expression(build);
	for (int i = 0; i < rows->count; i++)
	{
		if (rows->values[i][SEQ_DEPENDENCY][0] == 'i')
			carry_identity(build, rows->values[i]);
		else
			carry_owned(build, rows->values[i]);
	}
}
