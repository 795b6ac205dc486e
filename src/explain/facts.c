/*
 * facts.c
 *	  The facts of one statement: gathered relation by relation, judged when
 *	  all are known.
 *
 * Whether a relation's lock is harmless depends on the whole statement: a
 * brief lock on the referenced table of a foreign key lasts as long as the
 * scan of the other one.  So the families of statements only say what they
 * know about each relation, and zdm_facts_finish() gives the verdict.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "compat/explain.h"
#include "explain/facts.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

typedef struct ZdmFactEntry
{
	ZdmDdlFact	fact;
	bool		online_form;	/* the same can be had with a weaker lock */
	bool		breaks;			/* clients that run now */
	bool		fails;
	bool		fails_on_rows;
} ZdmFactEntry;

/* why a relation may be locked and worked on without harm */
typedef enum Exemption
{
	NOT_EXEMPT,
	EMPTY,						/* no work, but others may want it */
	PRIVATE						/* nobody else sees it */
} Exemption;

/*
 * OID of a relation, kept locked with ACCESS SHARE.  Errors with
 * UNDEFINED_TABLE; InvalidOid if missing_ok.
 */
Oid
zdm_facts_lookup(const RangeVar *rv, bool missing_ok)
{
	return RangeVarGetRelid(rv, AccessShareLock, missing_ok);
}

static ZdmFactEntry *
entry_of(ZdmFacts *facts, Oid relid)
{
	ZdmFactEntry *entry;
	ListCell   *lc;

	foreach(lc, facts->entries)
	{
		entry = lfirst(lc);
		if (entry->fact.relid == relid)
			return entry;
	}
	entry = palloc0(sizeof(ZdmFactEntry));
	entry->fact.relid = relid;
	entry->fact.mode = NoLock;
	facts->entries = lappend(facts->entries, entry);
	return entry;
}

/* The first advice on a relation is the one that is given. */
static void
advise(ZdmFactEntry *entry, const char *advice)
{
	if (entry->fact.advice == NULL && advice != NULL)
		entry->fact.advice = pstrdup(advice);
}

/* The statement takes mode on relid. */
void
zdm_facts_lock(ZdmFacts *facts, Oid relid, LOCKMODE mode)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	/* the modes are numbered by strength, but for two that conflict alike */
	if (mode > entry->fact.mode)
		entry->fact.mode = mode;
}

/* The strongest lock on relid that is known of so far. */
LOCKMODE
zdm_facts_mode(ZdmFacts *facts, Oid relid)
{
	return entry_of(facts, relid)->fact.mode;
}

/* The statement takes mode on each relation of a list. */
void
zdm_facts_lock_list(ZdmFacts *facts, const List *relids, LOCKMODE mode)
{
	ListCell   *lc;

	foreach(lc, relids)
		zdm_facts_lock(facts, lfirst_oid(lc), mode);
}

/* The statement takes mode on each index of relid. */
void
zdm_facts_lock_indexes(ZdmFacts *facts, Oid relid, LOCKMODE mode)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	zdm_facts_lock_list(facts, RelationGetIndexList(rel), mode);
	relation_close(rel, NoLock);
}

static uint64
fork_bytes(Relation rel)
{
	if (!RELKIND_HAS_STORAGE(rel->rd_rel->relkind))
		return 0;
	return (uint64) RelationGetNumberOfBlocks(rel) * BLCKSZ;
}

/* Size of the heap, or the index, itself. */
static uint64
main_bytes(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	uint64		bytes = fork_bytes(rel);

	relation_close(rel, NoLock);
	return bytes;
}

static uint64
toast_bytes(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	Oid			toastid = rel->rd_rel->reltoastrelid;

	relation_close(rel, NoLock);
	return OidIsValid(toastid) ? main_bytes(toastid) : 0;
}

/* All of relid is read. */
void
zdm_facts_scan(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->fact.scans = true;
	entry->fact.bytes = Max(entry->fact.bytes, main_bytes(relid));
	advise(entry, advice);
}

