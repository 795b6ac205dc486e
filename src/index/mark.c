/*
 * mark.c
 *	  Marking what a statement makes as the job's own.
 *
 * The OID of a new index is written to zdm.index_part in the transaction that
 * makes it: see ddl/made.c.
 *
 * In the same way a statement that makes, rebuilds or drops an index by name is
 * stopped when the name has come to mean another table or index.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "compat/index.h"
#include "ddl/made.h"
#include "index/mark.h"
#include "index/store.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

typedef struct Mark
{
	int64		job_id;
	const char *made_for;
	Oid			table;
	Oid			replaces;
	const char *index_name;		/* NULL: PostgreSQL chooses it */
	Oid			dropped;		/* invalid: nothing is expected to be dropped */
} Mark;

static Mark mark;
static object_access_hook_type prev_hook = NULL;

/* The table of an index that the current command has made. */
static Oid
table_of(Oid relid)
{
	Relation	rel = table_open(IndexRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&key, Anum_pg_index_indexrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, IndexRelidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static char *
name_of_new(Oid relid)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *result = NULL;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = pstrdup(NameStr(((Form_pg_class) GETSTRUCT(tuple))->relname));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static void
refuse_other(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("a name has come to mean another relation"),
			 errhint("Try again.")));
}

/*
 * REINDEX has locked the index that it rebuilds: if that is not the one to be
 * replaced, it is another one.
 */
static void
note_created(Oid index, void *arg)
{
	Oid			table = table_of(index);

	if (table != mark.table)
	{
		if (mark.index_name && strcmp(mark.index_name, name_of_new(index)) == 0)
			refuse_other();
		return;
	}
	if (OidIsValid(mark.replaces) && !zdm_compat_locked_by_me(mark.replaces, ShareUpdateExclusiveLock))
		refuse_other();
	zdm_index_add_part(mark.job_id, mark.made_for, index, table, mark.replaces);
}

static void
on_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_hook)
		prev_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_DROP && class_id == RelationRelationId && sub_id == 0 &&
		OidIsValid(mark.dropped) && object_id != mark.dropped)
		refuse_other();
}

/*
 * Indexes made from now on on table are the job's, to replace that one.
 * index_name is the name that the statement gives.  Where the statement turns
 * out to be about another table or index, it errors with
 * T_R_SERIALIZATION_FAILURE.  The strings must live until zdm_index_mark_end().
 */
void
zdm_index_mark_created(int64 job_id, const char *made_for, Oid table, Oid replaces, const char *index_name)
{
	mark.job_id = job_id;
	mark.made_for = made_for;
	mark.table = table;
	mark.replaces = replaces;
	mark.index_name = index_name;
	zdm_made_watch(note_created, NULL);
}

/*
 * From now on, a drop of another relation than this one errors with
 * T_R_SERIALIZATION_FAILURE.
 */
void
zdm_index_mark_dropped(Oid index)
{
	static bool installed = false;

	if (!installed)
	{
		prev_hook = object_access_hook;
		object_access_hook = on_access;
		installed = true;
	}
	mark.dropped = index;
}

/* The statement is over, or has failed. */
void
zdm_index_mark_end(void)
{
	zdm_made_end();
	memset(&mark, 0, sizeof(mark));
}
