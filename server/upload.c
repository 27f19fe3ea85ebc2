/* Two threads meet under one lock. The network thread holds it while it parses
 * a piece of the body (a few KiB, microseconds), the worker while it copies
 * out of the ring.
 *
 * Nobody waits for somebody who waits for him: the worker only waits when it
 * has taken everything there is of its picture, and then the ring is either
 * empty or holds later pictures, which the worker asks for next. Taking bytes
 * wakes a suspended connection as soon as half of the ring is free, and that
 * is before the worker waits. */
#include "upload.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "body.h"
#include "jsonmembers.h"
#include "jsonscan.h"
#include "mimehead.h"
#include "multipart.h"
#include "urlencoded.h"

/* A connection is woken when so much is free: waking costs a system call and a
 * turn of the network thread, so a few bytes are not worth it. */
#define RESUME_ROOM (UPLOAD_RING_BYTES / 2)

struct upload {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* the worker waits here */
	uint64_t body_max, deadline_us;
	uint64_t fed; /* bytes taken */
	void (*drained)(void *ctx);
	void *ctx;
	enum upload_form form;
	bool finished;
	bool armed; /* a suspended connection waits for room */
	bool call;  /* drained is due once the lock is free */
	union {
		struct multipart multipart;
		struct jsonscan json;
	} parser;
	struct body body;
};

size_t upload_bytes(size_t ring_bytes)
{
	return sizeof(struct upload) + ring_bytes;
}

void upload_init(void *mem, size_t ring_bytes, struct upload **out)
{
	struct upload *u = mem;
	pthread_condattr_t attr;

	/* Not the buffers behind it: those of slots that are never needed at
	 * once stay out of memory. */
	memset(u, 0, offsetof(struct upload, body));
	u->body.pictures.bytes = (uint8_t *)(u + 1);
	u->body.pictures.size = ring_bytes;
	/* None of these can fail with these arguments on Linux. */
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->changed, &attr);
	pthread_condattr_destroy(&attr);
	err_clear(&u->body.err);
	paramstore_reset(&u->body.params);
	picring_reset(&u->body.pictures);
	jsonmembers_init(malloc);
	*out = u;
}

static void lock(struct upload *u)
{
	pthread_mutex_lock(&u->lock);
}

/* Calls drained if it became due: call is set and cleared under one stretch of
 * the lock, so the thread that made room is the one that calls. */
static void unlock(struct upload *u)
{
	void (*drained)(void *ctx) = u->call ? u->drained : NULL;
	void *ctx = u->ctx;

	u->call = false;
	pthread_mutex_unlock(&u->lock);
	if (drained != NULL)
		drained(ctx);
}

static void wake_network(struct upload *u)
{
	if (u->armed)
		u->call = true;
	u->armed = false;
}

/* An error ends all waiting on both sides. */
static void fail(struct upload *u, enum status st, const char *text)
{
	(void)err_set(&u->body.err, st, "%s", text);
	wake_network(u);
	pthread_cond_signal(&u->changed);
}

static bool past_deadline(const struct upload *u)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 >=
	       u->deadline_us;
}

enum status upload_begin(struct upload *u, const char *content_type,
			 uint64_t body_max, uint64_t deadline_us,
			 void (*drained)(void *ctx), void *ctx,
			 struct errinfo *err)
{
	const char *raw = content_type, *json = content_type;
	enum status st = ST_OK;

	lock(u);
	u->body_max = body_max;
	u->deadline_us = deadline_us;
	u->fed = 0;
	u->drained = drained;
	u->ctx = ctx;
	u->form = UPLOAD_NONE;
	u->finished = false;
	u->armed = false;
	err_clear(&u->body.err);
	paramstore_reset(&u->body.params);
	picring_reset(&u->body.pictures);
	if (content_type != NULL) {
		if (mime_word_is(&raw, "image/jpeg")) {
			u->form = UPLOAD_RAW;
		} else if (mime_word_is(&json, "application/json")) {
			u->form = UPLOAD_JSON;
			jsonscan_begin(&u->parser.json);
		} else if (mime_word_is(&content_type, "multipart/form-data")) {
			u->form = UPLOAD_MULTIPART;
			st = multipart_begin(&u->parser.multipart, content_type,
					     err);
		} else {
			st = err_set(err, ST_NOT_A_JPEG,
				     "Send image/jpeg, multipart/form-data or "
				     "application/json.");
		}
	}
	if (st != ST_OK)
		fail(u, st, "The Content-Type was refused.");
	unlock(u);
	return st;
}

