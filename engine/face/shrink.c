#include "face/shrink.h"

#include <string.h>

static long max_long(long a, long b)
{
	return a > b ? a : b;
}

static long min_long(long a, long b)
{
	return a < b ? a : b;
}

/* First and one-past-last of the inputs that output i of n covers. */
static void cover(uint32_t i, uint32_t in, uint32_t n, long *first, long *end)
{
	*first = (long)((uint64_t)i * in / n);
	*end = (long)(((uint64_t)(i + 1) * in + n - 1) / n);
}

/* round(256 * sum / count) - 32640; the float product is exact enough that its
 * half-even rounding is the same on every processor. */
static int16_t pixel_rule(uint32_t sum, float unit)
{
	float y = (float)sum * unit;

	y = (y + 12582912.0f) - 12582912.0f;
	return (int16_t)((int)y - 32640);
}

/* (sum / count - 127.5) / 128 in binary32, each step rounded once. */
static float pixel_float(uint32_t sum, float count)
{
	return ((float)sum / count - 127.5f) * 0.0078125f;
}

void shrink_rows(const struct image *img, const struct window *win,
		 uint32_t out_width, uint32_t out_height, uint32_t row0,
		 uint32_t rows, const struct k_table *k, uint32_t *sums,
		 enum fgm_type type, void *out)
{
	/* Columns of the picture that the window really has. */
	long left = max_long(win->x, 0);
	long right = min_long(win->x + (long)win->width, (long)img->width_px);
	int16_t *narrow = out;
	float *floats = out;
	size_t columns = right > left ? (size_t)(right - left) : 0;

	for (uint32_t r = row0; r < row0 + rows; r++) {
		long y0, y1, x0, x1;

		cover(r, win->height, out_height, &y0, &y1);
		memset(sums, 0, columns * IMAGE_CHANNELS * sizeof(*sums));
		for (long y = max_long(win->y + y0, 0);
		     y < min_long(win->y + y1, (long)img->height_px) && columns;
		     y++)
			k->add_row_u8(sums,
				      img->rgb + (size_t)y * img->stride_bytes +
					      (size_t)left * IMAGE_CHANNELS,
				      columns * IMAGE_CHANNELS);
		for (uint32_t c = 0; c < out_width; c++) {
			uint32_t s[IMAGE_CHANNELS] = { 0, 0, 0 };
			float unit, count;

			cover(c, win->width, out_width, &x0, &x1);
			count = (float)((x1 - x0) * (y1 - y0));
			unit = 256.0f / count;
			for (long x = max_long(win->x + x0, left);
			     x < min_long(win->x + x1, right); x++) {
				const uint32_t *p = sums +
						    (size_t)(x - left) *
							    IMAGE_CHANNELS;

				s[0] += p[0];
				s[1] += p[1];
				s[2] += p[2];
			}
			for (int ch = 0; ch < IMAGE_CHANNELS; ch++)
				if (type == FGM_F32)
					*floats++ = pixel_float(s[ch], count);
				else
					*narrow++ = pixel_rule(s[ch], unit);
		}
	}
}
