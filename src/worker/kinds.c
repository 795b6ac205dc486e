/*
 * kinds.c
 *	  The kinds of job that a worker can run.
 *
 * The one place where the worker knows the rooms whose work it does.
 */
#include "postgres.h"

#include "backfill/backfill.h"
#include "constraint/guard.h"
#include "constraint/validation.h"
#include "ddl/ddl.h"
#include "index/index.h"
#include "migration/invariant.h"
#include "migration/reverify.h"
#include "recipe/run.h"
#include "verify/verify.h"
#include "worker/kinds.h"

static const ZdmJobKind kinds[] = {
	{"backfill", zdm_backfill_run, NULL},
	{"ddl", zdm_ddl_run, zdm_ddl_clean_up},
	{"index", zdm_index_run, zdm_index_clean_up},
	{"invariant", zdm_invariant_run, NULL},
	{"recipe", zdm_recipe_run, zdm_recipe_clean_up},
	{"reverify", zdm_reverify_run, NULL},
	{"validation", zdm_validation_run, zdm_guard_clean_up},
	{"verify", zdm_verify_run, NULL}
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
