/*
 * constraint.h
 *	  Version differences in constraints.
 */
#ifndef ZDM_COMPAT_CONSTRAINT_H
#define ZDM_COMPAT_CONSTRAINT_H

#include "catalog/pg_constraint.h"
#include "nodes/nodes.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

/* May a foreign key of a partitioned table be NOT VALID? */
#define ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED (PG_VERSION_NUM >= 180000)

/* 18: constraints may be NOT ENFORCED */
static inline bool
zdm_compat_constraint_enforced(Form_pg_constraint con)
{
#if PG_VERSION_NUM >= 180000
	return con->conenforced;
#else
	return true;
#endif
}

/* 18: NOT NULL is a constraint that may be NOT VALID */
static inline bool
zdm_compat_can_validate(char contype)
{
#if PG_VERSION_NUM >= 180000
	if (contype == CONSTRAINT_NOTNULL)
		return true;
#endif
	return contype == CONSTRAINT_CHECK || contype == CONSTRAINT_FOREIGN;
}

/* 18: temporal foreign keys, with PERIOD */
static inline bool
zdm_compat_is_temporal(Form_pg_constraint con)
{
#if PG_VERSION_NUM >= 180000
	return con->conperiod;
#else
	return false;
#endif
}

/* 18: a check may name a virtual generated column, which has no value stored */
static inline Node *
zdm_compat_expand_check(Node *expr, Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return expand_generated_columns_in_expr(expr, rel, 1);
#else
	return expr;
#endif
}

/* 18: a column that is NOT NULL may hold NULLs until that is validated */
static inline bool
zdm_compat_has_no_nulls(TupleDesc desc, AttrNumber attnum)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(desc, attnum - 1)->attnullability == ATTNULLABLE_VALID;
#else
	return TupleDescAttr(desc, attnum - 1)->attnotnull;
#endif
}

#endif							/* ZDM_COMPAT_CONSTRAINT_H */
