/* Whether the daemon still does its work, found out by doing it: every worker
 * puts the built-in face through its own pipeline, and a connection is handed
 * to the network thread. One such round begins every few seconds. A worker that
 * hangs, a result that is wrong or a network thread that does not stir end it
 * without a beat: the supervisor's watchdog is fed by beats alone, and /readyz
 * says no.
 *
 * A round takes the time of a self-test on each worker, ahead of the queue;
 * a worker that is with a request, at most request_timeout_ms with a client
 * that is slow, joins when it is done.
 *
 * Threads: heartbeat_turn belongs to one thread; the other functions say whose
 * they are. */
#ifndef FACEGATE_HEARTBEAT_H
#define FACEGATE_HEARTBEAT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct srv;
struct srv_worker;

struct heartbeat {
	uint64_t every_us; /* between the beginnings of rounds */
	uint64_t next_us;
	bool running;
	int knocker;		  /* the other end of the connection, or -1 */
	unsigned stirred_before;  /* when the round began */
	atomic_uint stirred;	  /* connections and requests, begun or ended */
	unsigned missing, failed; /* workers; under the queue's lock */
	atomic_bool failing;	  /* the last round gave no beat */
};

/* Once, before there are workers. A round begins every 15 seconds, or four
 * times while the watchdog of srv->supervisor waits. ST_BAD_CONFIG when that
 * is shorter than slow clients may take. */
enum status heartbeat_init(struct srv *srv, struct errinfo *err) MUST_CHECK;
void heartbeat_end(struct srv *srv);

/* Begins a round when it is time and sees how it is going. To be called every
 * second, or more often where every_us is shorter. */
void heartbeat_turn(struct srv *srv);

/* By a worker that was asked, without the queue's lock. */
void heartbeat_test(struct srv_worker *w);
/* By the network thread, whenever a connection or a request begins or ends. */
void heartbeat_stir(struct srv *srv);

#endif
