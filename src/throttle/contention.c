/*
 * contention.c
 *	  Whether clients are at work, and want the processor that this process is on.
 *
 * A job that computes without a pause makes the application's queries wait for
 * a processor, where there is none to spare.  Two things together tell that:
 *
 * The kernel knows that processors are short: the time for which this process
 * was ready to run but did not, because another one had the processor.  Linux
 * counts that, and the time on a processor, in /proc/self/schedstat.  Where it
 * is not to be read, nobody is taken to be in the way.
 *
 * The server knows who is at work: a client's statement that waits for nothing
 * runs, or wants to.  Without that a job would make way for what it causes
 * itself, the WAL writer and the checkpointer, and for programs beside the
 * server while no query is there to suffer.
 *
 * Contended and free are told apart by two thresholds, and free must last.
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "access/transam.h"
#include "compat/compat.h"
#include "throttle/contention.h"

/* what is looked at is at least so long a time at work, in ns */
#define SAMPLE_NS 20000000

/* contended from the one share on, free below the other */
#define CONTENDED_SHARE 0.03
#define FREE_SHARE 0.01

/* so many samples in a row must be free */
#define FREE_SAMPLES 10

/* clients count when they are at work for this share of the time; not what looks in once a second */
#define CLIENTS_SHARE 0.05

/* weight of the newest look in that share */
#define LOOK_WEIGHT 0.02

static int	schedstat_fd = -1;
static bool unreadable = false;
static uint64 run_seen;			/* as of the last sample, in ns */
static uint64 wait_seen;
static bool contended = false;
static int	free_samples = 0;
static double clients_share = 0;	/* of the looks that saw one at work,
									 * smoothed */

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
 * Is a client's statement on a processor, or ready for one?  It has a snapshot,
 * which what an ended session has left behind has not, and waits for nothing.
 * What others write meanwhile is read without a lock: an answer that is off by
 * one moment does no harm.
 */
static bool
client_at_work(void)
{
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		volatile PGPROC *proc = &ProcGlobal->allProcs[i];

		if (TransactionIdIsValid(proc->xmin) && proc->wait_event_info == 0 && zdm_compat_is_client(proc))
			return true;
	}
	return false;
}

/*
 * Look whether somebody wants the processor.  To be called after every batch;
 * what is said below is as of then.
 */
void
zdm_contention_look(void)
{
	uint64		run;
	uint64		wait;

	clients_share += ((client_at_work() ? 1 : 0) - clients_share) * LOOK_WEIGHT;
	if (!read_schedstat(&run, &wait))
		return;
	if (run_seen == 0 || run + wait - run_seen - wait_seen >= SAMPLE_NS)
	{
		if (run_seen != 0)
			take_sample(!zdm_clients_at_work() ? 0 :
						(double) (wait - wait_seen) / (double) (run + wait - run_seen - wait_seen));
		run_seen = run;
		wait_seen = wait;
	}
}

/* Are there statements of clients at work, other than now and then? */
bool
zdm_clients_at_work(void)
{
	return clients_share >= CLIENTS_SHARE;
}

/* Do they want the processor that this process works on? */
bool
zdm_processor_contended(void)
{
	return contended;
}
