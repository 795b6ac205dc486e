/*
 * type.h
 *	  Version differences in types and columns.
 */
#ifndef ZDM_COMPAT_TYPE_H
#define ZDM_COMPAT_TYPE_H

#include "access/htup_details.h"
#include "catalog/pg_constraint.h"
#include "parser/parse_type.h"
#include "utils/rel.h"

/* What a text says as a type.  Errors: SYNTAX_ERROR, UNDEFINED_OBJECT. */
static inline void
zdm_compat_parse_type(const char *text, Oid *type, int32 *typmod)
{
#if PG_VERSION_NUM >= 160000
	(void) parseTypeString(text, type, typmod, NULL);
#else
	parseTypeString(text, type, typmod, false);
#endif
}

/* 18: the name of a column's NOT NULL constraint; NULL when there is none */
static inline char *
zdm_compat_not_null_name(Relation rel, AttrNumber attno)
{
#if PG_VERSION_NUM >= 180000
	HeapTuple	tuple = findNotNullConstraintAttnum(RelationGetRelid(rel), attno);

	if (HeapTupleIsValid(tuple))
		return pstrdup(NameStr(((Form_pg_constraint) GETSTRUCT(tuple))->conname));
#endif
	return NULL;
}

#endif							/* ZDM_COMPAT_TYPE_H */
