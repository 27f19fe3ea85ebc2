/* Counters for Prometheus. They belong to the network thread: workers leave
 * what they measured in the request, and it is counted when the answer goes.
 * Memory is fixed. */
#ifndef FACEGATE_COUNTERS_H
#define FACEGATE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "status.h"

struct request;
struct srv;

enum counters_stage {
	STAGE_DECODE,
	STAGE_DETECT,
	STAGE_ALIGN,
	STAGE_EMBED,
	STAGE_MATCH,
	STAGE_TOTAL,
	STAGE_COUNT
};

/* What a worker found out while it answered a request. */
struct counters_work {
	bool pictures; /* times and peak are there */
	uint64_t us[STAGE_COUNT];
	size_t pool_peak_bytes;
	const char *decision, *reason; /* static words; NULL for none */
};

#define COUNTERS_STATUSES 24 /* HTTP statuses that are told apart */
#define COUNTERS_ROUTES	  40
#define COUNTERS_BUCKETS  11
#define COUNTERS_REASONS  16

struct counters {
	uint64_t requests[COUNTERS_ROUTES + 1][COUNTERS_STATUSES];
	uint64_t problems[STATUS_COUNT];
	struct {
		const char *route, *decision, *reason;
		uint64_t count;
	} decisions[3 * COUNTERS_REASONS];
	struct {
		uint64_t buckets[COUNTERS_BUCKETS], count, sum_us;
	} stages[STAGE_COUNT];
	size_t pool_peak_bytes;
	int64_t started_ms;
};

/* The answer of r is on its way. */
void counters_count(struct counters *m, const struct request *r);
/* Writes all of them in Prometheus' text format. */
void counters_print(struct srv *srv, FILE *out);

#endif
