/* A view of 8-bit RGB pixels. Owns nothing. */
#ifndef FACEGATE_IMAGE_H
#define FACEGATE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_CHANNELS 3

struct image {
	uint8_t *rgb; /* row 0 first, R G B interleaved */
	uint32_t width_px, height_px;
	size_t stride_bytes; /* >= width_px * 3 */
};

#endif
