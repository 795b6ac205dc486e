/*
 * orders.h
 *	  What the operator wants of a running job now: read at every batch.
 */
#ifndef ZDM_JOB_ORDERS_H
#define ZDM_JOB_ORDERS_H

#include "job/job.h"
#include "throttle/load.h"

typedef struct ZdmJobOrders
{
	ZdmJobState state;
	double		duty;			/* (0, 1] */
	bool		own_duty;		/* by zdm.set_throttle(), not by default */
	int			batch_time;		/* ms */
	double		max_rows_per_second;	/* infinity: none */
	ZdmThresholds thresholds;	/* of its own */
	double		duty_of_all;	/* by zdm.throttle_all(); 1: none */
} ZdmJobOrders;

extern bool zdm_job_read_orders(int64 job_id, ZdmJobOrders *orders);
extern void zdm_job_hold_state(int64 job_id, ZdmJobState state);

#endif							/* ZDM_JOB_ORDERS_H */
