/* multipart/form-data (RFC 7578 over RFC 2046), parsed as it arrives. Parts
 * named "image", or with any_file those that have a file name, become pictures,
 * all others parameters. What a file is called is read past and never used. No
 * heap; one thread at a time. */
#ifndef FACEGATE_MULTIPART_H
#define FACEGATE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"

#define MULTIPART_BOUNDARY_MAX 70   /* RFC 2046 */
#define MULTIPART_HEAD_BYTES   1024 /* header lines of one part, all together */

struct multipart {
	char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF - - boundary */
	uint8_t delimiter_len;
	uint8_t matched; /* delimiter bytes that the last bytes taken equal */
	uint8_t state, part; /* enums of multipart.c */
	bool any_file;	     /* false after multipart_begin */
	bool named; /* the present part's Content-Disposition was read */
	bool file;  /* it has a file name */
	char name[PARAM_NAME_MAX + 2]; /* one more than allowed shows as such */
	uint16_t line_len;
	uint16_t head_left;
	char line[MULTIPART_HEAD_BYTES + 1];
};

/* params is the rest of the Content-Type value, from its first semicolon.
 * ST_BAD_REQUEST without one boundary of 1 to 70 characters of RFC 2046's
 * set. */
enum status multipart_begin(struct multipart *m, const char *params,
			    struct errinfo *err) MUST_CHECK;
/* See body.h. */
size_t multipart_feed(struct multipart *m, struct body *b, const uint8_t *data,
		      size_t n);
/* The body is complete: sets an error unless the closing boundary was seen. */
void multipart_finish(struct multipart *m, struct body *b);

#endif
