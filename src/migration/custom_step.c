/*
 * custom_step.c
 *	  The steps that one call of zdm.add_step() makes: what each kind needs, and
 *	  what is made of it.
 *
 * Texts are parsed here and looked up only when they run: a step may be about
 * what an earlier one creates.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "compat/constraint.h"
#include "core/args.h"
#include "core/identity.h"
#include "ddl/statement.h"
#include "migration/custom_step.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "recipe/store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#define LOCK_STRONG "ACCESS EXCLUSIVE"
#define LOCK_FOREIGN_KEY "SHARE ROW EXCLUSIVE"
#define LOCK_BY_STATEMENT "as the statement takes"

/* what the call is about */
typedef struct Call
{
	FunctionCallInfo fcinfo;
	const ZdmMigration *migration;
	ZdmPhase	phase;
	Oid			target;			/* invalid: the migration's */
	List	   *steps;			/* of ZdmStep: what is made of it */
} Call;

/* ---------- arguments ---------- */

static const char *const argument_names[] = {
	[STEP_MIGRATION] = "migration",
	[STEP_PHASE] = "phase",
	[STEP_KIND] = "kind",
	[STEP_STATEMENT] = "statement",
	[STEP_UNDO] = "undo",
	[STEP_TARGET] = "target",
	[STEP_SET_CLAUSE] = "set_clause",
	[STEP_FILTER] = "filter",
	[STEP_CONSTRAINT_NAME] = "constraint_name",
	[STEP_WAIT_TIME] = "wait_time",
	[STEP_STAGE] = "stage"
};

static char *
required(const Call *call, int argno)
{
	zdm_args_not_null(call->fcinfo, argno, argument_names[argno]);
	return zdm_args_text(call->fcinfo, argno);
}

/* Arguments from first on that a kind knows nothing of are an error, not left out silently. */
static void
refuse_others(const Call *call, const char *kind, const int *known, int nknown)
{
	for (int i = STEP_STATEMENT; i <= STEP_WAIT_TIME; i++)
	{
		bool		is_known = i == STEP_TARGET;

		for (int j = 0; j < nknown; j++)
			is_known = is_known || known[j] == i;
		if (!is_known && !call->fcinfo->args[i].isnull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a step of kind \"%s\" has no %s", kind, argument_names[i]),
					 errhint("Leave %s out.", argument_names[i])));
	}
}

static ZdmPhase
phase_arg(FunctionCallInfo fcinfo)
{
	ZdmPhase	phase;
	char	   *given;

	zdm_args_not_null(fcinfo, STEP_PHASE, "phase");
	given = zdm_args_text(fcinfo, STEP_PHASE);
	phase = zdm_recipe_phase_parse(given);
	if (phase == ZDM_PHASE_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown phase \"%s\"", given),
				 errhint("Use 'expand', 'migrate' or 'contract'.")));
	return phase;
}

static ZdmStage
stage_arg(FunctionCallInfo fcinfo, ZdmPhase phase)
{
	char	   *given = zdm_args_text(fcinfo, STEP_STAGE);

	if (phase != ZDM_PHASE_CONTRACT)
	{
		if (given)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("only a step of phase contract has a stage"),
					 errhint("Leave stage out.")));
		return ZDM_STAGE_MAIN;
	}
	if (given == NULL)
		return PG_ARGISNULL(STEP_UNDO) ? ZDM_STAGE_PURGE : ZDM_STAGE_RETIRE;
	if (strcmp(given, "retire") != 0 && strcmp(given, "purge") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown stage \"%s\"", given),
				 errhint("Use 'retire', which can be reverted, or 'purge', which runs after the hold.")));
	return strcmp(given, "retire") == 0 ? ZDM_STAGE_RETIRE : ZDM_STAGE_PURGE;
}

