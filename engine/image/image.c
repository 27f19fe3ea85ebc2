/* Pixels of a picture that is held in planes. Upsampling and colours are
 * libjpeg's to the bit (its "fancy" upsampling: three parts of the own cell,
 * one of the next, each way; ITU-R BT.601 in 16 bits of fraction), so a picture
 * whose file has such planes gives the same pixels as when libjpeg makes RGB of
 * it at once. No state. */
#include "image/image.h"

#include <assert.h>

uint64_t image_planes_bytes(uint32_t width_px, uint32_t height_px)
{
	uint64_t cells = ((uint64_t)width_px + 1) / 2 *
			 (((uint64_t)height_px + 1) / 2);

	return (uint64_t)width_px * height_px + 2 * cells;
}

/* Cells that a span can touch, and one more at each end. */
#define CELLS_MAX (IMAGE_SPAN_MAX / 2 + 3)

static uint32_t limit(long v, uint32_t count)
{
	return v < 0 ? 0 : v >= (long)count ? count - 1 : (uint32_t)v;
}

/* Upsamples cells [first, first + n) of one colour in pixel row y: two numbers
 * a cell. */
static void upsample(const struct image *img, const uint8_t *plane,
		     uint32_t first, uint32_t n, uint32_t y, uint8_t *out)
{
	const struct image_planes *p = &img->planes;
	const uint32_t across = (img->width_px + 1) / 2;
	const uint32_t down = (img->height_px + 1) / 2;
	const uint32_t row = (y + p->shift[1]) / 2, low = (y + p->shift[1]) & 1;
	const uint8_t *near = plane + (size_t)row * across;
	const uint8_t *far = plane +
			     (size_t)limit((long)row + (low ? 1 : -1), down) *
				     across;
	const unsigned left = p->rounding[low][0], right = p->rounding[low][1];
	/* sums[c + 1] is cell first + c; beyond the edges they repeat. */
	uint16_t sums[CELLS_MAX];
	uint32_t before = first > 0 ? first - 1 : 0;
	uint32_t after = limit((long)first + (long)n, across);

	sums[0] = (uint16_t)(3 * near[before] + far[before]);
	for (uint32_t c = 0; c < n; c++)
		sums[c + 1] = (uint16_t)(3 * near[first + c] + far[first + c]);
	sums[n + 1] = (uint16_t)(3 * near[after] + far[after]);
	for (uint32_t c = 0; c < n; c++) {
		uint16_t own = (uint16_t)(3 * sums[c + 1]);

		out[2 * c] = (uint8_t)((uint16_t)(own + sums[c] + left) >> 4);
		out[2 * c + 1] =
			(uint8_t)((uint16_t)(own + sums[c + 2] + right) >> 4);
	}
}

static uint8_t clamp(int16_t v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

const uint8_t *image_row_of_planes(const struct image *img, uint32_t x,
				   uint32_t y, uint32_t n, uint8_t *buf)
{
	const uint8_t *luma = img->planes.luma + (size_t)y * img->width_px + x;
	uint8_t colour[2][2 * CELLS_MAX];
	uint8_t red[IMAGE_SPAN_MAX], green[IMAGE_SPAN_MAX],
		blue[IMAGE_SPAN_MAX];
	const uint32_t skip = (x + img->planes.shift[0]) & 1;
	const uint32_t first = (x + img->planes.shift[0]) / 2;
	const uint32_t cells = (skip + n + 1) / 2;
	const uint8_t *cb = colour[0] + skip, *cr = colour[1] + skip;

	assert(n <= IMAGE_SPAN_MAX);
	for (int i = 0; i < 2; i++)
		upsample(img, img->planes.colour[i], first, cells, y,
			 colour[i]);
	/* 1.40200 r, -0.34414 b - 0.71414 r, 1.77200 b; whole parts are taken
	 * out, so that each product is one of 16 bits with 16. */
	for (uint32_t i = 0; i < n; i++) {
		int16_t b = (int16_t)(cb[i] - 128), r = (int16_t)(cr[i] - 128);
		int16_t red_part = (int16_t)((26345 * r + 32768) >> 16);
		int16_t green_part =
			(int16_t)((18734 * r - 22554 * b + 32768) >> 16);
		int16_t blue_part = (int16_t)((-14942 * b + 32768) >> 16);

		red[i] = clamp((int16_t)(luma[i] + r + red_part));
		green[i] = clamp((int16_t)(luma[i] - r + green_part));
		blue[i] = clamp((int16_t)(luma[i] + 2 * b + blue_part));
	}
	for (uint32_t i = 0; i < n; i++) {
		buf[3 * i] = red[i];
		buf[3 * i + 1] = green[i];
		buf[3 * i + 2] = blue[i];
	}
	return buf;
}
