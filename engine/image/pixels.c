/* The last step of decoding: colours to RGB, places to upright ones. No state.
 */
#include "image/pixels.h"

#include <string.h>

#include "image/image.h"

/* Ink on white: each colour is what its own ink and black let through. */
static void print(const uint8_t *cmyk, uint8_t flip, uint8_t *rgb)
{
	unsigned k = cmyk[3] ^ flip;

	for (int i = 0; i < IMAGE_CHANNELS; i++)
		rgb[i] = (uint8_t)(((cmyk[i] ^ flip) * k + 127) / 255);
}

void pixels_store(const struct orient_layout *to, uint32_t y,
		  const uint8_t *row, uint32_t width_px, enum pixels_kind kind)
{
	uint8_t *dst = to->base + (ptrdiff_t)y * to->dy;
	uint8_t flip = kind == PIXELS_INK ? 255 : 0;

	if (kind == PIXELS_RGB && to->dx == IMAGE_CHANNELS) {
		memcpy(dst, row, (size_t)width_px * IMAGE_CHANNELS);
		return;
	}
	for (uint32_t x = 0; x < width_px; x++, dst += to->dx) {
		if (kind == PIXELS_RGB)
			memcpy(dst, row + (size_t)3 * x, IMAGE_CHANNELS);
		else
			print(row + (size_t)4 * x, flip, dst);
	}
}
