/* A decoded row into the working picture: RGB, and upright. */
#ifndef FACEGATE_PIXELS_H
#define FACEGATE_PIXELS_H

#include <stdint.h>

#include "image/orient.h"

enum pixels_kind {
	PIXELS_RGB,
	PIXELS_INK,   /* CMYK: 0 is none, 255 is full ink */
	PIXELS_LIGHT, /* the same inverted, as Adobe stores it */
};

/* Stores row y of a picture, width_px pixels long. */
void pixels_store(const struct orient_layout *to, uint32_t y,
		  const uint8_t *row, uint32_t width_px, enum pixels_kind kind);

#endif
