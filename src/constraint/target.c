/*
 * target.c
 *	  What a table and its constraint must be to be validated, and how.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "compat/constraint.h"
#include "constraint/hierarchy.h"
#include "constraint/target.h"
#include "core/args.h"
#include "core/identity.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static char *
qualified_name(Relation rel)
{
	return psprintf("%s.%s", get_namespace_name(RelationGetNamespace(rel)),
					RelationGetRelationName(rel));
}

/*
 * The argument "method" of a call.  Errors with NULL_VALUE_NOT_ALLOWED,
 * INVALID_PARAMETER_VALUE.
 */
char *
zdm_validation_method_arg(FunctionCallInfo fcinfo, int argno)
{
	char	   *method;

	zdm_args_not_null(fcinfo, argno, "method");
	method = text_to_cstring(PG_GETARG_TEXT_PP(argno));
	if (strcmp(method, ZDM_METHOD_CHUNKED) != 0 && strcmp(method, ZDM_METHOD_NATIVE) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown method \"%s\"", method),
				 errhint("Use 'chunked' or 'native'.")));
	return method;
}

/*
 * Open the table with ACCESS SHARE, kept to the end of the transaction.
 * Errors with UNDEFINED_TABLE.
 */
Relation
zdm_validation_target_open(Oid target)
{
	Relation	rel = try_relation_open(target, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table with OID %u does not exist", target),
				 errhint("Give the name of a table, with its schema.")));
	return rel;
}

/*
 * Errors with WRONG_OBJECT_TYPE, FEATURE_NOT_SUPPORTED, INSUFFICIENT_PRIVILEGE
 * unless the caller may validate constraints of this relation.
 */
void
zdm_validation_target_check(Relation rel)
{
	char	   *name = qualified_name(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot validate a constraint of \"%s\"", name),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind),
				 errhint("Give the name of a table.")));
	if (IsSystemRelation(rel))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot validate a constraint of \"%s\": it is a system catalog", name),
				 errhint("Give the name of a table of yours.")));
	if (RelationGetNamespace(rel) == get_namespace_oid("zdm", true))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot validate a constraint of \"%s\": it is a table of zdm's own", name),
				 errhint("Give the name of a table of yours.")));
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot validate a constraint of temporary table \"%s\"",
						RelationGetRelationName(rel)),
				 errdetail("A background worker cannot see it."),
				 errhint("Use ALTER TABLE ... VALIDATE CONSTRAINT.")));
	zdm_require_owner_rights(rel->rd_rel->relowner, psprintf("table \"%s\"", name));
}

/*
 * The constraint of that name.  Errors with UNDEFINED_OBJECT when there is
 * none, with WRONG_OBJECT_TYPE when it is of a type that is always valid, with
 * OBJECT_NOT_IN_PREREQUISITE_STATE when it is not enforced.
 */
ZdmConstraint *
zdm_validation_target_constraint(Relation rel, const char *name)
{
	ZdmConstraint *constraint = zdm_constraint_load(RelationGetRelid(rel), name);

	if (constraint == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("constraint \"%s\" of table \"%s\" does not exist", name, qualified_name(rel)),
				 errhint("Add it first, with ALTER TABLE ... ADD CONSTRAINT ... NOT VALID; \\d shows those that are there.")));
	if (!zdm_compat_can_validate(constraint->contype))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("constraint \"%s\" of table \"%s\" is of type %s, which is always valid",
						name, qualified_name(rel), zdm_constraint_type_name(constraint->contype)),
				 errhint("There is nothing to validate.")));
	if (!constraint->enforced)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("constraint \"%s\" of table \"%s\" is not enforced", name, qualified_name(rel)),
				 errhint(ZDM_HINT_NOT_ENFORCED)));
	return constraint;
}

/*
 * Whether a method can do one relation: NULL when not, *why says why; both are
 * NULL for one without storage.  False when its lock is refused.
 */
static bool
choose_for(Oid relid, const ZdmConstraint *top, Oid owner, const ZdmScanMethod **method,
		   const char **why)
{
	Relation	rel;
	ZdmConstraint *constraint;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return false;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return false;
	constraint = zdm_hierarchy_member(top, relid);
	*method = NULL;
	*why = NULL;
	if (constraint == NULL)
		*why = psprintf("\"%s\" has no constraint of that name", qualified_name(rel));
	else if (rel->rd_rel->relowner != owner)
		*why = psprintf("\"%s\" belongs to another role", qualified_name(rel));
	else if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		*method = zdm_scan_method_choose(constraint, rel, why);
	relation_close(rel, NoLock);
	return true;
}

/*
 * The method to validate a constraint and all below it with, and why; asked is
 * what the user wants.  In a transaction with a snapshot; takes ACCESS SHARE
 * on each relation, conditionally: false when that is refused.
 */
bool
zdm_target_choose(const ZdmConstraint *top, const char *asked,
				  const char **method, const char **why)
{
	const ZdmScanMethod *chosen = NULL;
	const char *reason = NULL;
	Oid			owner;
	ListCell   *lc;

	*method = ZDM_METHOD_NATIVE;
	*why = "it was asked for";
	if (strcmp(asked, ZDM_METHOD_NATIVE) == 0)
		return true;
	owner = zdm_relation_owner(top->relid);
	if (!OidIsValid(owner))
		return false;
	foreach(lc, zdm_hierarchy_list(top))
	{
		const ZdmScanMethod *here;

		if (!choose_for(lfirst_oid(lc), top, owner, &here, &reason))
			return false;
		if (reason == NULL)
			continue;			/* its partitions say how */
		*why = reason;
		if (here == NULL || (chosen && here != chosen))
			return true;
		chosen = here;
	}
	if (chosen)
		*method = chosen->name;
	else
		*why = "it has no partitions";
	return true;
}

/*
 * Errors with FEATURE_NOT_SUPPORTED when the method cannot do a relation that
 * has become part of the target after the method was chosen.
 */
void
zdm_target_require_fit(const ZdmScanMethod *method, const ZdmConstraint *constraint, Relation rel)
{
	const char *why;

	if (zdm_scan_method_choose(constraint, rel, &why) == method)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("table \"%s\" cannot be scanned by the method %s", qualified_name(rel), method->name),
			 errdetail("%s.", why),
			 errhint("Cancel the job and validate with method => 'native'.")));
}
