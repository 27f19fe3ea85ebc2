#include "parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

struct job {
	parallel_fn *fn;
	void *ctx;
	size_t count;
	atomic_size_t next, done;
	atomic_bool failed;
	enum status st; /* of the one thread that set failed */
	struct errinfo err;
};

struct thread_arg {
	struct job *job;
	unsigned thread;
};

static void *worker(void *arg)
{
	struct thread_arg *a = arg;
	struct job *job = a->job;
	struct errinfo err;
	enum status st;

	while (!atomic_load(&job->failed)) {
		size_t i = atomic_fetch_add(&job->next, 1);

		if (i >= job->count)
			break;
		err_clear(&err);
		st = job->fn(job->ctx, a->thread, i, &err);
		if (st != ST_OK) {
			if (!atomic_exchange(&job->failed, true)) {
				job->st = st;
				job->err = err;
			}
			break;
		}
		atomic_fetch_add(&job->done, 1);
	}
	return NULL;
}

enum status parallel_run(const char *what, size_t count, unsigned threads,
			 parallel_fn *fn, void *ctx, struct errinfo *err)
{
	const struct timespec tick = { .tv_nsec = 100000000 };
	struct job job = { .fn = fn, .ctx = ctx, .count = count };
	struct thread_arg args[PARALLEL_MAX];
	pthread_t ids[PARALLEL_MAX];
	struct progress bar;
	unsigned started = 0;

	progress_begin(&bar, what, count);
	for (; started < threads && started < PARALLEL_MAX; started++) {
		args[started] = (struct thread_arg){ &job, started };
		if (pthread_create(&ids[started], NULL, worker,
				   &args[started]) != 0)
			break;
	}
	if (started == 0)
		return err_set(err, ST_NO_MEMORY, "cannot start a thread");
	while (bar.visible && atomic_load(&job.done) < count &&
	       !atomic_load(&job.failed)) {
		nanosleep(&tick, NULL);
		progress_at(&bar, atomic_load(&job.done));
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	progress_end(&bar, atomic_load(&job.done));
	if (!atomic_load(&job.failed))
		return ST_OK;
	*err = job.err;
	return job.st;
}

unsigned parallel_threads(unsigned wanted, size_t count)
{
	long n = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		n = 1;
	if (n > PARALLEL_MAX)
		n = PARALLEL_MAX;
	if ((size_t)n > count)
		n = count ? (long)count : 1;
	return (unsigned)n;
}