/* All of each relation of a list is read. */
void
zdm_facts_scan_list(ZdmFacts *facts, const List *relids, const char *advice)
{
	ListCell   *lc;

	foreach(lc, relids)
		zdm_facts_scan(facts, lfirst_oid(lc), advice);
}

/*
 * The rows of leaves are joined with the table that they refer to, which is
 * read, too, when there are any.
 */
void
zdm_facts_check_foreign_key(ZdmFacts *facts, const List *leaves, Oid referenced, const char *advice)
{
	uint64		bytes = 0;
	ListCell   *lc;

	zdm_facts_scan_list(facts, leaves, advice);
	foreach(lc, leaves)
		bytes += main_bytes(lfirst_oid(lc));
	if (bytes > 0)
		zdm_facts_scan_list(facts, zdm_facts_leaves(referenced, get_rel_relkind(referenced) == RELKIND_PARTITIONED_TABLE),
							NULL);
}

/* The storage of relid is copied as it is. */
void
zdm_facts_copy(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->fact.rewrites = true;
	entry->fact.bytes = main_bytes(relid) + toast_bytes(relid);
	advise(entry, advice);
}

/* relid gets new storage, row by row; its indexes do not. */
void
zdm_facts_rewrite(ZdmFacts *facts, Oid relid, const char *advice)
{
	zdm_facts_copy(facts, relid, advice);
	entry_of(facts, relid)->fact.scans = true;
}

/* relid gets new storage with nothing in it. */
void
zdm_facts_replace(ZdmFacts *facts, Oid relid)
{
	entry_of(facts, relid)->fact.rewrites = true;
}

/* relid and all of its indexes get new storage with nothing in it. */
void
zdm_facts_empty(ZdmFacts *facts, Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	ListCell   *lc;

	zdm_facts_replace(facts, relid);
	foreach(lc, RelationGetIndexList(rel))
	{
		zdm_facts_lock(facts, lfirst_oid(lc), AccessExclusiveLock);
		zdm_facts_replace(facts, lfirst_oid(lc));
	}
	relation_close(rel, NoLock);
}

/* relid and all of its indexes get new storage, under ACCESS EXCLUSIVE. */
void
zdm_facts_rewrite_with_indexes(ZdmFacts *facts, Oid relid, const char *advice)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	ListCell   *lc;

	zdm_facts_rewrite(facts, relid, advice);
	foreach(lc, RelationGetIndexList(rel))
	{
		zdm_facts_lock(facts, lfirst_oid(lc), AccessExclusiveLock);
		zdm_facts_rewrite(facts, lfirst_oid(lc), NULL);
	}
	relation_close(rel, NoLock);
}

/* There is a form of the statement with a weaker lock; advice names it. */
void
zdm_facts_online(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->online_form = true;
	advise(entry, advice);
}

/* Clients that know relid as it was will fail, or data goes away. */
void
zdm_facts_breaks(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->breaks = true;
	advise(entry, advice);
}

/* The statement cannot succeed, because of relid. */
void
zdm_facts_fails(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->fails = true;
	entry->fact.advice = pstrdup(advice);
}

/* The statement cannot succeed as long as relid has rows. */
void
zdm_facts_fails_on_rows(ZdmFacts *facts, Oid relid, const char *advice)
{
	ZdmFactEntry *entry = entry_of(facts, relid);

	entry->fails_on_rows = true;
	advise(entry, advice);
}

/* Something worth to be said about relid. */
void
zdm_facts_advise(ZdmFacts *facts, Oid relid, const char *advice)
{
	advise(entry_of(facts, relid), advice);
}

/* A fact of the statement that is not about a relation. */
void
zdm_facts_note(ZdmFacts *facts, bool safe, const char *advice)
{
	ZdmDdlFact *fact = palloc0(sizeof(ZdmDdlFact));

	fact->mode = NoLock;
	fact->safe = safe;
	fact->advice = advice ? pstrdup(advice) : NULL;
	facts->notes = lappend(facts->notes, fact);
}

static Exemption exemption_of(Oid relid);

