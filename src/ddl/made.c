/*
 * made.c
 *	  Being told of each index that the current statement makes.
 *
 * CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY commit new indexes, not
 * yet valid, before they build them.  Whatever happens later, these must be
 * known: an unfinished index of somebody else may have the same name.  So
 * their OIDs are written down in that very transaction, from the hook that
 * PostgreSQL calls for each object made.  The catalogs are about to be made
 * visible to the command anyway, so the hook may use SPI.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "ddl/made.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

static ZdmMadeCallback callback = NULL;
static void *callback_arg = NULL;
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
	bool		result = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		char		kind = ((Form_pg_class) GETSTRUCT(tuple))->relkind;

		result = kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

static void
on_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (prev_hook)
		prev_hook(access, class_id, object_id, sub_id, arg);
	if (callback != NULL && access == OAT_POST_CREATE && class_id == RelationRelationId && sub_id == 0 &&
		is_index(object_id))
		callback(object_id, callback_arg);
}

/* From now on, call back for each index that is made in this process. */
void
zdm_made_watch(ZdmMadeCallback new_callback, void *arg)
{
	static bool installed = false;

	if (!installed)
	{
		prev_hook = object_access_hook;
		object_access_hook = on_access;
		installed = true;
	}
	callback = new_callback;
	callback_arg = arg;
}

/* The statement is over, or has failed. */
void
zdm_made_end(void)
{
	callback = NULL;
	callback_arg = NULL;
}