/* The owner of a step's table must be the one as whom the migration runs. */
static Oid
target_arg(FunctionCallInfo fcinfo, const ZdmMigration *migration)
{
	Oid			owner;
	Oid			target;

	if (PG_ARGISNULL(STEP_TARGET))
		return InvalidOid;
	target = PG_GETARG_OID(STEP_TARGET);
	owner = zdm_relation_owner(target);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", target),
				 errhint("Give the name of a table.")));
	if (!has_privs_of_role(migration->runs_as_id, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\", as which migration \"%s\" runs, must be owner of table \"%s\"",
						migration->runs_as, migration->name, get_rel_name(target)),
				 errhint("Create a migration of its own for that table.")));
	return target == migration->target ? InvalidOid : target;
}

/* The table of the step; InvalidOid when neither it nor the migration has one. */
static Oid
table_of(const Call *call)
{
	return OidIsValid(call->target) ? call->target : call->migration->target;
}

static char *
target_name(const Call *call, const char *kind)
{
	Oid			target = table_of(call);

	if (!OidIsValid(target))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a step of kind \"%s\" needs a table", kind),
				 errhint("Give target here, or to zdm.create_migration().")));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(target)), get_rel_name(target));
}

/* ---------- steps ---------- */

static ZdmStep *
append(Call *call, ZdmStepKind kind, const char *object, char *statement, const char *lock)
{
	ZdmStep    *step = palloc0(sizeof(ZdmStep));

	step->kind = kind;
	step->phase = call->phase;
	step->statement = statement;
	step->object = pstrdup(object);
	step->lock = pstrdup(lock);
	step->expected_ms = kind == ZDM_STEP_DDL ? 0 : -1;
	step->target = call->target;
	if (OidIsValid(call->target))
	{
		step->target_schema = get_namespace_name(get_rel_namespace(call->target));
		step->target_name = get_rel_name(call->target);
	}
	call->steps = lappend(call->steps, step);
	return step;
}

static const char *
short_object(const Call *call)
{
	return call->migration->target_name ? call->migration->target_name : "";
}

static void
make_ddl(Call *call)
{
	static const int known[] = {STEP_STATEMENT, STEP_UNDO};

	refuse_others(call, "ddl", known, lengthof(known));
	append(call, ZDM_STEP_DDL, short_object(call), required(call, STEP_STATEMENT),
		   LOCK_BY_STATEMENT)->undo = zdm_args_text(call->fcinfo, STEP_UNDO);
}

static void
make_sql(Call *call)
{
	static const int known[] = {STEP_STATEMENT, STEP_UNDO};

	refuse_others(call, "sql", known, lengthof(known));
	append(call, ZDM_STEP_SQL, short_object(call), required(call, STEP_STATEMENT),
		   LOCK_BY_STATEMENT)->undo = zdm_args_text(call->fcinfo, STEP_UNDO);
}

static void
make_backfill(Call *call)
{
	static const int known[] = {STEP_SET_CLAUSE, STEP_FILTER, STEP_UNDO};
	char	   *set_clause = required(call, STEP_SET_CLAUSE);
	char	   *filter = zdm_args_text(call->fcinfo, STEP_FILTER);
	ZdmStep    *step;

	refuse_others(call, "backfill", known, lengthof(known));
	step = append(call, ZDM_STEP_BACKFILL, short_object(call),
				  psprintf("UPDATE %s SET %s%s%s", target_name(call, "backfill"), set_clause,
						   filter ? " WHERE " : "", filter ? filter : ""), "ROW EXCLUSIVE");
	step->undo = zdm_args_text(call->fcinfo, STEP_UNDO);
	step->set_clause = set_clause;
	step->filter = filter;
}

typedef struct Text
{
	const char *text;
	List	   *stmts;
} Text;

static void
parse_step(void *arg)
{
	Text	   *text = arg;

	text	  ->stmts = raw_parser(text->text, RAW_PARSE_DEFAULT);
}

