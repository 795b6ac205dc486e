/*
 * store.h
 *	  The tables zdm.index_job and zdm.index_part.
 */
#ifndef ZDM_INDEX_STORE_H
#define ZDM_INDEX_STORE_H

#include "core/session.h"
#include "nodes/pg_list.h"

typedef enum ZdmIndexAction
{
	ZDM_INDEX_CREATE,
	ZDM_INDEX_REINDEX,
	ZDM_INDEX_DROP
} ZdmIndexAction;

typedef struct ZdmIndexSpec
{
	ZdmIndexAction action;
	char	   *definition;		/* NULL unless created */
	char	   *index_name;
	Oid			index_oid;		/* invalid when created */
	bool		is_unique;
	ZdmSessionSettings settings;
} ZdmIndexSpec;

/* An index that the job has made, as it is now. */
typedef struct ZdmIndexPart
{
	Oid			index;
	Oid			table;
	Oid			replaces;		/* invalid when it is new */
	bool		is_valid;
	bool		replaced_exists;	/* the index that it replaces is still
									 * there */
} ZdmIndexPart;

/* Each needs a transaction; none of them commits. */
extern void zdm_index_store(int64 job_id, const ZdmIndexSpec *spec);
extern ZdmIndexSpec *zdm_index_load(int64 job_id);
extern bool zdm_index_is_planned(Oid table, const char *index_name);
extern void zdm_index_add_part(int64 job_id, const char *made_for, Oid index, Oid table, Oid replaces);
extern List *zdm_index_list_parts(int64 job_id, const char *made_for);
extern void zdm_index_set_phase(int64 job_id, const char *phase, Oid leaf, int leaves_done,
								int leaves_total);

#endif							/* ZDM_INDEX_STORE_H */
