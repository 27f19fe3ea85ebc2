#include "facequality.h"

#include <math.h>
#include <stddef.h>

/* The part of the crop that is face on everybody. */
#define LEFT   20
#define RIGHT  92
#define TOP    24
#define BOTTOM 104

/* Variance of the Laplacian over variance: what a picture of a face has when
 * it is hopelessly blurred, and when it could hardly be sharper. Seen on
 * pictures of LFW, as they are and blurred. */
#define BLURRED 0.005
#define SHARP	0.3

/* Mean luminance at which nothing, and at which everything is right. */
#define DARK_NONE   20.0
#define DARK_FULL   70.0
#define BRIGHT_FULL 190.0
#define BRIGHT_NONE 245.0

/* How far the tip of the nose stands out, in distances of the eyes. */
#define NOSE_DEPTH 0.55

/* A face's half width and height, in distances of the eyes from the middle of
 * the landmarks, and how much of it must be in the picture. The detector's box
 * will not do: it ends where the picture does. */
#define HALF_WIDTH  0.95f
#define HALF_HEIGHT 1.25f
#define INSIDE_MIN  0.9f

static double luminance(const uint8_t *rgb, int x, int y)
{
	const uint8_t *p = rgb + 3 * (y * ENGINE_CROP_PX + x);

	return (77.0 * p[0] + 150.0 * p[1] + 29.0 * p[2]) / 256.0;
}

struct moments {
	double sum, squares;
	size_t n;
};

static void add(struct moments *m, double v)
{
	m->sum += v;
	m->squares += v * v;
	m->n++;
}

static double variance(const struct moments *m)
{
	double mean = m->sum / (double)m->n;

	return m->squares / (double)m->n - mean * mean;
}

static float clamp(double v)
{
	return (float)(v < 0 ? 0 : v > 100 ? 100 : v);
}

static void measure_light(const uint8_t *rgb, struct facequality *out)
{
	struct moments level = { 0 }, edge = { 0 };
	size_t clipped = 0;
	double mean, ratio, low, high, light;

	for (int y = TOP; y < BOTTOM; y++)
		for (int x = LEFT; x < RIGHT; x++) {
			double v = luminance(rgb, x, y);

			add(&level, v);
			add(&edge, 4 * v - luminance(rgb, x - 1, y) -
					   luminance(rgb, x + 1, y) -
					   luminance(rgb, x, y - 1) -
					   luminance(rgb, x, y + 1));
			clipped += v <= 8 || v >= 247;
		}
	mean = level.sum / (double)level.n;
	ratio = variance(&edge) / fmax(variance(&level), 1.0);
	out->sharpness = clamp(100 * log(fmax(ratio, 1e-9) / BLURRED) /
			       log(SHARP / BLURRED));
	low = (mean - DARK_NONE) / (DARK_FULL - DARK_NONE);
	high = (BRIGHT_NONE - mean) / (BRIGHT_NONE - BRIGHT_FULL);
	light = fmin(1.0, fmin(low, high));
	out->exposure = clamp(100 *
			      (light - (double)clipped / (double)level.n));
}

static void measure_pose(const struct face *f, struct facequality *out)
{
	double dx = (double)(f->landmarks[1][0] - f->landmarks[0][0]);
	double dy = (double)(f->landmarks[1][1] - f->landmarks[0][1]);
	double mx = (double)(f->landmarks[1][0] + f->landmarks[0][0]) / 2;
	double my = (double)(f->landmarks[1][1] + f->landmarks[0][1]) / 2;
	double nx = (double)f->landmarks[2][0] - mx;
	double ny = (double)f->landmarks[2][1] - my;
	double eyes = fmax(dx * dx + dy * dy, 1e-6);
	const float degrees = 180 / 3.14159265358979323846f;

	out->roll_deg = atan2f((float)dy, (float)dx) * degrees;
	/* The nose's way along the line of the eyes, which turning shortens
	 * just as the distance of the eyes. */
	out->yaw_deg = atanf((float)((nx * dx + ny * dy) / eyes / NOSE_DEPTH)) *
		       degrees;
}

/* The share of middle +- half that is within 0 .. limit. */
static float inside(float middle, float half, uint32_t limit)
{
	float from = fmaxf(middle - half, 0);
	float to = fminf(middle + half, (float)limit);

	return to > from ? (to - from) / (2 * half) : 0;
}

static bool is_cut_off(const struct face *f, const struct picture_info *info)
{
	float x = 0, y = 0, eyes = 0, mouth = 0, size;

	for (int i = 0; i < 5; i++) {
		x += f->landmarks[i][0] / 5;
		y += f->landmarks[i][1] / 5;
	}
	for (int i = 0; i < 2; i++) {
		eyes += f->landmarks[i][1] / 2;
		mouth += f->landmarks[3 + i][1] / 2;
	}
	/* A head that is turned has its eyes close together, not its mouth. */
	size = fmaxf(fmaxf(f->inter_eye_px, 0.9f * fabsf(mouth - eyes)), 1.0f);
	return inside(x, HALF_WIDTH * size, info->width_px) *
		       inside(y, HALF_HEIGHT * size, info->height_px) <
	       INSIDE_MIN;
}

void facequality_measure(const struct face *f, const struct picture_info *info,
			 const uint8_t *rgb, struct facequality *out)
{
	measure_light(rgb, out);
	measure_pose(f, out);
	out->cut_off = is_cut_off(f, info);
}

unsigned facequality_failed(const struct facequality *q,
			    const struct config *cfg)
{
	unsigned failed = 0;

	if (q->cut_off)
		failed |= CHECK_CUT_OFF;
	if (q->sharpness < (float)cfg->enrol_sharpness_min)
		failed |= CHECK_SHARPNESS;
	if (q->exposure < (float)cfg->enrol_exposure_min)
		failed |= CHECK_EXPOSURE;
	if (fabsf(q->yaw_deg) > (float)cfg->enrol_yaw_max)
		failed |= CHECK_YAW;
	if (fabsf(q->roll_deg) > (float)cfg->enrol_roll_max)
		failed |= CHECK_ROLL;
	return failed;
}

static const struct {
	const char *word, *hint;
} checks_known[CHECK_COUNT] = {
	{ "overall", "Look at the camera, hold still, and let light in." },
	{ "sharpness", "Hold still, and wipe the camera." },
	{ "exposure", "Find even light: not from behind, not too dark." },
	{ "yaw_deg", "Turn your face to the camera." },
	{ "roll_deg", "Hold your head upright." },
	{ "cut_off", "Move until your whole face is in the picture." },
};

static int lowest(unsigned checks)
{
	return checks != 0 ? __builtin_ctz(checks) : 0;
}

const char *facequality_word(unsigned checks)
{
	return checks != 0 ? checks_known[lowest(checks)].word : NULL;
}

const char *facequality_hint(enum status st, unsigned checks)
{
	switch (st) {
	case ST_NO_FACE:
		return "Look at the camera with your whole face.";
	case ST_SEVERAL_FACES:
		return "One person at a time, please.";
	case ST_FACE_TOO_SMALL:
		return "Come closer.";
	case ST_LOW_QUALITY:
		/* The overall figure says least about what to do. */
		if ((checks & ~(unsigned)CHECK_OVERALL) != 0)
			checks &= ~(unsigned)CHECK_OVERALL;
		return checks_known[lowest(checks)].hint;
	default:
		return NULL;
	}
}