/* The one statement of a text; NULL when there is another number. */
static Node *
parse_one(const char *sql)
{
	Text text = {.text = sql};

	zdm_statement_errors(parse_step, &text, sql);
	return list_length(text.stmts) == 1 ? linitial_node(RawStmt, text.stmts)->stmt : NULL;
}

static void
make_index(Call *call)
{
	static const int known[] = {STEP_STATEMENT};
	char	   *statement = required(call, STEP_STATEMENT);
	Node	   *tree = parse_one(statement);
	IndexStmt  *stmt = (IndexStmt *) tree;

	refuse_others(call, "index", known, lengthof(known));
	if (tree == NULL || !IsA(tree, IndexStmt) || stmt->idxname == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the statement of a step of kind \"index\" must be one CREATE INDEX that names the index"),
				 errhint("As in: CREATE INDEX orders_channel ON orders (channel)")));
	append(call, ZDM_STEP_INDEX, stmt->idxname, statement, "SHARE UPDATE EXCLUSIVE");
}

/* The constraint that a statement adds NOT VALID, when that is all it does. */
static const Constraint *
added_not_valid(const char *statement)
{
	Node	   *tree = parse_one(statement);
	AlterTableCmd *cmd;
	Constraint *constraint;

	if (tree == NULL || !IsA(tree, AlterTableStmt) || list_length(((AlterTableStmt *) tree)->cmds) != 1)
		return NULL;
	cmd = linitial_node(AlterTableCmd, ((AlterTableStmt *) tree)->cmds);
	if (cmd->subtype != AT_AddConstraint)
		return NULL;
	constraint = castNode(Constraint, cmd->def);
	if (!constraint->skip_validation || (constraint->contype != CONSTR_CHECK && constraint->contype != CONSTR_FOREIGN))
		return NULL;
	return constraint;
}

/*
 * Append the step that adds a constraint.  The definition is put into a
 * statement, which must then be nothing else.  False when it is valid from the
 * start: the key of a partitioned table, whose partitions get it one by one, by
 * steps that are added when it runs.
 */
static bool
append_addition(Call *call, const char *table, const char *name, const char *definition)
{
	char	   *statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", table, quote_identifier(name), definition);
	const Constraint *constraint = added_not_valid(statement);
	bool		adopts;

	if (constraint == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the statement of a step of kind \"constraint\" must be the definition of one CHECK or FOREIGN KEY"),
				 errhint("As in: CHECK (amount > 0). Leave it out for a constraint that exists and is NOT VALID.")));
	adopts = constraint->contype == CONSTR_FOREIGN && !ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED &&
		get_rel_relkind(table_of(call)) == RELKIND_PARTITIONED_TABLE;
	if (adopts)
		statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", table, quote_identifier(name), definition);
	append(call, ZDM_STEP_DDL, name, statement, constraint->contype == CONSTR_FOREIGN ? LOCK_FOREIGN_KEY : LOCK_STRONG)->undo =
		psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, quote_identifier(name));
	return !adopts;
}

static void
make_constraint(Call *call)
{
	static const int known[] = {STEP_STATEMENT, STEP_CONSTRAINT_NAME};
	const char *definition = zdm_args_text(call->fcinfo, STEP_STATEMENT);
	char	   *name = zdm_args_required_name(call->fcinfo, STEP_CONSTRAINT_NAME, "constraint_name");
	char	   *table = target_name(call, "constraint");

	refuse_others(call, "constraint", known, lengthof(known));
	if (definition && !append_addition(call, table, name, definition))
		return;
	append(call, ZDM_STEP_VALIDATE, name,
		   psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, quote_identifier(name)), "SHARE UPDATE EXCLUSIVE");
}

