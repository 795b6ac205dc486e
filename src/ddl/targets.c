/*
 * targets.c
 *	  Which relations a statement locks, and in which mode.
 *
 * What it locks is explain's to know; here is what must not be locked by a
 * job, and what need not be locked beforehand.  What is missed is no danger:
 * the statement takes the lock itself, under the same short lock_timeout and
 * the same timer as everything in an attempt; it only may have to try more
 * often.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/catalog.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "ddl/targets.h"
#include "explain/explain.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static void
refuse(Form_pg_class form, int sqlerrcode, const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("cannot change \"%s.%s\": %s", get_namespace_name(form->relnamespace),
					NameStr(form->relname), why),
			 errhint("%s", hint)));
}

static void
check_target(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (IsSystemClass(relid, form))
		refuse(form, ERRCODE_INSUFFICIENT_PRIVILEGE, "it is a system catalog", "Give a relation of yours.");
	if (form->relnamespace == get_namespace_oid("zdm", true))
		refuse(form, ERRCODE_INSUFFICIENT_PRIVILEGE, "it is zdm's own", "Give a relation of yours.");
	if (isTempOrTempToastNamespace(form->relnamespace))
		refuse(form, ERRCODE_FEATURE_NOT_SUPPORTED, "it is temporary, and a background worker cannot see it",
			   "Run the statement in the session that has made it.");
	ReleaseSysCache(tuple);
}

/* Relations that nobody can use any more. */
static List *
closed_relations(const List *locks)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, locks)
	{
		const ZdmDdlFact *fact = lfirst(lc);

		if (fact->mode == AccessExclusiveLock)
			result = lappend_oid(result, fact->relid);
	}
	return result;
}

/*
 * Whoever uses an index has locked its table, so there is nothing to wait for
 * once that is locked against everybody.  Trees of partitions have many.
 */
static bool
is_behind_its_table(const ZdmDdlFact *fact, const List *closed)
{
	char		relkind = get_rel_relkind(fact->relid);

	if (relkind != RELKIND_INDEX && relkind != RELKIND_PARTITIONED_INDEX)
		return false;
	return list_member_oid(closed, IndexGetRelation(fact->relid, true));
}

static List *
targets_of(const List *locks)
{
	List	   *closed = closed_relations(locks);
	List	   *targets = NIL;
	ListCell   *lc;

	foreach(lc, locks)
	{
		const ZdmDdlFact *fact = lfirst(lc);

		check_target(fact->relid);
		if (!is_behind_its_table(fact, closed))
			targets = lappend(targets, zdm_lock_target(fact->relid, fact->mode));
	}
	return targets;
}

/*
 * The locks of a statement, of ZdmLockTarget, in the current memory context.
 * Takes ACCESS SHARE on relations, which is waited for as lock_timeout says,
 * and keeps it to the end of the transaction.  Errors as the statement would,
 * where a name is wrong (UNDEFINED_TABLE...) or the current user has not the
 * rights (INSUFFICIENT_PRIVILEGE), and refuses catalogs, tables of zdm's own
 * and temporary ones.
 */
List *
zdm_ddl_targets(const ZdmStatement *statement)
{
	/* an error in there leaves nothing behind */
	MemoryContext mcxt = AllocSetContextCreate(CurTransactionContext, "zdm ddl targets", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	bool		needs_snapshot = !ActiveSnapshotSet();
	RawStmt    *raw = makeNode(RawStmt);
	List	   *locks;
	List	   *targets;

	raw->stmt = copyObject(statement->tree);
	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	locks = zdm_ddl_locks(raw, statement->text);
	if (needs_snapshot)
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	targets = targets_of(locks);
	MemoryContextDelete(mcxt);
	return targets;
}
