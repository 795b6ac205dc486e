/*
 * guard.h
 *	  The trigger that records which pages rows move to while a table is
 *	  scanned by pages.
 */
#ifndef ZDM_CONSTRAINT_GUARD_H
#define ZDM_CONSTRAINT_GUARD_H

#include "constraint/scan.h"
#include "nodes/pg_list.h"

extern bool zdm_guard_install(ZdmValidation *v);
extern char *zdm_guard_version(int64 job_id, Oid leaf);
extern bool zdm_guard_remove_all(ZdmRun *run);
extern ZdmRunOutcome zdm_guard_clean_up(const ZdmJob *job);

extern List *zdm_guard_take_blocks(int64 job_id, Oid leaf, int limit, bool *all);
extern List *zdm_guard_moved_blocks(int64 job_id, Oid leaf, int limit);
extern void zdm_guard_note_block(int64 job_id, Oid leaf, BlockNumber block);

#endif							/* ZDM_CONSTRAINT_GUARD_H */
