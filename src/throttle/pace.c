/*
 * pace.c
 *	  How large the next batch is, and how long to pause before it.
 *
 * Size: multiplicative, from the last batch's cost against its target in time
 * and in WAL, whichever is the tighter; by no more than doubling or halving,
 * because one sample is noisy.  Only time at work counts: a size taken from
 * time spent waiting would shrink to nothing under back-pressure.
 *
 * Pause: so that work / (work + pause) is the duty, and so that rows / (work +
 * pause) stays under the ceiling.
 */
#include "postgres.h"

#include <math.h>

#include "throttle/pace.h"

/* a batch under a ceiling of rows a second holds this share of a second */
#define CEILING_SLICE 0.1

/* weight of the newest interval in a smoothed rate, per second of it */
#define RATE_WEIGHT 0.2

/* Start with batches of size units, which may grow to max_size. */
void
zdm_pace_init(ZdmPace *pace, int size, int max_size)
{
	pace->max_size = Max(max_size, 1);
	pace->size = Min(Max(size, 1), pace->max_size);
	pace->rows_per_second = 0;
	pace->units_per_second = 0;
}

static double
limit_factor(double factor, double wanted, double actual)
{
	return actual > 0 ? Min(factor, wanted / actual) : factor;
}

/* Take a finished batch into account for the size of the next one. */
void
zdm_pace_adjust(ZdmPace *pace, const ZdmPaceSample *sample,
				const ZdmPaceTarget *target)
{
	double		factor = 2.0;

	factor = limit_factor(factor, target->batch_time, sample->work_ms);
	factor = limit_factor(factor, target->batch_wal, sample->wal_kb);
	if (!isinf(target->max_rows_per_second))
		factor = limit_factor(factor, target->max_rows_per_second * CEILING_SLICE,
							  (double) sample->rows);

	/* a short last batch of a range says nothing about larger ones */
	if (factor > 1.0 && sample->units < pace->size)
		return;
	factor = Max(factor, 0.5);
	pace->size = (int) Min(Max(rint(sample->units * factor), 1), pace->max_size);
}

/* After a batch that had to be rolled back. */
void
zdm_pace_shrink(ZdmPace *pace, int divisor)
{
	pace->size = Max(pace->size / divisor, 1);
}

/* The pause that a batch owes, in milliseconds. */
double
zdm_pace_pause_ms(const ZdmPaceSample *sample, const ZdmPaceTarget *target)
{
	double		by_duty = sample->work_ms * (1.0 / target->duty - 1.0);
	double		by_ceiling = 0;

	if (!isinf(target->max_rows_per_second))
		by_ceiling = sample->rows * 1000.0 / target->max_rows_per_second - sample->work_ms;
	return Max(Max(by_duty, by_ceiling), 0);
}

static double
smooth(double old, double rate, double weight)
{
	return old == 0 ? rate : old + (rate - old) * weight;
}

/* Take elapsed wall time, pauses included, into the smoothed rates. */
void
zdm_pace_note_rate(ZdmPace *pace, double rows, double units, double elapsed_ms)
{
	double		weight;

	if (elapsed_ms <= 0)
		return;
	weight = 1.0 - exp(-RATE_WEIGHT * elapsed_ms / 1000.0);
	pace->rows_per_second = smooth(pace->rows_per_second, rows * 1000.0 / elapsed_ms, weight);
	pace->units_per_second = smooth(pace->units_per_second, units * 1000.0 / elapsed_ms, weight);
}
