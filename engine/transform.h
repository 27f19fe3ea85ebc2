/* A site's own rotation of the embedding: templates of two sites with different
 * keys are not alike, and within a site every comparison keeps its score but
 * for the rounding to int8. docs/decisions/0015-template-key.md
 * says what that protects.
 *
 * Rounds of a permutation, a change of signs and a Hadamard matrix: additions
 * alone, in one order, so every machine gives the same bits. Plain data, made
 * by whoever has the key; owns nothing.
 */
#ifndef FACEGATE_TRANSFORM_H
#define FACEGATE_TRANSFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "facetypes.h"

#define TRANSFORM_ROUNDS 4 /* even: then the scale is a power of two */

struct transform {
	uint8_t from[TRANSFORM_ROUNDS][TEMPLATE_DIM];  /* permutations */
	uint8_t minus[TRANSFORM_ROUNDS][TEMPLATE_DIM]; /* 1: sign changed */
	char id[9]; /* 8 hexadecimal digits: marks its templates */
};

/* Rotates v where it lies; lengths and angles stay, but for rounding. */
void transform_rotate(const struct transform *t, float v[TEMPLATE_DIM]);
/* The way back. */
void transform_undo(const struct transform *t, float v[TEMPLATE_DIM]);
/* Either, of a template that exists: its numbers are rounded once more, its
 * length stays. Not for one of zeros alone. */
void transform_template(const struct transform *t, bool undo,
			struct face_template *out);

#endif
