/* An upload: one request's body, turned into parameters and a stream of
 * pictures while it arrives.
 *
 * Three forms give the same result: a raw image/jpeg body (parameters come
 * from the query), multipart/form-data (parts `image`, other parts are
 * parameters), and application/json (`image` or `images` in base64, other
 * members are parameters). Memory is fixed: a ring for picture bytes and a
 * small buffer for everything else, however large the body is.
 *
 * A form of DeepStack's (upload_expect_form) is held whole instead: its ring
 * must have room for all of the body, so that it can wait there for the key
 * that may be its last part.
 *
 * Two threads meet here. The network thread feeds bytes and never waits: when
 * the ring is full upload_feed takes less and the caller suspends the
 * connection until the `drained` callback says there is room. The worker
 * thread reads pictures and waits with an absolute deadline.
 */
#ifndef FACEGATE_UPLOAD_H
#define FACEGATE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "status.h"

#define UPLOAD_RING_BYTES   65536 /* of an upload that need not be whole */
#define UPLOAD_SLACK_BYTES  128	  /* more than a body that a ring must hold */
#define UPLOAD_TEXT_BYTES   16384 /* all that is not picture */
#define UPLOAD_PARAMS_MAX   24
#define UPLOAD_PICTURES_MAX 16

enum upload_form {
	UPLOAD_RAW,
	UPLOAD_MULTIPART,
	UPLOAD_JSON,
	UPLOAD_DOCUMENT,
	UPLOAD_URLENCODED,
	UPLOAD_NONE
};

struct upload; /* one of a fixed set of slots */

/* Memory of a slot whose ring has that many bytes. */
size_t upload_bytes(size_t ring_bytes);
void upload_init(void *mem, size_t ring_bytes,
		 struct upload **out); /* once, at start */

/* Begins a request; nobody uses the slot for another one any more.
 * content_type is the header's value or NULL (then a body must not come).
 * body_max bounds the body in bytes, deadline_us is absolute on
 * CLOCK_MONOTONIC. drained and ctx: see upload_want_room.
 * ST_NOT_A_JPEG (HTTP 415) for a content type that is none of the three;
 * ST_BAD_REQUEST for a multipart type without a sane boundary (1 to 70
 * characters of RFC 2046's set). After an error the slot may still be fed (it
 * drops everything) or begun again. */
enum status upload_begin(struct upload *u, const char *content_type,
			 uint64_t body_max, uint64_t deadline_us,
			 void (*drained)(void *ctx), void *ctx,
			 struct errinfo *err) MUST_CHECK;

/* Between upload_begin without a content type and the first byte: the body is
 * one text of at most UPLOAD_TEXT_BYTES without the query's parameters. */
void upload_expect_document(struct upload *u);
/* That text once the body is complete; not ended by NUL. */
const char *upload_document(const struct upload *u, size_t *n);

/* Likewise: the body is a form whose parts with a file name are pictures,
 * whatever they are called: multipart/form-data, or, without pictures,
 * application/x-www-form-urlencoded of at most UPLOAD_TEXT_BYTES; without a
 * content type (NULL) a body must not come. ST_BAD_REQUEST for any other. */
enum status upload_expect_form(struct upload *u, const char *content_type,
			       struct errinfo *err) MUST_CHECK;

/* ---- network thread ---- */

/* Takes some or all of n bytes; returns how many. Fewer than n: the ring is
 * full (so upload_has_picture holds), suspend and see upload_want_room. After
 * an error, a passed deadline (ST_TIMEOUT) included, it takes everything and
 * drops it; see upload_error. */
size_t upload_feed(struct upload *u, const void *data, size_t n);

/* Asks for a wake-up once upload_feed took less than it was given. The order
 * matters, because a resume that comes before its suspend is lost:
 *
 *	*size -= upload_feed(u, data, *size);
 *	if (*size > 0) {
 *		MHD_suspend_connection(connection);
 *		if (!upload_want_room(u))
 *			MHD_resume_connection(connection);
 *	}
 *
 * True: drained(ctx) will be called exactly once, with no lock held, and is
 * what resumes the connection; it may run before this call has returned. It
 * runs in the worker thread when half of the ring is free or the worker's wait
 * ran into the deadline, or in the thread that calls upload_abort. False: room
 * came back meanwhile, or an error drops the rest, and drained will not be
 * called. The next upload_feed or upload_begin takes the wish back.
 *
 * So that no connection stays suspended, whoever has the upload at the end
 * (the worker, or the network thread if no worker ever got it) ends with
 * upload_drain or upload_abort. A worker that wants no more bytes and no
 * parameters calls upload_abort: the rest of the body is then dropped as it
 * arrives, and the worker need not wait for it. */
bool upload_want_room(struct upload *u);

/* The body is complete: checks what can only be checked now (closing
 * boundary, JSON syntax). */
void upload_finish(struct upload *u);
/* The body is not wanted or will never be complete (client gone, deadline):
 * wakes the worker and a suspended connection. why is not ST_OK. */
void upload_abort(struct upload *u, enum status why);
/* First error so far, ST_OK if none. err may be NULL. Any thread. */
enum status upload_error(struct upload *u, struct errinfo *err);
/* The same, over what is in err, and the picture that the body has failed in,
 * counted from 1; 0 when that was between pictures. Without an error nothing is
 * set. Any thread. */
enum status upload_failure(struct upload *u, struct errinfo *err, size_t *at);
/* True once bytes or the end of a picture are there: a worker could begin. A
 * server that lends no worker to a slow client waits for a short upload_feed
 * or for the end of the body instead, whichever comes first. Any thread. */
bool upload_has_picture(struct upload *u);

/* ---- worker thread ---- */

/* Waits for the next picture. ST_OK: read it with upload_read. ST_END: the
 * body is complete and has no more (none at all for an empty raw body).
 * Otherwise the upload's error. An unread rest of the picture before is
 * skipped. An error anywhere in the body is returned as soon as it is known,
 * whatever pictures came before it. */
enum status upload_next_picture(struct upload *u,
				struct errinfo *err) MUST_CHECK;
/* A byte_source read (see engine.h): bytes of the current picture, waiting for
 * at least one; 0 at its end, -(ssize_t)status on an error. */
ssize_t upload_read(void *upload, uint8_t *buf, size_t cap);
/* Throws away all pictures to come and waits for the end of the body, so that
 * all parameters are known. */
enum status upload_drain(struct upload *u, struct errinfo *err) MUST_CHECK;

/* Parameters (complete and safe to read once upload_drain or
 * upload_next_picture's ST_END said so, or in the network thread after
 * upload_finish). upload_add_param adds those of the query, before the first
 * upload_feed or after upload_finish. A name given twice, in whichever place,
 * is ST_BAD_REQUEST. Names have up to 64 bytes, values up to 4 KiB of UTF-8
 * without NUL. Numbers and booleans of JSON come as their text. */
enum status upload_add_param(struct upload *u, const char *name,
			     const char *value, struct errinfo *err) MUST_CHECK;
/* From now on, parameters of other names are ST_UNKNOWN_PARAMETER; names ends
 * with NULL, and NULL itself lets any pass, as upload_begin does. */
void upload_expect_params(struct upload *u, const char *const *names);
const char *upload_param(const struct upload *u, const char *name);
size_t upload_param_count(const struct upload *u);
const char *upload_param_name(const struct upload *u, size_t i);
size_t upload_picture_count(struct upload *u); /* seen so far; any thread */

#endif
