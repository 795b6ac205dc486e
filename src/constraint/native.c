/*
 * native.c
 *	  The method "native": PostgreSQL's own command, in one transaction of the
 *	  worker.
 *
 * The locks that the command will take are tried first, all or none, so that
 * nobody waits behind a lock that it waits for.  Then nothing limits its time
 * but somebody who cancels it.
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "constraint/fk_list.h"
#include "constraint/native.h"
#include "constraint/step.h"
#include "executor/spi.h"
#include "run/verdict.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * Lock a relation and all below it in SHARE UPDATE EXCLUSIVE, as
 * zdm_step_lock() does.  False when one is refused or the relation is gone; some may
 * be locked then, until the end of the transaction.
 */
bool
zdm_native_lock(const ZdmValidation *v, Oid relid)
{
	ListCell   *lc;

	if (!zdm_step_lock(v, relid, ShareUpdateExclusiveLock))
		return false;
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return false;

	/* listed under the lock of the parent */
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (lfirst_oid(lc) != relid &&
			!zdm_step_lock(v, lfirst_oid(lc), ShareUpdateExclusiveLock))
			return false;
	}
	return true;
}

/* The statement, for people and for SPI. */
char *
zdm_native_text(const ZdmConstraint *constraint)
{
	char	   *schema = get_namespace_name(get_rel_namespace(constraint->relid));

	return psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
					quote_qualified_identifier(schema, get_rel_name(constraint->relid)),
					quote_identifier(constraint->name));
}

/* Run it.  In a transaction, as the owner, with a snapshot. */
void
zdm_native_statement(const ZdmConstraint *constraint)
{
	int			rc;

	SPI_connect();
	rc = SPI_execute(zdm_native_text(constraint), false, 0);
	if (rc != SPI_OK_UTILITY)
		elog(ERROR, "SPI returned %s", SPI_result_code_string(rc));
	SPI_finish();
}

static ZdmVerdict
native_body(ZdmRun *base, void *arg)
{
	ZdmValidation *v = (ZdmValidation *) base;
	ZdmConstraint *top;

	PushActiveSnapshot(GetTransactionSnapshot());
	top = zdm_step_top(v);
	if (top == NULL)
		return ZDM_GONE;
	if (!zdm_native_lock(v, top->relid) ||
		(OidIsValid(top->confrelid) && !ConditionalLockRelationOid(top->confrelid, RowShareLock)))
		return ZDM_BUSY;
	top = zdm_step_top(v);
	if (top == NULL)
		return ZDM_GONE;
	if (top->temporal)
		zdm_fk_require_periods(top);
	zdm_native_statement(top);
	return ZDM_DONE;
}

/* Validate natively.  False when the run has ended otherwise. */
bool
zdm_native(ZdmValidation *v)
{
	ZdmVerdict	verdict;
	ZdmError   *error;

	for (;;)
	{
		verdict = zdm_txn(&v->base, 0, native_body, NULL, &error);
		if (verdict == ZDM_DONE)
			return true;
		if (verdict == ZDM_GONE && zdm_run_target_is_gone(&v->base))
			return false;
		if (verdict == ZDM_GONE)
			continue;
		if (verdict == ZDM_ROW_ERROR && error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION &&
			zdm_fk_list_orphans(v))
			error->hint = "Some of the rows are in zdm.violations. Mend them, then use zdm.retry_job().";
		else if (verdict == ZDM_ROW_ERROR)
			error->hint = "Mend the rows, then use zdm.retry_job(); method => 'chunked' lists them where it can.";
		if (!zdm_verdict_try_again(&v->base, v->spec->target, verdict, error))
			return false;
	}
}
