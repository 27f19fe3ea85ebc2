/* The pictures of one body as one stream of bytes through a fixed ring, with
 * the place where each picture ends. The writer may be in a later picture than
 * the reader. The owner (upload.c) lends the ring's bytes; no heap and no lock:
 * it keeps writer and reader apart too. */
#ifndef FACEGATE_PICRING_H
#define FACEGATE_PICRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "upload.h"

struct picring {
	uint64_t head;			   /* bytes ever written */
	uint64_t tail;			   /* bytes ever taken out */
	uint64_t end[UPLOAD_PICTURES_MAX]; /* in bytes ever written */
	unsigned begun;			   /* pictures the writer has begun */
	unsigned ended;			   /* pictures with a known end */
	unsigned opened;		   /* pictures the reader has opened */
	uint8_t *bytes;			   /* size of them; set by the owner */
	size_t size;
};

void picring_reset(struct picring *r);

/* ---- writer ---- */

size_t picring_room(const struct picring *r);
/* ST_BAD_REQUEST past UPLOAD_PICTURES_MAX. */
enum status picring_begin(struct picring *r, struct errinfo *err) MUST_CHECK;
/* n <= picring_room; a picture is begun and not ended. */
void picring_put(struct picring *r, const uint8_t *data, size_t n);
void picring_end(struct picring *r);

/* ---- reader ---- */

/* Opens the next picture if the writer has begun it. The one before has to be
 * over, see picring_skip. */
bool picring_open_next(struct picring *r);
/* Takes up to cap bytes of the open picture into buf; 0 when none are there. */
size_t picring_take(struct picring *r, uint8_t *buf, size_t cap);
/* Throws away what is there of the open picture. True when it is over or none
 * is open. */
bool picring_skip(struct picring *r);
/* All bytes of the open picture have been taken and its end is known. */
bool picring_at_end(const struct picring *r);

#endif
