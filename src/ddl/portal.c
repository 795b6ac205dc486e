/*
 * portal.c
 *	  Running one statement of text or tree in a worker, as a client's would
 *	  run: parse analysis, rewriter, planner, portal, ProcessUtility and its
 *	  hooks, event triggers.
 *
 * The two forms differ in what the statement may do to the transaction.  SPI
 * would do for the first only: CONCURRENTLY commits in the middle, which it
 * may in a portal at top level and nowhere else.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_event_trigger.h"
#include "commands/trigger.h"
#include "compat/compat.h"
#include "core/identity.h"
#include "ddl/portal.h"
#include "ddl/watch.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

/* Analyze and plan with a snapshot, as parse analysis may need one. */
static List *
plan_statement(RawStmt *raw, const char *sql)
{
	bool		needs_snapshot = analyze_requires_snapshot(raw);
	List	   *trees;

	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	trees = pg_analyze_and_rewrite_fixedparams(raw, sql, NULL, 0, NULL);
	trees = pg_plan_queries(trees, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	if (needs_snapshot)
		PopActiveSnapshot();
	return trees;
}

/* The current memory context must outlive commits in the statement's middle. */
static void
run_raw(RawStmt *raw, const char *sql, bool toplevel)
{
	List	   *plans = plan_statement(raw, sql);
	CommandTag	tag = CreateCommandTag(raw->stmt);
	Portal		portal = CreatePortal("", true, true);
	QueryCompletion completion;

	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, tag, plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) zdm_compat_portal_run(portal, toplevel, None_Receiver, &completion);
	PortalDrop(portal, false);
	CommandCounterIncrement();
}

/*
 * A failed portal looks at its statement until the transaction has been
 * aborted, so what one execution leaves is cleared by the next.
 */
static MemoryContext
fresh_statement_context(void)
{
	static MemoryContext statement_mcxt = NULL;

	if (statement_mcxt == NULL)
		statement_mcxt = AllocSetContextCreate(TopMemoryContext, "zdm statement",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(statement_mcxt);
	return statement_mcxt;
}

/* stmt, or what sql says when it is NULL. */
static void
run_statement(const char *sql, const Node *stmt, bool toplevel)
{
	MemoryContext old = MemoryContextSwitchTo(fresh_statement_context());
	ListCell   *lc;

	sql = pstrdup(sql);
	if (stmt)
	{
		RawStmt    *raw = makeNode(RawStmt);

		raw->stmt = copyObject(unconstify(Node *, stmt));
		run_raw(raw, sql, toplevel);
	}
	else
	{
		foreach(lc, pg_parse_query(sql))
			run_raw(lfirst_node(RawStmt, lc), sql, toplevel);
	}
	/* after a commit in the middle, old may be gone */
	MemoryContextSwitchTo(toplevel ? CurTransactionContext : old);
}

/*
 * Execute one statement inside the current transaction, as the current user.
 * Forms that cannot run in a transaction block error with
 * ACTIVE_SQL_TRANSACTION.  Errors are the statement's own.
 */
void
zdm_ddl_execute(const char *sql)
{
	run_statement(sql, NULL, false);
}

/* The same for a raw parse tree, which is copied; sql is what logs show for it. */
void
zdm_ddl_execute_tree(const Node *stmt, const char *sql)
{
	run_statement(sql, stmt, false);
}

/* Is there an event trigger that is not switched off? */
static bool
event_triggers_exist(void)
{
	Relation	rel = table_open(EventTriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;
	bool		result = false;

	while (!result && HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = ((Form_pg_event_trigger) GETSTRUCT(tuple))->evtenabled != TRIGGER_DISABLED;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * In a process connected as somebody else than the current user: a switch by
 * security context does not outlive a commit in the middle of a statement,
 * SET ROLE does.  It ends with the next zdm_identity_enter() or bookkeeping.
 *
 * Code of the user's could change it back, and would be a superuser.  Utility
 * statements evaluate that under security-restricted operations only, which
 * forbid it; but for event triggers, which may call by name what the user's
 * search_path leads to.  From 17 on, nobody is connected as somebody else.
 */
static void
become_by_role(void)
{
	Oid			user = GetUserId();

	if (user == GetSessionUserId())
		return;
	if (event_triggers_exist())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not log in, and there are event triggers, which would run with the rights of a superuser",
						GetUserNameFromId(user, false)),
				 errhint("Let the role log in (ALTER ROLE ... LOGIN), use a form without CONCURRENTLY, or PostgreSQL 17 or later.")));
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	SetConfigOption("role", GetUserNameFromId(user, false), PGC_USERSET, PGC_S_SESSION);
}

static void
run_toplevel(const char *sql, const Node *stmt)
{
	/* a snapshot of the caller's would be a transaction to wait for */
	while (ActiveSnapshotSet())
		PopActiveSnapshot();
	become_by_role();
	/* each look would be logged */
	(void) zdm_try_session_setting("log_lock_waits", "off");
	zdm_watch_deadlocks();
	PG_TRY();
	{
		run_statement(sql, stmt, true);
	}
	PG_FINALLY();
	{
		zdm_watch_deadlocks_end();
	}
	PG_END_TRY();
}

/*
 * Execute one statement at top level, as the current user: it may commit and
 * begin transactions, as CREATE INDEX CONCURRENTLY does.  To be called in a
 * body of zdm_txn() with cap 0 that has done nothing else that must not be
 * committed early; what the transaction has pinned (lock_timeout...) ends at
 * the statement's first commit, so set what it needs for the session with
 * zdm_try_session_setting().  Returns in a transaction, in its memory
 * context.  After an error the statement may have left a part of its work.
 */
void
zdm_ddl_execute_toplevel(const char *sql)
{
	run_toplevel(sql, NULL);
}

/*
 * The same for a raw parse tree, which is copied; sql is what logs and
 * pg_stat_statements show for it.
 */
void
zdm_ddl_execute_tree_toplevel(const Node *stmt, const char *sql)
{
	run_toplevel(sql, stmt);
}
