/*
 * errors.c
 *	  An error as data: what a worker keeps of a failed transaction.
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/errors.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static char *
copy_or_null(MemoryContext mcxt, const char *s)
{
	return s ? MemoryContextStrdup(mcxt, s) : NULL;
}

/* What stands in the way of a DROP is named in the detail only, and the message is what views show. */
static char *
whole_message(const ErrorData *edata)
{
	const char *message = edata->message ? edata->message : "unknown error";

	if (edata->sqlerrcode == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST && edata->detail)
		return psprintf("%s: %s", message, edata->detail);
	return pstrdup(message);
}

/*
 * In a PG_CATCH block at the top of a worker: take the current error into
 * mcxt, clear the error state and abort the
 * transaction, with any subtransaction that is open.
 */
ZdmError *
zdm_error_capture(MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	ErrorData  *edata = CopyErrorData();
	ZdmError   *error = palloc0(sizeof(ZdmError));

	error->sqlerrcode = edata->sqlerrcode;
	error->message = whole_message(edata);
	error->detail = copy_or_null(mcxt, edata->detail);
	error->hint = copy_or_null(mcxt, edata->hint);
	error->context = copy_or_null(mcxt, edata->context);

	/* report commands and other interrupts must not be lost or come early */
	HOLD_INTERRUPTS();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	RESUME_INTERRUPTS();

	FreeErrorData(edata);
	MemoryContextSwitchTo(old);
	return error;
}

/* An error of our own, as if it had been thrown and captured. */
ZdmError *
zdm_error_make(MemoryContext mcxt, int sqlerrcode, const char *hint,
			   const char *fmt,...)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	ZdmError   *error = palloc0(sizeof(ZdmError));
	va_list		args;
	int			needed;
	Size		len = 256;

	error->sqlerrcode = sqlerrcode;
	error->hint = copy_or_null(mcxt, hint);
	for (;;)
	{
		error->message = palloc(len);
		va_start(args, fmt);
		needed = (int) pvsnprintf(error->message, len, fmt, args);
		va_end(args);
		if (needed < (int) len)
			break;
		pfree(error->message);
		len = needed;
	}
	MemoryContextSwitchTo(old);
	return error;
}

/* The five characters of the error's SQLSTATE, in a static buffer. */
const char *
zdm_error_sqlstate(const ZdmError *error)
{
	return unpack_sql_state(error->sqlerrcode);
}
