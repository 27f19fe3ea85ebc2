#include "face/align.h"

#include <math.h>
#include <stdbool.h>

#define SAMPLES_MAX   4 /* per side of a crop pixel */
#define FRACTION_BITS 8
#define FRACTION_ONE  (1 << FRACTION_BITS)

const float align_places[5][2] = {
	{ 38.29f, 51.70f }, { 73.53f, 51.50f }, { 56.03f, 71.74f },
	{ 41.55f, 92.37f }, { 70.73f, 92.20f },
};

/* x_img = a * x + b * y + tx;  y_img = -b * x + a * y + ty */
struct similarity {
	float a, b, tx, ty;
};

/* Least squares: with both point sets centred, p the landmarks and q their
 * places, the best q = [c -s; s c] p has
 *   c = sum(px qx + py qy) / sum|p|^2,  s = sum(px qy - py qx) / sum|p|^2
 * (Umeyama 1991 without reflection). Returned is its inverse, crop to image. */
static bool fit(const float p[5][2], struct similarity *inv)
{
	float pc[2] = { 0, 0 }, qc[2] = { 0, 0 };
	float c = 0, s = 0, spread = 0, norm;

	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 2; j++) {
			if (!isfinite(p[i][j]) || fabsf(p[i][j]) > 1e6f)
				return false;
			pc[j] += p[i][j] / 5.0f;
			qc[j] += align_places[i][j] / 5.0f;
		}
	for (int i = 0; i < 5; i++) {
		float px = p[i][0] - pc[0], py = p[i][1] - pc[1];
		float qx = align_places[i][0] - qc[0],
		      qy = align_places[i][1] - qc[1];

		c += px * qx + py * qy;
		s += px * qy - py * qx;
		spread += px * px + py * py;
	}
	/* Points in one place, or so mirrored that no rotation fits them. */
	if (!(spread > 1e-3f))
		return false;
	c /= spread;
	s /= spread;
	norm = c * c + s * s;
	if (!(norm > 1e-6f))
		return false;
	inv->a = c / norm;
	inv->b = s / norm;
	inv->tx = pc[0] - (inv->a * qc[0] + inv->b * qc[1]);
	inv->ty = pc[1] - (-inv->b * qc[0] + inv->a * qc[1]);
	return true;
}

static int floor_int(float v)
{
	int i = (int)v;

	return (float)i > v ? i - 1 : i;
}

/* Adds the bilinear sample at (x, y) to sum, in units of 1 / 2^16. */
static void sample(const struct image *img, float x, float y, uint32_t sum[3])
{
	int x0 = floor_int(x), y0 = floor_int(y);
	int fx = (int)((x - (float)x0) * FRACTION_ONE + 0.5f);
	int fy = (int)((y - (float)y0) * FRACTION_ONE + 0.5f);
	const int wx[2] = { FRACTION_ONE - fx, fx };
	const int wy[2] = { FRACTION_ONE - fy, fy };
	/* Which of the two columns are in the picture. */
	int left = x0 < 0 ? -x0 : 0, right = (int)img->width_px - x0;

	right = right < 2 ? right : 2;
	for (int j = 0; j < 2 && left < right; j++) {
		uint8_t buf[2 * IMAGE_CHANNELS];
		int yy = y0 + j;
		const uint8_t *px;

		if (yy < 0 || yy >= (int)img->height_px)
			continue;
		px = image_row(img, (uint32_t)(x0 + left), (uint32_t)yy,
			       (uint32_t)(right - left), buf);
		for (int i = left; i < right; i++, px += IMAGE_CHANNELS) {
			uint32_t w = (uint32_t)(wx[i] * wy[j]);

			for (int ch = 0; ch < IMAGE_CHANNELS; ch++)
				sum[ch] += w * px[ch];
		}
	}
}

enum status align_face(const struct image *img, const float landmarks[5][2],
		       unsigned side_px, uint8_t *rgb, struct errinfo *err)
{
	/* Crop pixels a frame pixel, and where the crop begins. For 112 pixels
	 * they change no bit. */
	unsigned times = side_px / ALIGN_SIDE_PX;
	float zoom = 1.0f / (float)times, shift = 0.5f * zoom - 0.5f;
	float border = (float)(side_px - times * ALIGN_SIDE_PX) / 2.0f;
	struct similarity t;
	float step;
	int n;

	if (!fit(landmarks, &t))
		return err_set(err, ST_NO_FACE,
			       "the landmarks do not form a face");
	/* Picture pixels a pixel. */
	step = sqrtf(t.a * t.a + t.b * t.b) * zoom;
	n = step < 1.5f ? 1 : step < 2.5f ? 2 : step < 3.5f ? 3 : SAMPLES_MAX;
	for (unsigned y = 0; y < side_px; y++) {
		for (unsigned x = 0; x < side_px; x++) {
			uint32_t sum[3] = { 0, 0, 0 };
			uint32_t unit = (uint32_t)(n * n)
					<< (2 * FRACTION_BITS);

			for (int k = 0; k < n * n; k++) {
				int column = k % n, row = k / n;
				float fx = (float)x +
					   ((float)column + 0.5f) / (float)n -
					   0.5f;
				float fy = (float)y +
					   ((float)row + 0.5f) / (float)n -
					   0.5f;
				float sx = (fx - border) * zoom + shift;
				float sy = (fy - border) * zoom + shift;
				float ix = t.a * sx + t.b * sy + t.tx;
				float iy = -t.b * sx + t.a * sy + t.ty;

				/* Far outside is black, and would not fit an
				 * int. */
				if (fabsf(ix) < 1e6f && fabsf(iy) < 1e6f)
					sample(img, ix, iy, sum);
			}
			/* 16 * 2^16 * 255 is below 2^32. */
			for (int ch = 0; ch < IMAGE_CHANNELS; ch++)
				*rgb++ = (uint8_t)((sum[ch] + unit / 2) / unit);
		}
	}
	return ST_OK;
}