/* The text of one query, without what may stand behind it. */
static char *
require_query(const char *kind, const char *query)
{
	Text text = {.text = query};
	RawStmt    *raw;

	zdm_statement_errors(parse_step, &text, query);
	raw = list_length(text.stmts) == 1 ? linitial_node(RawStmt, text.stmts) : NULL;
	if (raw == NULL || !IsA(raw->stmt, SelectStmt) || ((SelectStmt *) raw->stmt)->intoClause)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the statement of a step of kind \"%s\" must be one query", kind),
				 errhint("Give a SELECT.")));
	return raw->stmt_len > 0 ? pnstrdup(query + raw->stmt_location, raw->stmt_len) : pstrdup(query);
}

static void
make_wait(Call *call)
{
	static const int known[] = {STEP_STATEMENT, STEP_WAIT_TIME};
	char	   *query = zdm_args_text(call->fcinfo, STEP_STATEMENT);
	FunctionCallInfo fcinfo = call->fcinfo;
	double		ms = 0;
	ZdmStep    *step;

	refuse_others(call, "wait", known, lengthof(known));
	if (query == NULL)
		zdm_args_not_null(fcinfo, STEP_WAIT_TIME, "wait_time");
	else
		query = require_query("wait", query);
	if (!PG_ARGISNULL(STEP_WAIT_TIME))
	{
		const Interval *time = PG_GETARG_INTERVAL_P(STEP_WAIT_TIME);

		ms = time->time / 1000.0 + (time->day + time->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	}
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wait_time must not be negative"),
				 errhint("Leave it out to wait for a query only.")));
	step = append(call, ZDM_STEP_WAIT, short_object(call), query ? query : psprintf("wait for %.0f ms", ms), "none");
	step->filter = query;
	step->wait_ms = ms;
	step->expected_ms = ms > 0 ? ms : -1;
}

/* A query that must return no rows: a statement that fails when it does. */
static void
make_verify(Call *call)
{
	static const int known[] = {STEP_STATEMENT};
	char	   *query = require_query("verify", required(call, STEP_STATEMENT));
	char	   *body;

	refuse_others(call, "verify", known, lengthof(known));
	body = psprintf("DECLARE found bigint; BEGIN SELECT count(*) INTO found FROM (%s\n) AS query;"
					" IF found > 0 THEN RAISE EXCEPTION USING ERRCODE = 'data_exception',"
					" MESSAGE = format('the verification has found %%s rows', found),"
					" HINT = 'Look at them with the query of the step, mend them, then use zdm.retry().'; END IF; END",
					query);
	append(call, ZDM_STEP_SQL, short_object(call), psprintf("DO %s", quote_literal_cstr(body)), "as the query takes");
}

typedef struct KindMaker
{
	const char *name;
	void		(*make) (Call *call);
} KindMaker;

static const KindMaker makers[] = {
	{"ddl", make_ddl},
	{"backfill", make_backfill},
	{"index", make_index},
	{"constraint", make_constraint},
	{"verify", make_verify},
	{"sql", make_sql},
	{"wait", make_wait}
};

/*
 * The steps that a call of zdm.add_step() makes, and their stage.  Errors with
 * INVALID_PARAMETER_VALUE, NULL_VALUE_NOT_ALLOWED, SYNTAX_ERROR.
 */
List *
zdm_custom_steps(FunctionCallInfo fcinfo, const ZdmMigration *migration, ZdmStage *stage)
{
	Call		call = {.fcinfo = fcinfo,.migration = migration};
	char	   *kind;

	call.phase = phase_arg(fcinfo);
	*stage = stage_arg(fcinfo, call.phase);
	zdm_args_not_null(fcinfo, STEP_KIND, "kind");
	kind = zdm_args_text(fcinfo, STEP_KIND);
	call.target = target_arg(fcinfo, migration);
	for (int i = 0; i < lengthof(makers); i++)
	{
		if (strcmp(makers[i].name, kind) != 0)
			continue;
		makers[i].make(&call);
		return call.steps;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown kind of step \"%s\"", kind),
			 errhint("Use 'ddl', 'backfill', 'index', 'constraint', 'verify', 'sql' or 'wait'.")));
	return NIL;					/* keep the compiler quiet */
}
