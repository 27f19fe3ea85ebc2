/* An upload: one request's body, turned into parameters and a stream of
 * pictures while it arrives.
 *
 * Three forms give the same result: a raw image/jpeg body (parameters come
 * from the query), multipart/form-data (parts `image`, other parts are
 * parameters), and application/json (`image` or `images` in base64, other
 * members are parameters). Memory is fixed: a ring of UPLOAD_RING_BYTES for
 * picture bytes and a small buffer for everything else, however large the
 * body is.
 *
 * Two threads meet here. The network thread feeds bytes and never waits: when
 * the ring is full upload_feed takes nothing and the caller suspends the
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

#define UPLOAD_RING_BYTES 65536
#define UPLOAD_TEXT_BYTES 16384  /* all that is not picture */
#define UPLOAD_PARAMS_MAX 24
#define UPLOAD_PICTURES_MAX 16

enum upload_form { UPLOAD_RAW, UPLOAD_MULTIPART, UPLOAD_JSON, UPLOAD_NONE };

struct upload; /* one of a fixed set of slots; upload_bytes() each */

size_t upload_bytes(void);
void upload_init(void *mem, struct upload **out); /* once, at start */

/* Begins a request. content_type is the header's value or NULL. body_max
 * bounds the body in bytes, deadline_us is absolute on CLOCK_MONOTONIC.
 * drained(ctx) is called (from the worker thread, no lock held) when room has
 * come back after upload_feed took less than it was given.
 * ST_NOT_A_JPEG (HTTP 415) for a content type that is none of the three;
 * ST_BAD_REQUEST for a multipart type without a sane boundary (1 to 70
 * characters of RFC 2046's set). */
enum status upload_begin(struct upload *u, const char *content_type,
			 uint64_t body_max, uint64_t deadline_us,
			 void (*drained)(void *ctx), void *ctx,
			 struct errinfo *err) MUST_CHECK;

/* ---- network thread ---- */

/* Takes some or all of n bytes; returns how many (0 = ring full, suspend).
 * After an error it takes everything and drops it; see upload_error. */
size_t upload_feed(struct upload *u, const void *data, size_t n);
/* The body is complete: checks what can only be checked now (closing
 * boundary, JSON syntax). */
void upload_finish(struct upload *u);
/* The body will never be complete (client gone, deadline): wakes the worker. */
void upload_abort(struct upload *u, enum status why);
/* First error so far, ST_OK if none. err may be NULL. Any thread. */
enum status upload_error(struct upload *u, struct errinfo *err);
/* True once the ring has bytes for a picture: time to hand it to a worker. */
bool upload_has_picture(struct upload *u);

/* ---- worker thread ---- */

/* Waits for the next picture. ST_OK: read it with upload_read. ST_END: the
 * body is complete and has no more. Otherwise the upload's error. An unread
 * rest of the picture before is skipped. */
enum status upload_next_picture(struct upload *u, struct errinfo *err)
	MUST_CHECK;
/* A byte_source read (see engine.h): bytes of the current picture. */
ssize_t upload_read(void *upload, uint8_t *buf, size_t cap);
/* Reads the rest of the body, so that all parameters are known. */
enum status upload_drain(struct upload *u, struct errinfo *err) MUST_CHECK;

/* Parameters of the body (valid after upload_drain; the network thread may
 * add those of the query first with upload_add_param). Same name twice is
 * ST_BAD_REQUEST. Values are UTF-8 without NUL. */
enum status upload_add_param(struct upload *u, const char *name,
			     const char *value, struct errinfo *err) MUST_CHECK;
const char *upload_param(const struct upload *u, const char *name);
size_t upload_param_count(const struct upload *u);
const char *upload_param_name(const struct upload *u, size_t i);
size_t upload_picture_count(const struct upload *u); /* seen so far */

#endif
