/*
 * step.c
 *	  What the transactions of a validation begin with: locks that are tried
 *	  rather than waited for, and everything that was believed before, looked at
 *	  again under them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "compat/constraint.h"
#include "constraint/hierarchy.h"
#include "constraint/step.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* refused this often in a row, SHARE UPDATE EXCLUSIVE is waited for */
#define QUEUE_AFTER_TRIES 8

/*
 * Try for a lock.  SHARE UPDATE EXCLUSIVE that has been refused for about a
 * second is waited for, as long as lock_timeout (50 ms) lets: what queues behind
 * it are other commands that want such a lock, never reads or writes, and it
 * takes somebody who waits to make an autovacuum of the table, which may have
 * hours to go, give way.  Errors with LOCK_NOT_AVAILABLE then.
 */
bool
zdm_step_lock(const ZdmValidation *v, Oid relid, LOCKMODE lockmode)
{
	if (ConditionalLockRelationOid(relid, lockmode))
		return true;
	if (lockmode != ShareUpdateExclusiveLock || v->base.tries < QUEUE_AFTER_TRIES)
		return false;
	LockRelationOid(relid, lockmode);
	return true;
}

static void
refuse_dropped(ZdmValidation *v, Oid relid)
{
	v->begin_anew = true;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("constraint \"%s\" of table \"%s\" was dropped",
					v->spec->constraint_name, get_rel_name(relid)),
			 errhint("zdm.cancel_job(" INT64_FORMAT ") ends the job; if the constraint is added again, zdm.retry_job(" INT64_FORMAT ") begins anew.",
					 v->base.job->id, v->base.job->id)));
}

static void
refuse_other(ZdmValidation *v, Oid relid)
{
	v->begin_anew = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("constraint \"%s\" of table \"%s\" was dropped and added again while it was validated",
					v->spec->constraint_name, get_rel_name(relid)),
			 errdetail("What was scanned so far says nothing of the new one."),
			 errhint("Use zdm.retry_job(" INT64_FORMAT ") to validate the new one from the start.",
					 v->base.job->id)));
}

static void
refuse_not_enforced(ZdmValidation *v, Oid relid)
{
	v->begin_anew = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("constraint \"%s\" of table \"%s\" is not enforced",
					v->spec->constraint_name, get_rel_name(relid)),
			 errhint(ZDM_HINT_NOT_ENFORCED)));
}

static void
refuse_other_definition(ZdmValidation *v, const char *definition)
{
	v->begin_anew = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("constraint \"%s\" of table \"%s\" has another definition than when the job was submitted",
					v->spec->constraint_name, get_rel_name(v->spec->target)),
			 errdetail("It was: %s. It is: %s.", v->spec->definition, definition),
			 errhint("Cancel this job and call zdm.validate_constraint() again, under another name if you gave one.")));
}

/*
 * In a transaction with a snapshot: the constraint of the target as it is now.
 * NULL when the target is gone.  Errors with UNDEFINED_OBJECT when the
 * constraint is, and with OBJECT_NOT_IN_PREREQUISITE_STATE when it is not
 * enforced.
 */
ZdmConstraint *
zdm_step_top(ZdmValidation *v)
{
	ZdmConstraint *top = zdm_constraint_load(v->spec->target, v->spec->constraint_name);

	if (top == NULL)
	{
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(v->spec->target)))
			return NULL;
		refuse_dropped(v, v->spec->target);
	}
	if (!top->enforced)
		refuse_not_enforced(v, v->spec->target);
	if (strcmp(zdm_constraint_type_name(top->contype), v->spec->constraint_type) != 0)
		refuse_other_definition(v, zdm_constraint_definition(top));
	return top;
}

/* The constraint of a relation that is to be validated; NULL when it has none. */
ZdmConstraint *
zdm_step_constraint(const ZdmValidation *v, Oid relid)
{
	ZdmConstraint *top = zdm_constraint_load(v->spec->target, v->spec->constraint_name);

	if (top == NULL || relid == v->spec->target)
		return top;
	return zdm_hierarchy_member(top, relid);
}

static bool
same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

/* The constraint, storage and premises of the scan, against what they are now. */
static ZdmVerdict
verify(ZdmValidation *v, Relation rel)
{
	ZdmConstraint *now = zdm_step_constraint(v, v->cursor.leaf);

	if (rel->rd_rel->relowner != v->base.owner)
		return ZDM_OTHER_OWNER;

	/* detached, with what it had of the constraint */
	if (now == NULL && zdm_constraint_load(v->spec->target, v->spec->constraint_name))
		return ZDM_GONE;
	if (now == NULL)
		refuse_dropped(v, v->cursor.leaf);
	if (now->oid != v->cursor.leaf_constraint ||
		(v->constraint && !zdm_constraint_same(now, v->constraint)))
		refuse_other(v, v->cursor.leaf);
	if (!now->enforced)
		refuse_not_enforced(v, v->cursor.leaf);
	if (now->valid)
		return ZDM_GONE;		/* somebody has validated it meanwhile */
	if (rel->rd_rel->relfilenode != v->cursor.leaf_filenode)
		return ZDM_REWRITTEN;
	if (v->method->premises &&
		!same_text(v->method->premises(now, rel), v->cursor.premises))
		return ZDM_REWRITTEN;
	return ZDM_DONE;
}

/*
 * In a transaction: lock and open cursor.leaf, and verify that all is as it
 * was when its scan began.  *rel is set on ZDM_DONE only.  ZDM_BUSY when the
 * lock is refused, ZDM_GONE when there is nothing to do with the relation any
 * more, ZDM_REWRITTEN when the scan has to start over, ZDM_OTHER_OWNER; errors
 * when it is not the same constraint.
 */
ZdmVerdict
zdm_step_open(ZdmValidation *v, LOCKMODE lockmode, Relation *rel)
{
	Relation	opened;
	ZdmVerdict	verdict;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(v->cursor.leaf)))
		return ZDM_GONE;
	if (!zdm_step_lock(v, v->cursor.leaf, lockmode))
		return ZDM_BUSY;
	opened = try_relation_open(v->cursor.leaf, NoLock);
	if (opened == NULL)
		return ZDM_GONE;
	verdict = verify(v, opened);
	if (verdict == ZDM_DONE)
		*rel = opened;
	else
		relation_close(opened, NoLock);
	return verdict;
}
