/*
 * refusal.c
 *	  What PostgreSQL's own checks refuse: they are run, and undone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "explain/facts.h"
#include "utils/resowner.h"

/* Errors that say nothing about the statement. */
static bool
is_no_verdict(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_OPERATOR_INTERVENTION || category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_TRANSACTION_ROLLBACK || category == ERRCODE_INTERNAL_ERROR ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

static ErrorData *
error_of(void (*check) (void *arg), void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ErrorData  *volatile edata = NULL;

	PG_TRY();
	{
		check(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return edata;
}

/*
 * The message of the error that check raises; NULL when it raises none.  Runs
 * it in a subtransaction, whose locks are released.  Errors that are not about
 * the statement, such as a cancel, are raised.
 */
static char *
refusal(void (*check) (void *arg), void *arg)
{
	MemoryContext mcxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *edata;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(mcxt);
	edata = error_of(check, arg);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(mcxt);
	CurrentResourceOwner = owner;
	if (edata == NULL)
		return NULL;
	if (is_no_verdict(edata->sqlerrcode))
		ReThrowError(edata);
	return edata->message;
}

/*
 * The statement fails, because of relid, if check raises an error, whose
 * message is told.  next_step: what to do about it.
 */
void
zdm_facts_fails_if(ZdmFacts *facts, Oid relid, void (*check) (void *arg), void *arg, const char *next_step)
{
	char	   *message = refusal(check, arg);

	if (message)
		zdm_facts_fails(facts, relid, psprintf("Fails: %s. %s", message, next_step));
}
