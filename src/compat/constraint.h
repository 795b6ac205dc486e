/*
 * constraint.h
 *	  Version differences in constraints.
 */
#ifndef ZDM_COMPAT_CONSTRAINT_H
#define ZDM_COMPAT_CONSTRAINT_H

#include "access/htup_details.h"
#include "catalog/pg_constraint.h"
#include "nodes/nodes.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* May a foreign key of a partitioned table be NOT VALID? */
#define ZDM_FOREIGN_KEY_NOT_VALID_ON_PARTITIONED (PG_VERSION_NUM >= 180000)

/* 18: DROP NOT NULL leaves it to a child that has it of its own */
#define ZDM_DROP_NOT_NULL_TAKES_ALL (PG_VERSION_NUM < 180000)

/* 18: constraints may be NOT ENFORCED.  ALTER CONSTRAINT is no way out: it scans under ACCESS EXCLUSIVE. */
#define ZDM_HINT_NOT_ENFORCED \
	"Drop it with zdm.drop_constraint(), and add it again with zdm.add_check() or zdm.add_foreign_key()."

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

/* 18: the name of a column's NOT NULL constraint that is NOT VALID; NULL when there is none */
static inline char *
zdm_compat_invalid_not_null(Relation rel, AttrNumber attno)
{
#if PG_VERSION_NUM >= 180000
	HeapTuple	tuple = findNotNullConstraintAttnum(RelationGetRelid(rel), attno);

	if (HeapTupleIsValid(tuple) && !((Form_pg_constraint) GETSTRUCT(tuple))->convalidated)
		return pstrdup(NameStr(((Form_pg_constraint) GETSTRUCT(tuple))->conname));
#endif
	return NULL;
}

/* 18: the column of a NOT NULL constraint, by its row in pg_constraint; NULL for others */
static inline char *
zdm_compat_not_null_column(HeapTuple tuple)
{
#if PG_VERSION_NUM >= 180000
	Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);

	if (con->contype == CONSTRAINT_NOTNULL)
		return get_attname(con->conrelid, extractNotNullColumn(tuple), false);
#endif
	return NULL;
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

#endif							/* ZDM_COMPAT_CONSTRAINT_H */
