/*
 * session.h
 *	  The settings of a session that decide what a text means: recorded at
 *	  submit, stored with the job, applied in its worker.
 */
#ifndef ZDM_CORE_SESSION_H
#define ZDM_CORE_SESSION_H

typedef struct ZdmSessionSettings
{
	int			count;
	char	  **names;			/* the first is search_path */
	char	  **values;
} ZdmSessionSettings;

extern void zdm_session_record(ZdmSessionSettings *settings, const char *const *more, int nmore);
extern bool zdm_session_is_recorded(const char *name);
extern const char *zdm_session_search_path(const ZdmSessionSettings *settings);
extern void zdm_session_apply(const ZdmSessionSettings *settings);
extern Datum zdm_session_to_array(const ZdmSessionSettings *settings);
extern void zdm_session_from_array(ZdmSessionSettings *settings, Datum array);

#endif							/* ZDM_CORE_SESSION_H */
