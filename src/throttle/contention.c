/*
 * contention.c
 *	  Whether others want the processor that this process is on.
 *
 * A job that computes without a pause makes the application's queries wait for
 * a processor, where there is none to spare.  The kernel knows: the time for
 * which this process was ready to run but did not, because another one had the
 * processor, is time in which others wanted it, too.  Linux counts both, the
 * time on a processor and the time waiting for one, in /proc/self/schedstat.
 * Where that is not to be read, nobody is taken to be in the way.
 *
 * Contended and free are told apart by two thresholds, and free must last.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "throttle/contention.h"

/* what is looked at is at least so long a time at work, in ns */
#define SAMPLE_NS 20000000

/* contended from the one share on, free below the other */
#define CONTENDED_SHARE 0.03
#define FREE_SHARE 0.01

/* so many samples in a row must be free */
#define FREE_SAMPLES 10

static int	schedstat_fd = -1;
static bool unreadable = false;
static uint64 run_seen;			/* as of the last sample, in ns */
static uint64 wait_seen;
static bool contended = false;
static int	free_samples = 0;

static bool
read_schedstat(uint64 *run, uint64 *wait)
{
	char		buf[64];
	ssize_t		len;

	if (unreadable)
		return false;
	if (schedstat_fd < 0)
		schedstat_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	len = schedstat_fd < 0 ? -1 : pread(schedstat_fd, buf, sizeof(buf) - 1, 0);
	if (len > 0)
	{
		buf[len] = '\0';
		if (sscanf(buf, UINT64_FORMAT " " UINT64_FORMAT, run, wait) == 2)
			return true;
	}
	unreadable = true;
	return false;
}

/* share: of the time at work that was spent waiting for a processor */
static void
take_sample(double share)
{
	if (share >= CONTENDED_SHARE)
		contended = true;
	free_samples = share < FREE_SHARE ? free_samples + 1 : 0;
	if (free_samples >= FREE_SAMPLES)
		contended = false;
}

/*
 * Do others want the processor that this process works on?  To be called
 * after every batch.
 */
bool
zdm_processor_contended(void)
{
	uint64		run;
	uint64		wait;

	if (!read_schedstat(&run, &wait))
		return false;
	if (run_seen == 0 || run + wait - run_seen - wait_seen >= SAMPLE_NS)
	{
		if (run_seen != 0)
			take_sample((double) (wait - wait_seen) / (double) (run + wait - run_seen - wait_seen));
		run_seen = run;
		wait_seen = wait;
	}
	return contended;
}
