/*
 * require.c
 *	  A mapping as the jobs need it that rest on it: kept by its trigger.
 *
 * A backfill and a verification say something of rows that are written while
 * they are at work.  What they say would be wrong without the trigger, and
 * where it does not fire for everybody.
 */
#include "postgres.h"

#include "access/relation.h"
#include "commands/trigger.h"
#include "mapping/arguments.h"
#include "mapping/require.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static bool
fires_always(Relation rel, int64 id)
{
	char	   *name = zdm_sync_trigger_name(id);

	for (int i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		if (strcmp(trigger->tgname, name) == 0)
			return trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
	}
	return false;
}

/*
 * The mapping that the trigger of that id on rel, which is locked, has; in the
 * current memory context.  Errors with UNDEFINED_OBJECT when there is none,
 * and with OBJECT_NOT_IN_PREREQUISITE_STATE when it does not always fire.
 */
ZdmMapping *
zdm_mapping_require(Relation rel, int64 id)
{
	ZdmMapping *mapping = zdm_mapping_of(rel, id);
	char	   *table = psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)),
								 RelationGetRelationName(rel));

	if (mapping == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" has no trigger of mapping " INT64_FORMAT, table, id),
				 errdetail("The trigger \"%s" INT64_FORMAT "\" has the mapping and keeps the rows that are written in step with it.",
						   ZDM_SYNC_TRIGGER_PREFIX, id),
				 errhint("Give the id and the table of a mapping that is in use; if the trigger was dropped, abort the migration and start it again.")));
	if (!fires_always(rel, id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the trigger of mapping " INT64_FORMAT " on table \"%s\" does not fire for every write", id, table),
				 errdetail("Rows are written that do not follow the mapping."),
				 errhint("Use ALTER TABLE %s ENABLE ALWAYS TRIGGER \"%s" INT64_FORMAT "\".",
						 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
													RelationGetRelationName(rel)),
						 ZDM_SYNC_TRIGGER_PREFIX, id)));
	return mapping;
}

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static bool
same_settings(const ZdmSessionSettings *a, const ZdmSessionSettings *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		if (strcmp(a->names[i], b->names[i]) != 0 || strcmp(a->values[i], b->values[i]) != 0)
			return false;
	}
	return true;
}

/* Do both mean the same of a row: the same one is consistent, and by the same value? */
static bool
same_mapping(const ZdmMapping *a, const ZdmMapping *b)
{
	return a->mode == b->mode && same_text(a->old_column, b->old_column) &&
		same_text(a->new_column, b->new_column) && same_text(a->forward, b->forward) &&
		same_text(a->reverse, b->reverse) && same_settings(&a->settings, &b->settings);
}

/* The mapping that the target's trigger has by now; the target is not locked. */
static ZdmMappingNews
read_target(Oid target, int64 id, ZdmMapping **now)
{
	Relation	rel;

	if (!ConditionalLockRelationOid(target, AccessShareLock))
		return ZDM_MAPPING_LOCKED;
	rel = try_relation_open(target, NoLock);
	if (rel == NULL)
		return ZDM_MAPPING_GONE;
	*now = zdm_mapping_require(rel, id);
	relation_close(rel, NoLock);
	return ZDM_MAPPING_OTHER;
}

/*
 * What is known of the mapping of a target, against the trigger of rel: the
 * target itself, or a partition or child of it; rel is locked.  known may be
 * NULL.  On ZDM_MAPPING_OTHER *now is what it is now, in the current memory
 * context.  Locks the target with ACCESS SHARE, if at once.  Errors as
 * zdm_mapping_require(), and with OBJECT_NOT_IN_PREREQUISITE_STATE when the two
 * triggers differ.
 */
ZdmMappingNews
zdm_mapping_news(Relation rel, Oid target, int64 id, const ZdmMapping *known, ZdmMapping **now)
{
	ZdmMapping *here = zdm_mapping_require(rel, id);
	ZdmMappingNews news;

	if (known && same_mapping(here, known))
		return ZDM_MAPPING_SAME;
	*now = here;
	if (RelationGetRelid(rel) == target)
		return ZDM_MAPPING_OTHER;
	news = read_target(target, id, now);
	if (news == ZDM_MAPPING_OTHER && !same_mapping(here, *now))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the trigger of mapping " INT64_FORMAT " on table \"%s\" has another mapping than that of \"%s\"",
						id, RelationGetRelationName(rel), get_rel_name(target)),
				 errhint("Give both triggers the same arguments, then use zdm.retry_job().")));
	return news;
}

/* For people: column = expression, in the current memory context. */
char *
zdm_mapping_describe(const ZdmMapping *mapping)
{
	return psprintf("%s = %s", quote_identifier(mapping->new_column), mapping->forward);
}
