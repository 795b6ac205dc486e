/*
 * mark.h
 *	  Marking what a statement makes as the job's own.
 */
#ifndef ZDM_INDEX_MARK_H
#define ZDM_INDEX_MARK_H

extern void zdm_index_mark_created(int64 job_id, const char *made_for, Oid table,
								   Oid replaces, const char *index_name);
extern void zdm_index_mark_dropped(Oid index);
extern void zdm_index_mark_end(void);

#endif							/* ZDM_INDEX_MARK_H */
