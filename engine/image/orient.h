/* Where the pixels of a stored picture go in the upright one. */
#ifndef FACEGATE_ORIENT_H
#define FACEGATE_ORIENT_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* Stored pixel (x, y) lies at base + x * dx + y * dy, in bytes. */
struct orient_layout {
	uint8_t *base;
	ptrdiff_t dx, dy;
};

/* img is the upright picture; orientation is EXIF's, 1 .. 8, and anything else
 * counts as 1. */
struct orient_layout orient_layout(const struct image *img,
				   unsigned orientation);

#endif