/* All leaves must be exempt. */
static Exemption
exemption_of_tree(Oid relid)
{
	Exemption	result = PRIVATE;
	ListCell   *lc;

	foreach(lc, zdm_facts_leaves(relid, true))
		result = Min(result, exemption_of(lfirst_oid(lc)));
	return Min(result, EMPTY);
}

static Exemption
exemption_of(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	char		relkind = rel->rd_rel->relkind;
	Exemption	result = NOT_EXEMPT;

	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP || zdm_compat_is_new_storage(rel))
		result = PRIVATE;
	else if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
		result = exemption_of(rel->rd_index->indrelid);
	else if (relkind == RELKIND_PARTITIONED_TABLE)
		result = exemption_of_tree(relid);
	else if ((relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW) && fork_bytes(rel) == 0)
		result = EMPTY;
	relation_close(rel, NoLock);
	return result;
}

/* Does a lock keep others from what they want of the relation? */
static bool
is_in_the_way(const ZdmDdlFact *fact)
{
	/* nobody writes to a materialized view */
	LOCKMODE	theirs = get_rel_relkind(fact->relid) == RELKIND_MATVIEW ?
	AccessShareLock : RowExclusiveLock;

	return fact->mode != NoLock && DoLockModesConflict(fact->mode, theirs);
}

static bool
is_safe(const ZdmFactEntry *entry, bool works)
{
	Exemption	exempt = exemption_of(entry->fact.relid);

	if (entry->fails)
		return false;
	if (exempt == PRIVATE)
		return true;
	if (works && is_in_the_way(&entry->fact))
		return false;
	if (exempt == EMPTY)
		return true;
	return !entry->online_form && !entry->breaks && !entry->fails_on_rows;
}

static bool
does_work(const ZdmFacts *facts)
{
	ListCell   *lc;

	foreach(lc, facts->entries)
	{
		const ZdmFactEntry *entry = lfirst(lc);

		if (entry->fact.bytes > 0 && exemption_of(entry->fact.relid) == NOT_EXEMPT)
			return true;
	}
	return false;
}

#define ADVICE_BRIEF \
	"The lock is brief once it is granted. Run the statement with zdm.execute_ddl(), so that nothing queues behind it."

/*
 * Advice against work is for tables with rows, and none is needed where nobody
 * else is.
 */
static void
settle_advice(ZdmFactEntry *entry, bool works)
{
	Exemption	exempt = exemption_of(entry->fact.relid);

	if (entry->fact.safe && exempt == PRIVATE)
		entry->fact.advice = NULL;
	else if (entry->fact.safe && exempt == EMPTY)
		entry->fact.advice = is_in_the_way(&entry->fact) ? pstrdup("There are no rows. " ADVICE_BRIEF) : NULL;
	else if (is_in_the_way(&entry->fact) && entry->fact.safe)
		advise(entry, ADVICE_BRIEF);
	else if (is_in_the_way(&entry->fact) && works)
		advise(entry, "It is locked as long as the work of this statement takes.");
}

/* What was gathered, not judged: relid and mode are all that is set. */
List *
zdm_facts_locks(ZdmFacts *facts)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, facts->entries)
	{
		ZdmFactEntry *entry = lfirst(lc);

		if (entry->fact.mode != NoLock)
			result = lappend(result, &entry->fact);
	}
	return result;
}

/*
 * Judge what was gathered.  The list has one ZdmDdlFact per relation, and at
 * least one element.  Takes ACCESS SHARE.
 */
List *
zdm_facts_finish(ZdmFacts *facts)
{
	bool		works = does_work(facts);
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, facts->entries)
	{
		ZdmFactEntry *entry = lfirst(lc);

		entry->fact.relation = DatumGetCString(DirectFunctionCall1(regclassout,
																   ObjectIdGetDatum(entry->fact.relid)));
		entry->fact.safe = is_safe(entry, works);
		settle_advice(entry, works);
		result = lappend(result, &entry->fact);
	}
	result = list_concat(result, facts->notes);
	if (result == NIL)
	{
		zdm_facts_note(facts, true, "It locks no relation that exists.");
		result = facts->notes;
	}
	return result;
}
