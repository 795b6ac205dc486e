/*
 * freeze.h
 *	  Safeguards of the whole database: freezes, and the kill switch.
 */
#ifndef ZDM_MIGRATION_FREEZE_H
#define ZDM_MIGRATION_FREEZE_H

extern char *zdm_freeze_reason(void);
extern char *zdm_stop_reason(void);

#endif							/* ZDM_MIGRATION_FREEZE_H */