void upload_expect_document(struct upload *u)
{
	lock(u);
	u->form = UPLOAD_DOCUMENT;
	unlock(u);
}

enum status upload_expect_form(struct upload *u, const char *content_type,
			       struct errinfo *err)
{
	const char *plain = content_type;
	enum status st = ST_OK;

	if (content_type == NULL)
		return ST_OK;
	lock(u);
	if (mime_word_is(&plain, "application/x-www-form-urlencoded")) {
		u->form = UPLOAD_URLENCODED;
	} else if (mime_word_is(&content_type, "multipart/form-data")) {
		u->form = UPLOAD_MULTIPART;
		st = multipart_begin(&u->parser.multipart, content_type, err);
		u->parser.multipart.any_file = true;
	} else {
		st = err_set(err, ST_BAD_REQUEST,
			     "Send multipart/form-data or "
			     "application/x-www-form-urlencoded.");
	}
	if (st != ST_OK)
		fail(u, st, "The Content-Type was refused.");
	unlock(u);
	return st;
}

const char *upload_document(const struct upload *u, size_t *n)
{
	return paramstore_collected(&u->body.params, n);
}

/* ---- network thread ---- */

static size_t feed_raw(struct body *b, const uint8_t *data, size_t n)
{
	size_t room = picring_room(&b->pictures);

	if (b->pictures.begun == 0 &&
	    picring_begin(&b->pictures, &b->err) != ST_OK)
		return 0;
	n = n < room ? n : room;
	picring_put(&b->pictures, data, n);
	return n;
}

static size_t parse(struct upload *u, const uint8_t *data, size_t n)
{
	struct body *b = &u->body;

	switch (u->form) {
	case UPLOAD_RAW:
		return n == 0 ? 0 : feed_raw(b, data, n);
	case UPLOAD_MULTIPART:
		return multipart_feed(&u->parser.multipart, b, data, n);
	case UPLOAD_JSON:
		return jsonscan_feed(&u->parser.json, b, data, n);
	case UPLOAD_DOCUMENT:
	case UPLOAD_URLENCODED:
		return paramstore_collect(&b->params, data, n, &b->err) == ST_OK
			       ? n
			       : 0;
	case UPLOAD_NONE:
		break;
	}
	if (n > 0)
		(void)err_set(&b->err, ST_NOT_A_JPEG,
			      "The body has no Content-Type.");
	return 0;
}

size_t upload_feed(struct upload *u, const void *data, size_t n)
{
	struct body *b = &u->body;
	uint64_t left;
	size_t took = 0;

	lock(u);
	u->armed = false;
	/* A body that trickles in never lets the network library's own timer
	 * run out, so the deadline is checked here too. */
	if (!u->finished && past_deadline(u))
		fail(u, ST_TIMEOUT, "The body took too long to arrive.");
	if (!u->finished && b->err.status == ST_OK) {
		left = u->body_max - u->fed;
		took = parse(u, data, n < left ? n : (size_t)left);
		u->fed += took;
		if (took == left && took < n)
			(void)err_limit(&b->err, ST_BODY_TOO_LARGE,
					(int64_t)u->body_max, ERR_NO_NUMBER,
					"The body is longer than %llu bytes.",
					(unsigned long long)u->body_max);
		pthread_cond_signal(&u->changed);
	}
	if (b->err.status != ST_OK || u->finished)
		took = n;
	unlock(u);
	return took;
}

bool upload_want_room(struct upload *u)
{
	bool armed;

	lock(u);
	armed = u->body.err.status == ST_OK && !u->finished &&
		picring_room(&u->body.pictures) < RESUME_ROOM;
	u->armed = armed;
	unlock(u);
	return armed;
}

void upload_finish(struct upload *u)
{
	struct body *b = &u->body;

	lock(u);
	if (b->err.status == ST_OK && !u->finished) {
		if (u->form == UPLOAD_RAW && b->pictures.begun > 0)
			picring_end(&b->pictures);
		else if (u->form == UPLOAD_MULTIPART)
			multipart_finish(&u->parser.multipart, b);
		else if (u->form == UPLOAD_JSON)
			jsonscan_finish(&u->parser.json, b);
		else if (u->form == UPLOAD_URLENCODED)
			urlencoded_finish(b);
	}
	u->finished = true;
	pthread_cond_signal(&u->changed);
	unlock(u);
}

