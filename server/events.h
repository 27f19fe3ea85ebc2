/* Decisions on their way to a webhook and an MQTT broker. What waits is the
 * match log itself: each receiver has a place in it, and one thread takes the
 * rows behind that place to the receiver's program (eventchild.h), one after
 * the other, until they are delivered or older than event_ttl_s. See
 * docs/events.md and decision 0009.
 *
 * A door never waits for any of this: events_wake writes to an eventfd. The
 * thread reads the store through the readers' connection and writes one small
 * row for each decision that is done with. */
#ifndef FACEGATE_EVENTS_H
#define FACEGATE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "db.h"

struct events;

/* Starts the thread when a receiver is configured; otherwise *out is NULL,
 * which every function here takes. cfg and db must outlive it.
 * ST_BAD_CONFIG when a secret cannot be read. */
enum status events_open(const struct config *cfg, struct db *db,
			struct events **out, struct errinfo *err) MUST_CHECK;
/* Tries for at most two seconds to send what waits, then stops. */
void events_close(struct events *e);

/* A row was added to the match log. Any thread; never waits. */
void events_wake(struct events *e);

enum events_kind {
	EVENTS_WAITING,
	EVENTS_SENT,	/* decisions that the receiver acknowledged */
	EVENTS_FAILED,	/* attempts that it did not */
	EVENTS_EXPIRED, /* decisions that grew too old */
	EVENTS_DROPPED, /* decisions beyond events_max */
	EVENTS_KINDS
};

#define EVENTS_SINKS 2

/* For the counters. Any thread. */
struct events_count {
	const char *sink; /* "webhook" or "mqtt" */
	bool up;	  /* the last attempt did not fail */
	uint64_t n[EVENTS_KINDS];
};
/* Fills one for each receiver; returns how many. */
size_t events_count(struct events *e, struct events_count out[EVENTS_SINKS]);

#endif
