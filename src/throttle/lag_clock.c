/*
 * lag_clock.c
 *	  When the WAL was at a place: time behind, from a place.
 *
 * pg_stat_replication has a time of lag, too, but it is that of WAL which has
 * just been replayed: of a standby that replays nothing any more it says what
 * it was before.  So this process remembers where the WAL ended at the moments
 * at which it looked, and how long ago that was when a standby had got there.
 * Older moments are further apart: the error is a small part of the lag.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "portability/instr_time.h"
#include "throttle/lag_clock.h"

/* moments remembered; every second one is forgotten when there are so many */
#define MOMENTS 512

/* ms between the newest two */
#define FINEST_MS 50

typedef struct Moment
{
	XLogRecPtr	end;
	double		ms;				/* since an arbitrary moment */
} Moment;

static Moment moments[MOMENTS]; /* the oldest first */
static int	nmoments = 0;

static double
now_ms(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MILLISEC(now);
}

static void
forget_every_second(void)
{
	for (int i = 0; i < MOMENTS / 2; i++)
		moments[i] = moments[2 * i];
	nmoments = MOMENTS / 2;
}

/* Remember where the WAL ends.  To be called often. */
void
zdm_lag_clock_tick(void)
{
	double		now = now_ms();

	if (nmoments > 0 && now - moments[nmoments - 1].ms < FINEST_MS)
		return;
	if (nmoments == MOMENTS)
		forget_every_second();
	moments[nmoments].end = GetXLogInsertRecPtr();
	moments[nmoments].ms = now;
	nmoments++;
}

/*
 * For how long the WAL has been beyond the place, as far as this process
 * knows, in ms; 0 when it is not, or was not at the first look.
 */
double
zdm_lag_clock_ms(XLogRecPtr place)
{
	int			low = 0;
	int			high = nmoments;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (moments[middle].end > place)
			high = middle;
		else
			low = middle + 1;
	}
	return low < nmoments ? now_ms() - moments[low].ms : 0;
}
