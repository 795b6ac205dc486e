/*
 * mark.c
 *	  Marking what a statement makes as the job's own.
 *
 * CREATE INDEX CONCURRENTLY commits the new index, not yet valid, before it
 * builds it.  Whatever happens later, the index must be known as the job's:
 * an unfinished index of somebody else may have the same name.  So its OID is
 * written to zdm.index_part in that very transaction, from the hook that
 * PostgreSQL calls for each object made.  The catalogs are about to be made
 * visible to the command anyway, so the hook may use SPI.
 *
 * In the same way a statement that drops an index by name is stopped when the
 * name has come to mean another index.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "index/mark.h"
#include "index/store.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

typedef struct Mark
{
	int64		job_id;			/* 0: nothing is expected to be made */
	const char *made_for;
	Oid			table;
	Oid			replaces;
	Oid			dropped;		/* invalid: nothing is expected to be dropped */
} Mark;

static Mark mark;
static object_access_hook_type prev_hook = NULL;

/*
 * Is the relation, made by the current command, an index?  Triggers on events
 * may make tables meanwhile.
 */
static bool
is_index(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		result;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	result = HeapTupleIsValid(tuple) &&
		(((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_INDEX ||
		 ((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_PARTITIONED_INDEX);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static void
on_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_hook)
		prev_hook(access, class_id, object_id, sub_id, arg);
	if (class_id != RelationRelationId || sub_id != 0)
		return;
	if (access == OAT_POST_CREATE && mark.job_id != 0 && is_index(object_id))
		zdm_index_add_part(mark.job_id, mark.made_for, object_id, mark.table, mark.replaces);
	if (access == OAT_DROP && OidIsValid(mark.dropped) && object_id != mark.dropped)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the index has got another name"),
				 errhint("Try again.")));
}

static void
install(void)
{
	static bool installed = false;

	if (installed)
		return;
	prev_hook = object_access_hook;
	object_access_hook = on_access;
	installed = true;
}

/*
 * Indexes made from now on are the job's, on table, to replace that one.
 * made_for must live until zdm_index_mark_end().
 */
void
zdm_index_mark_created(int64 job_id, const char *made_for, Oid table, Oid replaces)
{
	install();
	mark.job_id = job_id;
	mark.made_for = made_for;
	mark.table = table;
	mark.replaces = replaces;
}

/*
 * From now on, a drop of another relation than this one errors with
 * T_R_SERIALIZATION_FAILURE.
 */
void
zdm_index_mark_dropped(Oid index)
{
	install();
	mark.dropped = index;
}

/* The statement is over, or has failed. */
void
zdm_index_mark_end(void)
{
	memset(&mark, 0, sizeof(mark));
}
