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

/* The inputs that output i of n covers: from floor(i * in / n) to
 * ceil((i + 1) * in / n). Walks from one output to the next without dividing.
 */
struct cover {
	uint32_t n;
	uint32_t whole, part; /* in / n and in % n */
	uint32_t at, rest;    /* i * in / n and i * in % n */
	long first, end;
};

static void cover_next(struct cover *c)
{
	c->first = (long)c->at;
	c->at += c->whole;
	c->rest += c->part;
	if (c->rest >= c->n) {
		c->rest -= c->n;
		c->at++;
	}
	c->end = (long)c->at + (c->rest > 0);
}

static struct cover cover_from(uint32_t i, uint32_t in, uint32_t n)
{
	uint64_t at = (uint64_t)i * in;
	struct cover c = { .n = n,
			   .whole = in / n,
			   .part = in % n,
			   .at = (uint32_t)(at / n),
			   .rest = (uint32_t)(at % n) };

	cover_next(&c);
	return c;
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

/* Picture columns that are summed at a time. */
#define PIECE (SHRINK_SUMS / IMAGE_CHANNELS)
_Static_assert(PIECE <= IMAGE_SPAN_MAX,
	       "a row of a piece is asked for at once");

/* Sums picture rows [top, bottom) into s->sums, for each of the columns [left,
 * right), which are PIECE at most. */
static void sum_columns(const struct shrink *s, long top, long bottom,
			long left, long right)
{
	uint32_t n = (uint32_t)(right - left);
	uint8_t row[PIECE * IMAGE_CHANNELS];
	/* Rows of planes are made one by one. */
	long at_once = s->img->rgb != NULL ? max_long(bottom - top, 1) : 1;

	memset(s->sums, 0, n * IMAGE_CHANNELS * sizeof(*s->sums));
	for (long i = top; i < bottom; i += at_once)
		s->k->add_rows_u8(
			s->sums,
			image_row(s->img, (uint32_t)left, (uint32_t)i, n, row),
			s->img->stride_bytes, (size_t)at_once,
			n * IMAGE_CHANNELS);
}

void shrink_row(void *shrink, uint32_t y, void *out)
{
	const struct shrink *s = shrink;
	const struct window *win = &s->win;
	struct cover c = cover_from(s->col0 + s->cols - 1, win->width,
				    s->width);
	const struct cover r = cover_from(y, win->height, s->height);
	const long width = (long)s->img->width_px;
	const long top = max_long(win->y + r.first, 0);
	const long bottom = min_long(win->y + r.end, (long)s->img->height_px);
	/* Columns of the picture that these outputs really cover, and those
	 * whose sums are there: [left, summed). */
	const long right = top < bottom ? min_long(win->x + c.end, width) : 0;
	long left = 0, summed = 0;
	int16_t *narrow = out;
	float *floats = out;

	c = cover_from(s->col0, win->width, s->width);
	for (uint32_t x = 0; x < s->cols; x++, cover_next(&c)) {
		uint32_t sum[IMAGE_CHANNELS] = { 0, 0, 0 };
		float count = (float)((c.end - c.first) * (r.end - r.first));
		float unit = 256.0f / count;
		const long end = min_long(win->x + c.end, right);

		for (long i = max_long(win->x + c.first, 0); i < end;) {
			const uint32_t *p;
			long stop;

			/* The next output begins at this one's last column at
			 * the earliest. */
			if (i >= summed) {
				left = i;
				summed = min_long(left + PIECE, right);
				sum_columns(s, top, bottom, left, summed);
			}
			p = s->sums + (size_t)(i - left) * IMAGE_CHANNELS;
			stop = min_long(end, summed);
			for (; i < stop; i++, p += IMAGE_CHANNELS) {
				sum[0] += p[0];
				sum[1] += p[1];
				sum[2] += p[2];
			}
		}
		for (int ch = 0; ch < IMAGE_CHANNELS; ch++)
			if (s->type == FGM_F32)
				*floats++ = pixel_float(sum[ch], count);
			else
				*narrow++ = pixel_rule(sum[ch], unit);
	}
}
