/*
 * tree.h
 *	  Version differences in parse trees, the executor and table statistics.
 */
#ifndef ZDM_COMPAT_TREE_H
#define ZDM_COMPAT_TREE_H

#include "access/attmap.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/regproc.h"
#include "utils/rel.h"

/* 18: RETURNING is a node of its own, with options */
static inline bool
zdm_compat_has_returning(const UpdateStmt *stmt)
{
#if PG_VERSION_NUM >= 180000
	return stmt->returningClause != NULL;
#else
	return stmt->returningList != NIL;
#endif
}

/* 16: errors may be soft */
static inline List *
zdm_compat_qualified_names(const char *text)
{
#if PG_VERSION_NUM >= 160000
	return stringToQualifiedNameList(text, NULL);
#else
	return stringToQualifiedNameList(text);
#endif
}

/* 16: permissions moved out of the range table entry */
static inline Bitmapset **
zdm_compat_selected_columns(Query *query, Index rti)
{
#if PG_VERSION_NUM >= 160000
	return &getRTEPermissionInfo(query->rteperminfos,
								 rt_fetch(rti, query->rtable))->selectedCols;
#else
	return &rt_fetch(rti, query->rtable)->selectedCols;
#endif
}

static inline void
zdm_compat_require_select(Query *query, Index rti)
{
#if PG_VERSION_NUM >= 160000
	getRTEPermissionInfo(query->rteperminfos, rt_fetch(rti, query->rtable))->requiredPerms |= ACL_SELECT;
#else
	rt_fetch(rti, query->rtable)->requiredPerms |= ACL_SELECT;
#endif
}

static inline void
zdm_compat_make_read_only(Query *query, Index rti)
{
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *perminfo = getRTEPermissionInfo(query->rteperminfos,
													   rt_fetch(rti, query->rtable));

	perminfo->requiredPerms = ACL_SELECT;
	perminfo->updatedCols = NULL;
#else
	RangeTblEntry *rte = rt_fetch(rti, query->rtable);

	rte->requiredPerms = ACL_SELECT;
	rte->updatedCols = NULL;
#endif
}

/* 18: no execute_once */
static inline void
zdm_compat_executor_run(QueryDesc *desc)
{
#if PG_VERSION_NUM >= 180000
	ExecutorRun(desc, ForwardScanDirection, 0);
#else
	ExecutorRun(desc, ForwardScanDirection, 0, true);
#endif
}

/* HOT updates of rel that this process has counted; only differences matter */
static inline int64
zdm_compat_hot_updates(Relation rel)
{
	if (!pgstat_should_count_relation(rel))
		return 0;
#if PG_VERSION_NUM >= 160000
	return rel->pgstat_info->counts.tuples_hot_updated;
#else
	return rel->pgstat_info->t_counts.t_tuples_hot_updated;
#endif
}

/* columns whose change makes an update not HOT; from 16 on BRIN does not */
static inline Bitmapset *
zdm_compat_hot_blocking_columns(Relation rel)
{
#if PG_VERSION_NUM >= 160000
	return RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_HOT_BLOCKING);
#else
	return RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_ALL);
#endif
}

/* 18: may also answer with a deferrable key */
static inline Oid
zdm_compat_primary_key(Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(rel, false);
#else
	return RelationGetPrimaryKeyIndex(rel);
#endif
}

/* 18: what a virtual generated column stands for; NULL for one that is stored */
static inline Node *
zdm_compat_virtual_expression(Relation rel, AttrNumber attno)
{
#if PG_VERSION_NUM >= 180000
	if (TupleDescAttr(RelationGetDescr(rel), attno - 1)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
		return build_generation_expression(rel, attno);
#endif
	return NULL;
}

/* attribute numbers of outdesc's columns in indesc; 16: columns may be missing */
static inline AttrMap *
zdm_compat_attrmap(TupleDesc indesc, TupleDesc outdesc)
{
#if PG_VERSION_NUM >= 160000
	return build_attrmap_by_name(indesc, outdesc, false);
#else
	return build_attrmap_by_name(indesc, outdesc);
#endif
}

#endif							/* ZDM_COMPAT_TREE_H */
