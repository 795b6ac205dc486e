/*
 * text_errors.h
 *	  Errors in a text that a user gave: where in it, and what to do.
 */
#ifndef ZDM_CORE_TEXT_ERRORS_H
#define ZDM_CORE_TEXT_ERRORS_H

/* what to run under zdm_text_errors() */
typedef void (*ZdmTextStep) (void *arg);

typedef struct ZdmText
{
	const char *source;			/* what the user gave */
	int			prefix_len;		/* bytes that were put before it */
	const char *subject;		/* put before the message; may be NULL */
	const char *hint;			/* for an error that has none */
} ZdmText;

extern void zdm_text_errors(ZdmTextStep step, void *arg, const ZdmText *given);

#endif							/* ZDM_CORE_TEXT_ERRORS_H */
