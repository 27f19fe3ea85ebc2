/* A view of 8-bit pixels: RGB, or, where that would be too large, YCbCr with
 * colours at half the resolution. Owns nothing. */
#ifndef FACEGATE_IMAGE_H
#define FACEGATE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_CHANNELS 3

/* Luma has a byte a pixel; each sample of Cb and Cr belongs to a cell of 2x2
 * pixels. An odd side that is turned around begins in the middle of a cell. */
struct image_planes {
	uint8_t *luma, *colour[2]; /* colour rows: (width_px + 1) / 2 bytes */
	uint8_t shift[2];	   /* x, y: 1 where the first cell is a half */
	/* Of the upsampled colour of the pixel at [y][x] of a cell. */
	uint8_t rounding[2][2];
};

struct image {
	uint8_t *rgb; /* row 0 first, R G B interleaved; NULL: planes */
	uint32_t width_px, height_px;
	size_t stride_bytes; /* of rgb, >= width_px * 3 */
	struct image_planes planes;
};

/* Pixels [x, x + n) of row y as RGB, n <= IMAGE_SPAN_MAX: in the picture itself
 * or made in buf, n * 3 bytes. All must be inside the picture. */
#define IMAGE_SPAN_MAX 352
const uint8_t *image_row_of_planes(const struct image *img, uint32_t x,
				   uint32_t y, uint32_t n, uint8_t *buf);

static inline const uint8_t *image_row(const struct image *img, uint32_t x,
				       uint32_t y, uint32_t n, uint8_t *buf)
{
	if (img->rgb == NULL)
		return image_row_of_planes(img, x, y, n, buf);
	return img->rgb + (size_t)y * img->stride_bytes +
	       (size_t)x * IMAGE_CHANNELS;
}

/* Bytes of the planes of a picture. */
uint64_t image_planes_bytes(uint32_t width_px, uint32_t height_px);

#endif
