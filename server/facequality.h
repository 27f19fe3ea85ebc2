/* What can be said of a face's picture besides the embedding's length: named
 * components, which of them are too poor to enrol, and what the person could
 * do about it. Pure; no heap. */
#ifndef FACEGATE_FACEQUALITY_H
#define FACEGATE_FACEQUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "engine.h"

struct facequality {
	float sharpness; /* 0 to 100, of the 112x112 crop */
	float exposure;	 /* 0 to 100, of the same */
	float yaw_deg;	 /* of the head, guessed from the landmarks; positive
			  * when the nose points to the picture's right */
	float roll_deg;	 /* of the line through the eyes; positive when the
			  * right one in the picture is lower */
	bool cut_off;	 /* a part of the face lies outside the picture */
};

/* rgb is the face's crop of ENGINE_CROP_PX squared pixels. */
void facequality_measure(const struct face *f, const struct picture_info *info,
			 const uint8_t *rgb, struct facequality *out);

/* The checks that a picture failed, as bits. */
enum {
	CHECK_OVERALL = 1,
	CHECK_SHARPNESS = 2,
	CHECK_EXPOSURE = 4,
	CHECK_YAW = 8,
	CHECK_ROLL = 16,
	CHECK_CUT_OFF = 32
};
#define CHECK_COUNT 6

/* What of q is not good enough to enrol; never CHECK_OVERALL. */
unsigned facequality_failed(const struct facequality *q,
			    const struct config *cfg);
/* The name of the lowest bit of checks, which is a member of the quality
 * object; NULL for none. */
const char *facequality_word(unsigned checks);

/* One sentence for the person before the camera; NULL when there is nothing to
 * do better. checks matter for ST_LOW_QUALITY alone. */
const char *facequality_hint(enum status st, unsigned checks);

#endif
