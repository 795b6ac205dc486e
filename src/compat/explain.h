/*
 * explain.h
 *	  Version differences in statements of DDL and what they do.
 */
#ifndef ZDM_COMPAT_EXPLAIN_H
#define ZDM_COMPAT_EXPLAIN_H

#include "access/attmap.h"
#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "partitioning/partbounds.h"
#include "utils/acl.h"
#include "utils/rel.h"

/* was rel created, or given new storage, in this transaction? 16: renamed */
static inline bool
zdm_compat_is_new_storage(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return rel->rd_createSubid != InvalidSubTransactionId ||
		rel->rd_firstRelfilelocatorSubid != InvalidSubTransactionId;
#else
	return rel->rd_createSubid != InvalidSubTransactionId ||
		rel->rd_firstRelfilenodeSubid != InvalidSubTransactionId;
#endif
}

/* 17: the right to VACUUM, REINDEX, CLUSTER and REFRESH what belongs to others */
static inline bool
zdm_compat_may_maintain(Oid relid, Oid role)
{
#if PG_VERSION_NUM >= 170000
	return pg_class_aclcheck(relid, role, ACL_MAINTAIN) == ACLCHECK_OK;
#else
	return false;
#endif
}

/* 17: ALTER COLUMN ... SET EXPRESSION */
static inline bool
zdm_compat_is_set_expression(const AlterTableCmd *cmd)
{
#if PG_VERSION_NUM >= 170000
	return cmd->subtype == AT_SetExpression;
#else
	return false;
#endif
}

/* 18: a generated column need not be stored */
static inline bool
zdm_compat_is_virtual(char generated)
{
#if PG_VERSION_NUM >= 180000
	return generated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
	return false;
#endif
}

/* 18: a key over periods, WITHOUT OVERLAPS */
static inline bool
zdm_compat_is_without_overlaps(const IndexStmt *stmt)
{
#if PG_VERSION_NUM >= 180000
	return stmt->iswithoutoverlaps;
#else
	return false;
#endif
}

/* 18: a foreign key over periods */
static inline bool
zdm_compat_is_period(const Constraint *con)
{
#if PG_VERSION_NUM >= 180000
	return con->fk_with_period;
#else
	return false;
#endif
}

/* What ALTER CONSTRAINT is to change that is new in 18; false when nothing. */
typedef struct ZdmAlterConstraint
{
	const char *name;
	bool		enforce;
	bool		unenforce;
	bool		inherit;
	bool		no_inherit;
} ZdmAlterConstraint;

static inline bool
zdm_compat_alter_constraint(const AlterTableCmd *cmd, ZdmAlterConstraint *what)
{
#if PG_VERSION_NUM >= 180000
	ATAlterConstraint *def = castNode(ATAlterConstraint, cmd->def);

	what->name = def->conname;
	what->enforce = def->alterEnforceability && def->is_enforced;
	what->unenforce = def->alterEnforceability && !def->is_enforced;
	what->inherit = def->alterInheritability && !def->noinherit;
	what->no_inherit = def->alterInheritability && def->noinherit;
	return def->alterEnforceability || def->alterInheritability;
#else
	return false;
#endif
}

/* from the columns of one table to those of the same names of another; 16: may miss some */
static inline AttrMap *
zdm_compat_attrmap(Relation to, Relation from)
{
#if PG_VERSION_NUM >= 160000
	return build_attrmap_by_name(RelationGetDescr(to), RelationGetDescr(from), false);
#else
	return build_attrmap_by_name(RelationGetDescr(to), RelationGetDescr(from));
#endif
}

/* 18: a foreign key of a partitioned table may be NOT VALID */
#if PG_VERSION_NUM >= 180000
#define ZDM_PARTITIONED_FK_NOT_VALID true
#else
#define ZDM_PARTITIONED_FK_NOT_VALID false
#endif

/* 18: ADD CONSTRAINT of any kind locks what is below */
#if PG_VERSION_NUM >= 180000
#define ZDM_ADD_CONSTRAINT_RECURSES true
#else
#define ZDM_ADD_CONSTRAINT_RECURSES false
#endif

/* 18: a partition's own foreign key, c, is adopted by ATTACH, or by ADD FOREIGN KEY above, although it is NOT VALID, and validated */
#if PG_VERSION_NUM >= 180000
#define ZDM_FOREIGN_KEY_IS_ADOPTED "true"
#define ZDM_ADOPTS_NOT_VALID true
#define ZDM_AND_FOREIGN_KEY_IS_ENFORCED " AND p.conenforced"
#else
#define ZDM_FOREIGN_KEY_IS_ADOPTED "c.convalidated"
#define ZDM_ADOPTS_NOT_VALID false
#define ZDM_AND_FOREIGN_KEY_IS_ENFORCED ""
#endif

/* 18: SET LOGGED and SET UNLOGGED are refused for partitioned tables; they did nothing */
#if PG_VERSION_NUM >= 180000
#define ZDM_PARTITIONED_PERSISTENCE_IS_REFUSED true
#else
#define ZDM_PARTITIONED_PERSISTENCE_IS_REFUSED false
#endif

/* 17: identity of a partitioned table is that of its partitions */
#if PG_VERSION_NUM >= 170000
#define ZDM_IDENTITY_RECURSES true
#else
#define ZDM_IDENTITY_RECURSES false
#endif

/* Storage parameters as they are kept, of a table (NULL) or of its TOAST table ("toast"), from a list of DefElem. */
static inline Datum
zdm_compat_storage_parameters(List *list, const char *namespace)
{
#if PG_VERSION_NUM >= 180000
	static const char *const namespaces[] = HEAP_RELOPT_NAMESPACES;
#else
	static char *namespaces[] = HEAP_RELOPT_NAMESPACES;
#endif

	return transformRelOptions((Datum) 0, list, namespace, namespaces, false, false);
}

#endif							/* ZDM_COMPAT_EXPLAIN_H */
