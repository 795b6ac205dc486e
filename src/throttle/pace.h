/*
 * pace.h
 *	  How large the next batch is, and how long to pause before it.
 */
#ifndef ZDM_THROTTLE_PACE_H
#define ZDM_THROTTLE_PACE_H

typedef struct ZdmPace
{
	int			size;			/* units of work of the next batch */
	int			max_size;
	double		rows_per_second;	/* at work and paused, smoothed */
	double		units_per_second;	/* the same of units */
} ZdmPace;

/* what one batch was and cost */
typedef struct ZdmPaceSample
{
	int			units;
	uint64		rows;
	double		work_ms;		/* the batch itself, its commit included */
	double		wal_kb;
} ZdmPaceSample;

/* what a batch should cost */
typedef struct ZdmPaceTarget
{
	double		duty;			/* (0, 1] */
	int			batch_time;		/* ms */
	int			batch_wal;		/* kB */
	double		max_rows_per_second;	/* infinity: none */
} ZdmPaceTarget;

extern void zdm_pace_init(ZdmPace *pace, int size, int max_size);
extern void zdm_pace_adjust(ZdmPace *pace, const ZdmPaceSample *sample,
							const ZdmPaceTarget *target);
extern void zdm_pace_shrink(ZdmPace *pace, int divisor);
extern double zdm_pace_pause_ms(const ZdmPaceSample *sample,
								const ZdmPaceTarget *target);
extern void zdm_pace_note_rate(ZdmPace *pace, double rows, double units,
							   double elapsed_ms);

#endif							/* ZDM_THROTTLE_PACE_H */
