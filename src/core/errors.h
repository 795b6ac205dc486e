/*
 * errors.h
 *	  An error as data: what a worker keeps of a failed transaction.
 */
#ifndef ZDM_CORE_ERRORS_H
#define ZDM_CORE_ERRORS_H

#include "utils/elog.h"

typedef struct ZdmError
{
	int			sqlerrcode;		/* as elog.h's MAKE_SQLSTATE */
	char	   *message;
	char	   *detail;			/* may be NULL */
	const char *hint;			/* may be NULL */
	char	   *context;		/* may be NULL */
} ZdmError;

extern ZdmError *zdm_error_capture(MemoryContext mcxt);
extern ZdmError *zdm_error_make(MemoryContext mcxt, int sqlerrcode,
								const char *hint, const char *fmt,...) pg_attribute_printf(4, 5);
extern const char *zdm_error_sqlstate(const ZdmError *error);

#endif							/* ZDM_CORE_ERRORS_H */
