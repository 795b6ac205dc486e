/*
 * tracking.h
 *	  What a migration is tracked by: owner, dates, hold, approval.
 */
#ifndef ZDM_MIGRATION_TRACKING_H
#define ZDM_MIGRATION_TRACKING_H

#include "fmgr.h"
#include "migration/migration.h"

extern ZdmMigration *zdm_migration_for_order(FunctionCallInfo fcinfo, const char *funcname);
extern void zdm_tracking_check_contract_by(DateADT contract_by);
extern void zdm_tracking_check_owner(const char *owner);
extern void zdm_tracking_move_purge(const ZdmMigration *migration);
extern void zdm_tracking_keep_hold(const ZdmMigration *migration);
extern char *zdm_tracking_hold_reason(const ZdmMigration *migration);
extern void zdm_tracking_set_hold(ZdmMigration *migration, const Interval *hold);

/* what must be done, and approved, before a migration enters phase expand */
extern void zdm_tracking_require_start(const ZdmMigration *migration);
extern bool zdm_tracking_notice_before_start(const ZdmMigration *migration);

#endif							/* ZDM_MIGRATION_TRACKING_H */
