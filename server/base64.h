/* Base64 of RFC 4648 section 4, decoded as it arrives: standard alphabet,
 * padding exactly where the length demands it, no white space, unused bits
 * zero. No heap; a struct base64 belongs to one thread. */
#ifndef FACEGATE_BASE64_H
#define FACEGATE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base64 {
	uint32_t bits; /* the characters of the present group of four */
	uint8_t place; /* 0 to 3: place in the group; see base64.c */
};

void base64_init(struct base64 *b);

/* Decodes up to n characters into out (n bytes always suffice) and sets *made.
 * Returns how many it took: less than n at the first character that may not
 * stand at its place. */
size_t base64_run(struct base64 *b, const uint8_t *in, size_t n, uint8_t *out,
		  size_t *made);

/* May the text end here? */
bool base64_complete(const struct base64 *b);

#endif
