/*
 * statistics.h
 *	  Version differences in the cumulative statistics.
 */
#ifndef ZDM_COMPAT_STATISTICS_H
#define ZDM_COMPAT_STATISTICS_H

#include "pgstat.h"

/* Rows of a table, as last counted. */
static inline void
zdm_compat_table_rows(const PgStat_StatTabEntry *stats, double *live, double *dead)
{
#if PG_VERSION_NUM >= 160000
	*live = stats->live_tuples;
	*dead = stats->dead_tuples;
#else
	*live = stats->n_live_tuples;
	*dead = stats->n_dead_tuples;
#endif
}

#endif							/* ZDM_COMPAT_STATISTICS_H */
