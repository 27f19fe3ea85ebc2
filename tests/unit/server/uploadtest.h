/* Runs whole bodies through an upload in one thread. */
#ifndef FACEGATE_UPLOADTEST_H
#define FACEGATE_UPLOADTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "upload.h"

#define FORM_TYPE "multipart/form-data; boundary=XyZ"
#define JSON_TYPE "application/json"

/* All that an upload told about a body. */
struct outcome {
	enum status st; /* of upload_drain, or of upload_begin */
	struct errinfo err;
	size_t pictures;
	size_t length[UPLOAD_PICTURES_MAX];
	uint8_t bytes[UPLOAD_RING_BYTES]; /* of all pictures, one by one */
	size_t total;
	size_t params;
	char text[2 * UPLOAD_TEXT_BYTES]; /* "name=value\n" of each */
};

/* Bytes of the next piece when left are left; 1 to left. */
typedef size_t cutter(void *ctx, size_t left);

/* The pictures of the body must fit into the ring together. The outcome is
 * overwritten by the run after the next. */
const struct outcome *run_cut(const char *type, const void *body, size_t n,
			      cutter *cut, void *ctx);
const struct outcome *run_whole(const char *type, const void *body, size_t n);
const struct outcome *run_text(const char *type, const char *body);

/* Fails unless both say exactly the same. */
void check_same(const struct outcome *a, const struct outcome *b);
/* Fails unless the body comes out the same in two pieces wherever it is cut,
 * byte by byte, and in random pieces. Returns the outcome. */
const struct outcome *run_all_cuts(const char *type, const void *body,
				   size_t n);

/* A fresh upload with body_max of 1 GiB and a far deadline. */
struct upload *fresh_upload(const char *type, void (*drained)(void *ctx),
			    void *ctx);
uint64_t test_now_us(void);
uint32_t test_random(uint64_t *state);
/* Writes base64 with padding and a NUL; returns the length. */
size_t test_base64(const uint8_t *in, size_t n, char *out);

#endif
