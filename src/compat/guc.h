/*
 * guc.h
 *	  Version differences in how settings are read without looking them up by
 *	  name each time.
 */
#ifndef ZDM_COMPAT_GUC_H
#define ZDM_COMPAT_GUC_H

#include "catalog/namespace.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

/* The record of a setting; NULL when this server has none of that name. */
static inline struct config_generic *
zdm_compat_find_setting(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, true, 0);
#else
	struct config_generic **all = get_guc_variables();
	int			count = GetNumConfigOptions();

	for (int i = 0; i < count; i++)
	{
		if (pg_strcasecmp(all[i]->name, name) == 0)
			return all[i];
	}
	return NULL;
#endif
}

/* 17: renamed, and it has a cache */
#if PG_VERSION_NUM >= 170000
typedef SearchPathMatcher ZdmSearchPath;
#else
typedef OverrideSearchPath ZdmSearchPath;
#endif

/* The search path in force, for zdm_compat_search_path_matches(). */
static inline ZdmSearchPath *
zdm_compat_search_path(MemoryContext mcxt)
{
#if PG_VERSION_NUM >= 170000
	return GetSearchPathMatcher(mcxt);
#else
	return GetOverrideSearchPath(mcxt);
#endif
}

/* Is it in force still, or again? */
static inline bool
zdm_compat_search_path_matches(ZdmSearchPath *path)
{
#if PG_VERSION_NUM >= 170000
	return SearchPathMatchesCurrentEnvironment(path);
#else
	return OverrideSearchPathMatchesCurrent(path);
#endif
}

#endif							/* ZDM_COMPAT_GUC_H */
