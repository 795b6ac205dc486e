/*
 * text_errors.c
 *	  Errors in a text that a user gave: where in it, and what to do.
 */
#include "postgres.h"

#include "core/text_errors.h"

/*
 * Run step; an error of it is raised again with its subject, the user's text
 * as its query, the position in that, and the hint when it has none.
 */
void
zdm_text_errors(ZdmTextStep step, void *arg, const ZdmText *given)
{
	MemoryContext mcxt = CurrentMemoryContext;

	PG_TRY();
	{
		step(arg);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(mcxt);
		edata = CopyErrorData();
		FlushErrorState();
		if (edata->cursorpos > given->prefix_len)
		{
			edata->internalpos = edata->cursorpos - given->prefix_len;
			edata->internalquery = pstrdup(given->source);
		}
		edata->cursorpos = 0;
		if (given->subject != NULL)
			edata->message = psprintf("%s: %s", given->subject, edata->message);
		if (edata->hint == NULL)
			edata->hint = pstrdup(given->hint);
		ReThrowError(edata);
	}
	PG_END_TRY();
}
