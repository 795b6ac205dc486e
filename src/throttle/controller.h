/*
 * controller.h
 *	  From utilisation to duty.
 */
#ifndef ZDM_THROTTLE_CONTROLLER_H
#define ZDM_THROTTLE_CONTROLLER_H

/* utilisation from which duty falls */
#define ZDM_CONTROLLER_FALL_FROM 0.9

typedef struct ZdmController
{
	bool		held;			/* at or above the threshold, until it is well
								 * below */
	double		duty;			/* (0, 1], while it is not held */
} ZdmController;

extern void zdm_controller_init(ZdmController *controller);
extern void zdm_controller_step(ZdmController *controller, double utilisation, double elapsed_ms);

#endif							/* ZDM_THROTTLE_CONTROLLER_H */
