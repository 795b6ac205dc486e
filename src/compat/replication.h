/*
 * replication.h
 *	  Version differences in what is known of standbys.
 */
#ifndef ZDM_COMPAT_REPLICATION_H
#define ZDM_COMPAT_REPLICATION_H

#include "compat/compat.h"

/* The application_name of a process, in the current memory context; NULL when there is no such process. */
static inline char *
zdm_compat_application_name(int pid)
{
	pgstat_clear_backend_activity_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		LocalPgBackendStatus *entry = zdm_compat_local_beentry(i);

		if (entry && entry->backendStatus.st_procpid == pid)
			return pstrdup(entry->backendStatus.st_appname);
	}
	return NULL;
}

#endif							/* ZDM_COMPAT_REPLICATION_H */
