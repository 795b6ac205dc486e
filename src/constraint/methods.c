/*
 * methods.c
 *	  The ways to scan for rows that break a constraint, best first.
 */
#include "postgres.h"

#include "constraint/scan.h"

static const ZdmScanMethod *const methods[] = {
	&zdm_scan_check,
	&zdm_scan_fk_merge,
	&zdm_scan_fk_pages
};

/* The method of that name; NULL when there is none, as for native. */
const ZdmScanMethod *
zdm_scan_method_find(const char *name)
{
	for (int i = 0; i < lengthof(methods); i++)
	{
		if (strcmp(methods[i]->name, name) == 0)
			return methods[i];
	}
	return NULL;
}

/*
 * The first method that can validate this constraint on this relation, NULL
 * for native; *why says why, in the current memory context.  In a transaction
 * with a snapshot, rel open with ACCESS SHARE.
 */
const ZdmScanMethod *
zdm_scan_method_choose(const ZdmConstraint *constraint, Relation rel, const char **why)
{
	*why = "there is no way to scan for this type of constraint in chunks";
	for (int i = 0; i < lengthof(methods); i++)
	{
		if (methods[i]->contype == constraint->contype &&
			methods[i]->fits(constraint, rel, why))
			return methods[i];
	}
	return NULL;
}
