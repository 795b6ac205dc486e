/*
 * visibility.c
 *	  Who may see a job in the views, and whose it is.
 */
#include "postgres.h"

#include "fmgr.h"
#include "job/job.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_is_local);
PG_FUNCTION_INFO_V1(zdm_may_see);
PG_FUNCTION_INFO_V1(zdm_owner_name);

/* zdm.is_local(cluster_id text, database_id oid) */
Datum
zdm_is_local(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(zdm_job_is_local(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_OID(1)));
}

/* zdm.may_see(local boolean, owner_id oid, owner text) */
Datum
zdm_may_see(PG_FUNCTION_ARGS)
{
	Oid			owner = zdm_job_owner(PG_GETARG_BOOL(0), PG_GETARG_OID(1),
									  text_to_cstring(PG_GETARG_TEXT_PP(2)));

	PG_RETURN_BOOL(zdm_job_is_visible(owner));
}

/* zdm.owner_name(local boolean, owner_id oid, owner text) */
Datum
zdm_owner_name(PG_FUNCTION_ARGS)
{
	Oid			owner = zdm_job_owner(PG_GETARG_BOOL(0), PG_GETARG_OID(1),
									  text_to_cstring(PG_GETARG_TEXT_PP(2)));

	if (!OidIsValid(owner))
		PG_RETURN_DATUM(PG_GETARG_DATUM(2));
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(owner, false)));
}