void upload_abort(struct upload *u, enum status why)
{
	lock(u);
	fail(u, why, status_title(why));
	unlock(u);
}

enum status upload_error(struct upload *u, struct errinfo *err)
{
	enum status st;

	lock(u);
	st = u->body.err.status;
	if (st != ST_OK && err != NULL && err->status == ST_OK)
		*err = u->body.err;
	unlock(u);
	return st;
}

enum status upload_failure(struct upload *u, struct errinfo *err, size_t *at)
{
	const struct picring *r = &u->body.pictures;
	enum status st;

	lock(u);
	st = u->body.err.status;
	if (st != ST_OK) {
		*err = u->body.err;
		*at = r->begun > r->ended ? r->begun : 0;
	}
	unlock(u);
	return st;
}

bool upload_has_picture(struct upload *u)
{
	const struct picring *r = &u->body.pictures;
	bool has;

	lock(u);
	has = r->head > 0 || r->ended > 0;
	unlock(u);
	return has;
}

/* ---- worker thread ---- */

/* Waits until something changed. Called and left with the lock held, which is
 * given away in between. */
static void wait_change(struct upload *u)
{
	struct timespec until = {
		.tv_sec = (time_t)(u->deadline_us / 1000000),
		.tv_nsec = (long)(u->deadline_us % 1000000) * 1000,
	};

	if (u->call) { /* the other side may be what we would wait for */
		unlock(u);
		lock(u);
		return;
	}
	if (pthread_cond_timedwait(&u->changed, &u->lock, &until) == ETIMEDOUT)
		fail(u, ST_TIMEOUT, "The body took too long to arrive.");
}

/* To be called whenever bytes were taken out of the ring. */
static void made_room(struct upload *u)
{
	if (picring_room(&u->body.pictures) >= RESUME_ROOM)
		wake_network(u);
}

enum status upload_next_picture(struct upload *u, struct errinfo *err)
{
	struct picring *r = &u->body.pictures;
	enum status st;

	lock(u);
	for (;;) {
		bool over = picring_skip(r);

		made_room(u);
		st = u->body.err.status;
		if (st != ST_OK) {
			if (err != NULL && err->status == ST_OK)
				*err = u->body.err;
			break;
		}
		if (over && picring_open_next(r))
			break;
		if (u->finished) {
			st = ST_END;
			break;
		}
		wait_change(u);
	}
	unlock(u);
	return st;
}

ssize_t upload_read(void *upload, uint8_t *buf, size_t cap)
{
	struct upload *u = upload;
	struct picring *r = &u->body.pictures;
	ssize_t n;

	lock(u);
	for (;;) {
		n = -(ssize_t)u->body.err.status;
		if (n != 0)
			break;
		n = (ssize_t)picring_take(r, buf, cap);
		made_room(u);
		if (n > 0 || picring_at_end(r))
			break;
		wait_change(u);
	}
	unlock(u);
	return n;
}

enum status upload_drain(struct upload *u, struct errinfo *err)
{
	enum status st;

	do
		st = upload_next_picture(u, err);
	while (st == ST_OK);
	return st == ST_END ? ST_OK : st;
}

/* ---- parameters ---- */

enum status upload_add_param(struct upload *u, const char *name,
			     const char *value, struct errinfo *err)
{
	enum status st;

	lock(u);
	/* While the body is parsed its text is being collected. */
	if (u->fed > 0 && !u->finished)
		st = err_set(err, ST_INTERNAL, "A parameter came too late.");
	else
		st = paramstore_add(&u->body.params, name, value, strlen(value),
				    err);
	unlock(u);
	return st;
}

void upload_expect_params(struct upload *u, const char *const *names)
{
	u->body.params.names = names; /* the network thread's alone */
}

const char *upload_param(const struct upload *u, const char *name)
{
	return paramstore_find(&u->body.params, name);
}

size_t upload_param_count(const struct upload *u)
{
	return u->body.params.count;
}

const char *upload_param_name(const struct upload *u, size_t i)
{
	const struct paramstore *p = &u->body.params;

	return i < p->count ? p->text + p->name[i] : NULL;
}

size_t upload_picture_count(struct upload *u)
{
	size_t n;

	lock(u);
	n = u->body.pictures.begun;
	unlock(u);
	return n;
}
