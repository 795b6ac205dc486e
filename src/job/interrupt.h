/*
 * interrupt.h
 *	  Interrupting the worker of a job whose state changes.
 */
#ifndef ZDM_JOB_INTERRUPT_H
#define ZDM_JOB_INTERRUPT_H

extern void zdm_job_interrupt_at_commit(int64 job_id);

#endif							/* ZDM_JOB_INTERRUPT_H */
