#include "picring.h"

#include <string.h>

void picring_reset(struct picring *r)
{
	r->head = 0;
	r->tail = 0;
	r->begun = 0;
	r->ended = 0;
	r->opened = 0;
}

size_t picring_room(const struct picring *r)
{
	return (size_t)(r->size - (r->head - r->tail));
}

enum status picring_begin(struct picring *r, struct errinfo *err)
{
	if (r->begun == UPLOAD_PICTURES_MAX)
		return err_limit(err, ST_BAD_REQUEST, UPLOAD_PICTURES_MAX,
				 UPLOAD_PICTURES_MAX + 1,
				 "A request may bring %d pictures at most.",
				 UPLOAD_PICTURES_MAX);
	r->begun++;
	return ST_OK;
}

/* Bytes from a place in the ring to its rim, n at most. */
static size_t to_rim(const struct picring *r, uint64_t place, size_t n)
{
	size_t rest = r->size - (size_t)(place % r->size);

	return n < rest ? n : rest;
}

void picring_put(struct picring *r, const uint8_t *data, size_t n)
{
	size_t first = to_rim(r, r->head, n);

	memcpy(r->bytes + r->head % r->size, data, first);
	memcpy(r->bytes, data + first, n - first);
	r->head += n;
}

void picring_end(struct picring *r)
{
	r->end[r->ended++] = r->head;
}

/* The open picture reaches so far as is known. */
static uint64_t known_end(const struct picring *r)
{
	if (r->opened == 0)
		return r->tail;
	return r->opened <= r->ended ? r->end[r->opened - 1] : r->head;
}

bool picring_open_next(struct picring *r)
{
	if (r->opened == r->begun)
		return false;
	r->opened++;
	return true;
}

size_t picring_take(struct picring *r, uint8_t *buf, size_t cap)
{
	uint64_t there = known_end(r) - r->tail;
	size_t n = there < cap ? (size_t)there : cap;
	size_t first = to_rim(r, r->tail, n);

	memcpy(buf, r->bytes + r->tail % r->size, first);
	memcpy(buf + first, r->bytes, n - first);
	r->tail += n;
	return n;
}

bool picring_skip(struct picring *r)
{
	r->tail = known_end(r);
	return r->opened <= r->ended;
}

bool picring_at_end(const struct picring *r)
{
	return r->opened <= r->ended && r->tail == known_end(r);
}
