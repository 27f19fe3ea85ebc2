/* Where the pixels of a stored picture go in the upright one. */
#ifndef FACEGATE_ORIENT_H
#define FACEGATE_ORIENT_H

#include <stddef.h>
#include <stdint.h>

/* Stored pixel (x, y) lies at base + x * dx + y * dy, in bytes. */
struct orient_layout {
	uint8_t *base;
	ptrdiff_t dx, dy;
};

/* For pixels of `pixel` bytes in an upright picture of that size, the first at
 * p, rows of stride bytes; orientation is EXIF's, 1 .. 8, and anything else
 * counts as 1. */
struct orient_layout orient_layout(uint8_t *p, uint32_t width_px,
				   uint32_t height_px, size_t stride,
				   size_t pixel, unsigned orientation);

#endif
