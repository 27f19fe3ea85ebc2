/* One function over many items on several threads. */
#ifndef FACEGATE_PARALLEL_H
#define FACEGATE_PARALLEL_H

#include <stddef.h>

#include "engine.h"
#include "status.h"

#define PARALLEL_MAX ENGINE_WORKERS_MAX

/* One item. thread counts from 0; a thread has one item at a time. */
typedef enum status parallel_fn(void *ctx, unsigned thread, size_t item,
				struct errinfo *err);

/* Calls fn once for every item 0 .. count - 1, in no order, on up to
 * PARALLEL_MAX threads, with a progress bar named what. The first failure
 * stops the run and is returned. */
enum status parallel_run(const char *what, size_t count, unsigned threads,
			 parallel_fn *fn, void *ctx,
			 struct errinfo *err) MUST_CHECK;

/* How many threads to start for count items: wanted, or one per processor
 * when that is 0; 1 .. PARALLEL_MAX. */
unsigned parallel_threads(unsigned wanted, size_t count);

#endif
