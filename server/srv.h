/* The server's own state, for the files of server/ alone. */
#ifndef FACEGATE_SRV_H
#define FACEGATE_SRV_H

#include <stdatomic.h>

#include "auth.h"
#include "deadline.h"
#include "events.h"
#include "heartbeat.h"
#include "reembed.h"
#include "request.h"
#include "server.h"
#include "supervisor.h"

#define SRV_STACK_BYTES (256 * 1024)

struct srv_worker {
	struct srv *srv;
	unsigned slot; /* of the engine */
	pthread_t thread;
	bool started;
	bool test_due;	/* under the queue's lock */
	uint8_t *crops; /* of the pictures of an enrolment, if they are kept */
};

struct srv {
	struct config cfg;
	struct engine *engine;
	struct db *db;
	const struct supervisor *supervisor;
	float selftest_score; /* of the start, which it decided */
	struct auth *auth;
	struct MHD_Daemon *daemon;
	char host[CFG_TEXT_MAX];
	unsigned port;
	atomic_bool draining; /* nothing new is begun */
	atomic_bool stopping; /* workers leave when the queue is empty */
	atomic_int active;    /* requests in their slots */
	atomic_int exports;   /* of the match log under way */
	atomic_uint made;     /* for request ids */
	uint32_t id_salt;

	bool other_models;	     /* there are templates of others */
	atomic_llong people_waiting; /* for a template of this model */
	atomic_llong to_reembed;     /* crops that wait for the same */
	struct reembed reembed;
	pthread_mutex_t enrol_lock; /* room, commit and gallery are one step */
	struct counters counters;   /* of the network thread */
	struct deadlines *deadlines;
	struct tls *tls;       /* NULL: plain HTTP */
	struct events *events; /* NULL: none are sent */

	struct request *requests;
	size_t request_count;
	struct slots {
		struct upload **free; /* those that nobody has come first */
		size_t count, left;
		size_t kept; /* of the last ones, for doors alone */
		uint8_t *memory;
	} uploads, forms; /* forms: of routes whose body is one, if served */
	pthread_mutex_t slots_lock; /* requests' used flags, both slots */

	pthread_mutex_t queue_lock;
	pthread_cond_t queue_filled;
	struct request *urgent, *urgent_last;	/* doors */
	struct request *patient, *patient_last; /* everything else */
	struct heartbeat heartbeat;
	struct srv_worker workers[ENGINE_WORKERS_MAX];
};

#endif
