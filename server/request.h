/* One HTTP request, from its headers to its answer.
 *
 * Requests live in a fixed set of slots. Two threads may hold one: the network
 * thread, and a worker once it is dispatched; the slot is free when both have
 * let go. What both touch is under lock; everything else belongs to the network
 * thread before dispatch and to the worker until it is done.
 */
#ifndef FACEGATE_REQUEST_H
#define FACEGATE_REQUEST_H

#include <jansson.h>
#include <microhttpd.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>

#include "keystore.h"
#include "counters.h"
#include "server.h"
#include "upload.h"

struct route;
struct logexport;

/* What the client asked the answer to be, where a route has a choice. */
enum accept { ACCEPT_JSON, ACCEPT_NDJSON, ACCEPT_CSV };

#define REQUEST_DOCUMENT_BYTES 8192 /* of JSON that is no picture */

struct request {
	struct srv *srv;
	struct MHD_Connection *connection;
	const struct route *route;
	char id[REQUEST_ID_MAX + 1];	 /* X-Request-Id, given or made */
	char path_id[PERSON_ID_MAX + 1]; /* of the path, if it has one */
	int64_t row_id;			 /* of the path, if it has one */
	char allow[64]; /* methods of the path, when the one asked is not */
	enum role role; /* of the key; 0 on routes that need none */
	char key_id[KEY_ID_CHARS + 1];	 /* "" without keys */
	unsigned failed_checks;		 /* of the picture; see facequality.h */
	char held_by[PERSON_ID_MAX + 1]; /* ST_DUPLICATE_FACE: whose it is */
	enum accept accept;
	char if_match[24];	  /* "" without; the first ETag of it, or "*" */
	bool if_absent;		  /* If-None-Match: * */
	struct logexport *export; /* or NULL */
	unsigned retry_s;	  /* Retry-After, 0: the usual */
	const char *method;	  /* as it was asked */
	struct sha256_ctx hash;	  /* of the address as it came; of a signed
				   * request's body from its head on */
	bool is_signed;		  /* and the body must have this digest */
	uint8_t body_digest[SHA256_DIGEST_SIZE];
	enum status uri_status; /* what the raw address is worth */
	const char *uri_end;	/* of the raw address, for guard.c */
	bool started, body_ended;
	bool key_due; /* the key must come in the body, and has not yet */
	struct upload
		*upload; /* holds the parameters too; NULL where no
			  * worker runs the route, which then takes none */
	uint64_t start_us;
	uint64_t body_bytes; /* taken so far */
	struct errinfo err;

	pthread_mutex_t lock;
	bool used;
	bool dispatched; /* a worker has it or will get it */
	bool done;	 /* the answer is ready */
	bool waiting;	 /* the connection is suspended for the answer */
	bool overdue;	 /* doors went ahead of it for too long */
	uint64_t queued_us;
	unsigned holders;
	struct request *next; /* in the queue */

	struct counters_work work;
	enum status problem; /* what the answer says went wrong */
	int http_status;
	struct MHD_Response *response;
};

/* A parameter of the query or, after upload_drain, of the body; or NULL. For
 * routes on a worker. */
const char *request_param(struct request *r, const char *name);

/* Who asks, and that it is now, for the audit log. Points into r. */
struct db_by request_by(const struct request *r);

/* Whether the answer may tell scores: with them and many pictures a thief of a
 * door's key could work out a face. */
bool request_sees_scores(const struct request *r);

/* Whole number of a parameter within limits; preset when it is missing. */
enum status request_int(struct request *r, const char *name, int64_t min,
			int64_t max, int64_t preset, int64_t *out) MUST_CHECK;

/* The person_id parameter, checked. */
enum status request_person(struct request *r, const char **out) MUST_CHECK;
/* The door_id parameter, checked; "" when missing. */
enum status request_door(struct request *r, const char **out) MUST_CHECK;

/* Memory for the rows of a page, which the caller frees; NULL with r->err set
 * when there is none. */
void *request_page(struct request *r, int64_t rows, size_t row_bytes);

/* Bytes that the body of r's route may have. */
uint64_t request_body_max(const struct request *r);

/* Refuses any parameter, for a route that runs without a worker. */
enum status request_no_params(struct request *r) MUST_CHECK;

#endif
