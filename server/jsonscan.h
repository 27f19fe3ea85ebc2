/* application/json bodies, scanned as they arrive. The body is one flat
 * object. The strings of its member "image" (one string) or "images" (an array
 * of strings) are decoded from base64 into pictures; everything else is
 * collected with "" in place of those strings, and read by jsonmembers.c at
 * the end: strings, numbers and booleans become parameters. Scanning needs no
 * heap; jansson's use of it is bounded by UPLOAD_TEXT_BYTES of flat text. One
 * thread at a time. */
#ifndef FACEGATE_JSONSCAN_H
#define FACEGATE_JSONSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base64.h"
#include "body.h"

struct jsonscan {
	uint8_t state;	  /* enum of jsonscan.c */
	uint8_t depth;	  /* 1 in the object, 2 in the array of images */
	bool expect_name; /* the next string names a member */
	bool in_name;
	uint16_t name_len; /* bytes of it, as they were sent */
	uint8_t named;	   /* member just named, its colon is to come */
	uint8_t member;	   /* member whose value is to come */
	uint8_t seen;	   /* which picture members there were, as bits */
	uint8_t lead; /* bytes of a data: address read in a picture string */
	uint8_t hex_len;
	uint16_t hex;
	unsigned members;
	unsigned index; /* of the string in images */
	struct base64 base64;
};

void jsonscan_begin(struct jsonscan *s);
/* See body.h. */
size_t jsonscan_feed(struct jsonscan *s, struct body *b, const uint8_t *data,
		     size_t n);
/* The body is complete: reads the parameters, or sets an error. */
void jsonscan_finish(struct jsonscan *s, struct body *b);

#endif
