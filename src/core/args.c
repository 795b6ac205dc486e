/*
 * args.c
 *	  Checks that several SQL functions make on their call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "core/args.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Errors with NULL_VALUE_NOT_ALLOWED when the argument is NULL. */
void
zdm_args_not_null(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", argname),
				 errhint("Check the query or variable that gives \"%s\".", argname)));
}

/* A text; NULL when it is not given. */
char *
zdm_args_text(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(argno));
}

/* A name; NULL when it is not given. */
char *
zdm_args_name(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(argno)));
}

/* A name; errors as zdm_args_not_null(). */
char *
zdm_args_required_name(FunctionCallInfo fcinfo, int argno, const char *argname)
{
	zdm_args_not_null(fcinfo, argno, argname);
	return zdm_args_name(fcinfo, argno);
}

/* A reason for what others will have to bear; errors with INVALID_PARAMETER_VALUE when it says nothing. */
char *
zdm_args_reason(FunctionCallInfo fcinfo, int argno)
{
	char	   *reason;

	zdm_args_not_null(fcinfo, argno, "reason");
	reason = zdm_args_text(fcinfo, argno);
	if (strspn(reason, " \t\n") == strlen(reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reason must not be empty"),
				 errhint("Say why: it is shown to everybody who has to wait.")));
	return reason;
}

/*
 * Errors with READ_ONLY_SQL_TRANSACTION on a standby and in a read-only
 * transaction.
 */
void
zdm_require_writable(const char *funcname)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s on a standby", funcname),
				 errhint("Call it on the primary. The views of schema zdm can be read here.")));
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s in a read-only transaction", funcname),
				 errhint("Start the transaction with READ WRITE, and check default_transaction_read_only.")));
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE unless the caller has the rights of
 * owner.  what names the object, as in: table "public.t".
 */
void
zdm_require_owner_rights(Oid owner, const char *what)
{
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s", what),
				 errhint("Call it as role \"%s\" or as a member of it.",
						 GetUserNameFromId(owner, true) ? GetUserNameFromId(owner, true) : "(dropped)")));
}

static bool
may_reference(Oid relid, const List *columns, Oid role)
{
	ListCell   *lc;

	if (pg_class_aclcheck(relid, role, ACL_REFERENCES) == ACLCHECK_OK)
		return true;
	foreach(lc, columns)
	{
		if (pg_attribute_aclcheck(relid, lfirst_int(lc), role, ACL_REFERENCES) != ACLCHECK_OK)
			return false;
	}
	return columns != NIL;
}

/*
 * Errors with INSUFFICIENT_PRIVILEGE unless role may make foreign keys that
 * refer to these columns, attribute numbers, of a table: by a grant on the
 * table or on each of them.
 */
void
zdm_require_references(Oid relid, const List *columns, Oid role)
{
	const char *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));

	if (!may_reference(relid, columns, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", get_rel_name(relid)),
				 errhint("Its owner can allow it: GRANT REFERENCES ON %s TO %s; or on the referenced columns alone.",
						 name, quote_identifier(GetUserNameFromId(role, false)))));
}

static Oid
database_owner(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_database) GETSTRUCT(tuple))->datdba;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * For what concerns the jobs of everybody.  Errors with INSUFFICIENT_PRIVILEGE,
 * and as zdm_require_writable().
 */
void
zdm_require_database_rights(const char *funcname)
{
	zdm_require_writable(funcname);
	if (!has_privs_of_role(GetUserId(), database_owner()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of the database to call %s", funcname),
				 errdetail("It holds the jobs of everybody."),
				 errhint("Call it as role \"%s\" or as a member of it.", GetUserNameFromId(database_owner(), false))));
}
