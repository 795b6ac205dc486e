/*
 * install.c
 *	  Making the sync trigger of a mapping, and what may undo its work.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "compat/acl.h"
#include "mapping/arguments.h"
#include "miscadmin.h"
#include "sync/activity.h"
#include "sync/program.h"
#include "sync/statement.h"
#include "sync/sync.h"
#include "utils/rel.h"

/* What the trigger needs of the process and of shared memory. */
void
zdm_sync_init(void)
{
	zdm_sync_activity_init();
	zdm_sync_program_init();
	zdm_sync_statement_init();
}

static void
check_statement(const CreateTrigStmt *stmt)
{
	if (stmt->row && stmt->timing == TRIGGER_TYPE_BEFORE &&
		stmt->events == (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE) &&
		stmt->columns == NIL && stmt->whenClause == NULL && !stmt->isconstraint &&
		strncmp(stmt->trigname, ZDM_SYNC_TRIGGER_PREFIX, strlen(ZDM_SYNC_TRIGGER_PREFIX)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("trigger \"%s\" is not one of a mapping", stmt->trigname),
			 errhint("It is named %s and the mapping's id, and is BEFORE INSERT OR UPDATE FOR EACH ROW, without columns and condition.",
					 ZDM_SYNC_TRIGGER_PREFIX)));
}

/*
 * Execute the CREATE TRIGGER that zdm_mapping_trigger_sql() has written: its
 * function is zdm.sync(), whatever may be seen of schema zdm, and it is ENABLE
 * ALWAYS from the start, on partitions, too.  One of the same name is
 * replaced.  Takes SHARE ROW EXCLUSIVE on the table and below it, and waits
 * for it.  Returns the trigger's OID.  Errors: INVALID_OBJECT_DEFINITION,
 * INSUFFICIENT_PRIVILEGE for who does not own the table, and as CREATE TRIGGER.
 */
Oid
zdm_sync_create_trigger(CreateTrigStmt *stmt)
{
	Relation	rel;
	ObjectAddress address;

	check_statement(stmt);
	rel = table_openrv(stmt->relation, ShareRowExclusiveLock);
	if (!zdm_compat_owns_table(RelationGetRelid(rel), GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, RelationGetRelationName(rel));
	stmt->replace = true;
	address = CreateTriggerFiringOn(stmt, NULL, RelationGetRelid(rel), InvalidOid, InvalidOid,
									InvalidOid, zdm_sync_function(), InvalidOid, NULL, false, false,
									TRIGGER_FIRES_ALWAYS);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return address.objectId;
}

static List *
later_triggers_of(Relation rel, const char *ours, Oid function, List *names)
{
	int			ntriggers = rel->trigdesc ? rel->trigdesc->numtriggers : 0;

	for (int i = 0; i < ntriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_ROW(trigger->tgtype) &&
			(TRIGGER_FOR_INSERT(trigger->tgtype) || TRIGGER_FOR_UPDATE(trigger->tgtype)) &&
			trigger->tgfoid != function && strcmp(trigger->tgname, ours) > 0 &&
			!list_member(names, makeString(trigger->tgname)))
			names = lappend(names, makeString(pstrdup(trigger->tgname)));
	}
	return names;
}

/*
 * Names, as String, of the BEFORE row triggers on rel, its partitions and its
 * children that fire after the sync trigger of that mapping: what they change
 * in a row, it does not see.
 */
List *
zdm_sync_later_triggers(Relation rel, int64 mapping_id)
{
	char	   *ours = zdm_sync_trigger_name(mapping_id);
	Oid			function = zdm_sync_function();
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		Relation	table = table_open(lfirst_oid(lc), NoLock);

		names = later_triggers_of(table, ours, function, names);
		table_close(table, NoLock);
	}
	return names;
}
