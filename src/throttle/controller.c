/*
 * controller.c
 *	  From utilisation to duty.
 *
 * Utilisation is the largest of value / threshold over all signals.  From 1 on
 * the job is held, until it is below RESUME: without that distance it would
 * stop and go many times a second at the threshold.  Below 1, duty falls by a
 * factor and rises by steps, as TCP does it: several jobs that share a limit
 * come to rest near it.  Time counts, and not calls: a job with short batches
 * does not grow faster than one with long ones.
 */
#include "postgres.h"

#include <math.h>

#include "throttle/controller.h"

#define RESUME 0.8
#define RISE_BELOW 0.7

/* in a second: falls to this part, rises by that much */
#define FALL_FACTOR 0.03
#define RISE_STEP 0.2

/* the same from there on, where it only creeps: a load that stays must not keep it low for ever */
#define CREEP_STEP 0.05

#define LEAST_DUTY 0.05

void
zdm_controller_init(ZdmController *controller)
{
	controller->held = false;
	controller->duty = 1;
}

/* Take a look into account, elapsed_ms after the last one. */
void
zdm_controller_step(ZdmController *controller, double utilisation, double elapsed_ms)
{
	double		seconds = Min(elapsed_ms, 1000) / 1000;

	if (utilisation >= 1)
		controller->held = true;
	else if (utilisation < RESUME)
		controller->held = false;

	if (utilisation >= ZDM_CONTROLLER_FALL_FROM)
		controller->duty *= pow(FALL_FACTOR, seconds);
	else
		controller->duty += (utilisation < RISE_BELOW ? RISE_STEP : CREEP_STEP) * seconds;
	controller->duty = Min(Max(controller->duty, LEAST_DUTY), 1);
}
