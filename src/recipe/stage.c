/*
 * stage.c
 *	  What migrations use of recipes: a job made of given steps, and what it
 *	  tells of itself.
 */
#include "postgres.h"

#include "ddl/statement.h"
#include "job/queue.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "recipe/stage.h"
#include "recipe/step.h"
#include "recipe/store.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

ZdmRecipeEndHook zdm_recipe_end_hook = NULL;
ZdmRecipeMayBegin zdm_recipe_may_begin = NULL;

/* ---------- steps ---------- */

typedef struct Text
{
	const char *text;
	List	   *stmts;			/* of RawStmt */
} Text;

static void
parse_step(void *arg)
{
	Text	   *text = arg;

	text	  ->stmts = raw_parser(text->text, RAW_PARSE_DEFAULT);
}

static List *
parse(const char *text)
{
	Text		arg;

	arg.text = text;

	arg.stmts = NIL;
	zdm_statement_errors(parse_step, &arg, text);
	return arg.stmts;
}

/* A text from a user that runs in a transaction of ours. */
static void
check_sql(const char *sql)
{
	List	   *stmts = parse(sql);
	ListCell   *lc;

	if (stmts == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("the statement of a step of kind \"sql\" is empty"),
				 errhint("Give one or more statements, separated by semicolons.")));
	foreach(lc, stmts)
	{
		Node	   *stmt = lfirst_node(RawStmt, lc)->stmt;

		if (IsA(stmt, TransactionStmt))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a step of kind \"sql\" must not contain %s", GetCommandTagName(CreateCommandTag(stmt))),
					 errdetail("Its statements run in one transaction, together with the note that they are done."),
					 errhint("Give what is to be committed before as a step of its own.")));
		if (IsA(stmt, CopyStmt) && ((CopyStmt *) stmt)->filename == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a step of kind \"sql\" must not contain COPY without a file or program"),
					 errdetail("It runs in a background worker, which has no client."),
					 errhint("Copy the rows in a session of yours.")));
	}
}

static void
check_query(const char *query)
{
	List	   *stmts = parse(query);

	if (list_length(stmts) != 1 || !IsA(linitial_node(RawStmt, stmts)->stmt, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("what a step of kind \"wait\" waits for must be one query"),
				 errhint("Give a SELECT that returns true when the wait is over.")));
}

static void
check_ddl(const char *sql)
{
	ListCell   *lc;

	foreach(lc, zdm_statement_parse_list(sql))
	{
		const ZdmStatement *statement = lfirst(lc);

		if (statement->toplevel)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a step of kind \"ddl\" must not contain %s CONCURRENTLY", GetCommandTagName(statement->tag)),
					 errdetail("Its statements run in one transaction, together with the note that they are done."),
					 errhint("Use a step of kind \"index\" for an index.")));
	}
}

/*
 * Errors with SYNTAX_ERROR, FEATURE_NOT_SUPPORTED or INVALID_PARAMETER_VALUE
 * when a step cannot be run by what its texts say.  Names are not looked up.
 */
void
zdm_recipe_check_step(const ZdmStep *step)
{
	switch (step->kind)
	{
		case ZDM_STEP_DDL:
			check_ddl(step->statement);
			break;
		case ZDM_STEP_SQL:
			check_sql(step->statement);
			break;
		case ZDM_STEP_WAIT:
			if (step->filter)
				check_query(step->filter);
			break;
		default:
			break;
	}
	if (step->undo && step->kind != ZDM_STEP_INDEX && step->kind != ZDM_STEP_VALIDATE)
		check_sql(step->undo);
}

/* ---------- the job ---------- */

static int64
create_job(const ZdmRecipeJob *job)
{
	if (!OidIsValid(job->target))
		return zdm_job_create_as(job->name, "recipe", InvalidOid, "", job->what, job->role);
	if (job->as_caller)
		return zdm_job_create_as(job->name, "recipe", job->target,
								 get_namespace_name(get_rel_namespace(job->target)),
								 get_rel_name(job->target), job->role);
	return zdm_job_create(job->name, "recipe", job->target, job->role);
}

/* A step may say what it is about by OID alone; the job's table needs not be said. */
static void
settle_target(const ZdmRecipeJob *job, ZdmStep *step)
{
	if (step->target_name || !OidIsValid(step->target))
		return;
	if (step->target != job->target)
		zdm_step_set_target(step, step->target);
	else
		step->target = InvalidOid;
}

/*
 * Queue a job that does these steps, which keep their numbers, and have the
 * queue looked at at commit; 0 when the name is taken.  Errors as
 * zdm_recipe_check_step().  Does not commit.
 */
int64
zdm_recipe_create(const ZdmRecipeJob *job, const ZdmRecipe *recipe)
{
	ListCell   *lc;
	int64		job_id;

	foreach(lc, recipe->steps)
	{
		settle_target(job, lfirst(lc));
		zdm_recipe_check_step(lfirst(lc));
	}
	job_id = create_job(job);
	if (job_id == 0)
		return 0;
	zdm_recipe_store(job_id, recipe);
	if (job->not_before != 0)
		zdm_job_set_not_before(job_id, job->not_before);
	zdm_queue_request();
	return job_id;
}

/* ---------- what it tells ---------- */

static void
job_changed(const ZdmJob *job, const ZdmError *error)
{
	if (zdm_recipe_end_hook && strcmp(job->kind, "recipe") == 0)
		zdm_recipe_end_hook(job->id, job->state, error);
}

/* From _PG_init only. */
void
zdm_recipe_init(void)
{
	zdm_job_hook = job_changed;
}
