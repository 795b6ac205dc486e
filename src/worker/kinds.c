/*
 * kinds.c
 *	  The kinds of job that a worker can run.
 *
 * The one place where the worker knows the rooms whose work it does.
 */
#include "postgres.h"

#include "backfill/backfill.h"
#include "worker/kinds.h"

static const ZdmJobKind kinds[] = {
	{"backfill", zdm_backfill_run, NULL}
};

/* The kind of that name; NULL when this version of the library has none. */
const ZdmJobKind *
zdm_kind_find(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}
