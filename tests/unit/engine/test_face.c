/* Suppression, resampling, alignment, template arithmetic: the parts of the
 * face path that can be checked against a few lines of their own. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "face/align.h"
#include "face/embed.h"
#include "face/nms.h"
#include "gallery.h"
#include "golden.h"
#include "face/shrink.h"
#include "model/model.h"

static uint32_t state = 12345;

static uint32_t rnd(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

START_TEST(suppression_keeps_the_best_of_a_cluster_in_order)
{
	struct candidate c[5] = {
		{ .x1 = 0, .y1 = 0, .x2 = 10, .y2 = 10, .score = 0.7f },
		{ .x1 = 1, .y1 = 0, .x2 = 11, .y2 = 10, .score = 0.9f },
		{ .x1 = 50, .y1 = 50, .x2 = 60, .y2 = 60, .score = 0.8f },
		{ .x1 = 0, .y1 = 1, .x2 = 10, .y2 = 11, .score = 0.9f },
		{ .x1 = 100, .y1 = 0, .x2 = 110, .y2 = 10, .score = 0.6f },
	};
	uint16_t order[5];

	ck_assert_uint_eq(nms_run(c, 5, 0.5f, NMS_UNION, order), 3);
	ck_assert_float_eq(c[0].x1, 1);
	ck_assert_float_eq(c[1].x1, 50);
	ck_assert_float_eq(c[2].x1, 100);
	ck_assert_uint_eq(nms_run(c, 0, 0.5f, NMS_UNION, order), 0);
}
END_TEST

START_TEST(a_small_box_inside_a_large_one_falls_to_the_minimum_measure_only)
{
	struct candidate c[2] = {
		{ .x1 = 0, .y1 = 0, .x2 = 100, .y2 = 100, .score = 0.9f },
		{ .x1 = 40, .y1 = 40, .x2 = 60, .y2 = 60, .score = 0.8f },
	};
	struct candidate d[2];
	uint16_t order[2];

	memcpy(d, c, sizeof(c));
	ck_assert_uint_eq(nms_run(c, 2, 0.7f, NMS_UNION, order), 2);
	ck_assert_uint_eq(nms_run(d, 2, 0.7f, NMS_MINIMUM, order), 1);
}
END_TEST

/* By score, and by place where scores are equal. */
static int comes_first(const struct candidate *a, const struct candidate *b)
{
	if (a->score > b->score || a->score < b->score)
		return a->score > b->score;
	if (a->y1 < b->y1 || a->y1 > b->y1)
		return a->y1 < b->y1;
	if (a->x1 < b->x1 || a->x1 > b->x1)
		return a->x1 < b->x1;
	return a->x2 < b->x2;
}

START_TEST(suppression_of_many_equals_the_plain_definition)
{
	static struct candidate c[600], left[600], kept[600];
	static uint16_t order[600];
	size_t n = 600, count = 0, got;

	for (size_t i = 0; i < n; i++) {
		c[i].x1 = (float)(rnd() % 200);
		c[i].y1 = (float)(rnd() % 200);
		c[i].x2 = c[i].x1 + 5 + (float)(rnd() % 60);
		c[i].y2 = c[i].y1 + 5 + (float)(rnd() % 60);
		c[i].score = (float)(rnd() % 100) / 100.0f;
		c[i].shift[0] = (float)i;
	}
	memcpy(left, c, sizeof(c));
	for (;;) {
		size_t best = n;

		for (size_t i = 0; i < n; i++)
			if (left[i].score >= 0 &&
			    (best == n || comes_first(&left[i], &left[best])))
				best = i;
		if (best == n)
			break;
		kept[count++] = left[best];
		for (size_t i = 0; i < n; i++) {
			struct candidate *a = &left[best], *b = &left[i];
			float w = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
			float h = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
			float in = fmaxf(w, 0) * fmaxf(h, 0);
			float all = (a->x2 - a->x1) * (a->y2 - a->y1) +
				    (b->x2 - b->x1) * (b->y2 - b->y1) - in;

			if (i != best && in / all > 0.5f)
				b->score = -1;
		}
		left[best].score = -1;
	}
	got = nms_run(c, n, 0.5f, NMS_UNION, order);
	ck_assert_uint_eq(got, count);
	for (size_t i = 0; i < got; i++)
		ck_assert_float_eq(c[i].shift[0], kept[i].shift[0]);
}
END_TEST

/* Wider than the columns that are summed at a time. */
#define WIDTH  900
#define HEIGHT 64
static uint8_t pixels[HEIGHT * WIDTH * 3];
static struct image picture = { .rgb = pixels,
				.width_px = WIDTH,
				.height_px = HEIGHT,
				.stride_bytes = WIDTH * 3 };

/* The definition, pixel by pixel, in double. */
static double average(const struct window *w, uint32_t ow, uint32_t oh,
		      uint32_t x, uint32_t y, int ch)
{
	uint32_t x0 = x * w->width / ow, y0 = y * w->height / oh;
	uint32_t x1 = ((x + 1) * w->width + ow - 1) / ow;
	uint32_t y1 = ((y + 1) * w->height + oh - 1) / oh;
	double sum = 0;

	for (uint32_t j = y0; j < y1; j++)
		for (uint32_t i = x0; i < x1; i++) {
			long px = w->x + (long)i, py = w->y + (long)j;

			if (px >= 0 && py >= 0 && px < WIDTH && py < HEIGHT)
				sum += pixels[(py * WIDTH + px) * 3 + ch];
		}
	return sum / ((x1 - x0) * (y1 - y0));
}

/* The whole of a window. */
static void shrink(const struct window *w, uint32_t width, uint32_t height,
		   enum fgm_type type, void *out)
{
	static uint32_t sums[SHRINK_SUMS];
	struct shrink s = { &picture, *w,   width,	    height, 0,
			    width,    type, k_select(NULL), sums };

	for (uint32_t y = 0; y < height; y++)
		shrink_row(&s, y,
			   (uint8_t *)out + (size_t)y * width * 3 *
						    fgm_type_bytes(type));
}

START_TEST(resampling_is_the_plain_average_with_black_outside)
{
	static int16_t out[80 * 80 * 3];
	static float floats[80 * 80 * 3];

	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)rnd();
	for (int k = 0; k < 200; k++) {
		struct window w = { (long)(rnd() % (WIDTH + 60)) - 60,
				    (long)(rnd() % 120) - 60,
				    1 + rnd() % (k % 2 ? 100 : 2 * WIDTH),
				    1 + rnd() % 100 };
		uint32_t ow = 1 + rnd() % 80, oh = 1 + rnd() % 80;

		shrink(&w, ow, oh, FGM_S16, out);
		for (uint32_t y = 0; y < oh; y += 7)
			for (uint32_t x = 0; x < ow; x += 5)
				for (int c = 0; c < 3; c++)
					ck_assert_double_eq_tol(
						out[(y * ow + x) * 3 +
						    (uint32_t)c],
						256 * average(&w, ow, oh, x, y,
							      c) -
							32640,
						0.51);
		shrink(&w, ow, oh, FGM_F32, floats);
		for (uint32_t i = 0; i < ow * oh * 3; i += 11)
			ck_assert_float_eq_tol(
				floats[i],
				(float)((average(&w, ow, oh, i / 3 % ow,
						 i / 3 / ow, (int)(i % 3)) -
					 127.5) /
					128),
				1e-6f);
	}
}
END_TEST

START_TEST(strips_of_columns_equal_the_whole)
{
	static int16_t whole[30 * 40 * 3], part[30 * 40 * 3];
	static uint32_t sums[SHRINK_SUMS];
	const struct window w = { -5, 3, WIDTH, 64 };

	shrink(&w, 40, 30, FGM_S16, whole);
	for (uint32_t x = 0; x < 40; x += 7) {
		struct shrink s = { &picture, w,
				    40,	      30,
				    x,	      x + 7 > 40 ? 40 - x : 7,
				    FGM_S16,  k_select(NULL),
				    sums };
		int16_t row[7 * 3];

		for (uint32_t y = 0; y < 30; y++) {
			shrink_row(&s, y, row);
			memcpy(part + (y * 40 + x) * 3, row,
			       s.cols * 3 * sizeof(*row));
		}
	}
	ck_assert_mem_eq(whole, part, sizeof(whole));
}
END_TEST

/* A picture whose colours are its coordinates shows where each crop pixel was
 * taken from. */
START_TEST(alignment_undoes_rotation_scale_and_shift)
{
	static uint8_t big[200 * 200 * 3], rgb[112 * 112 * 3];
	struct image img = { .rgb = big,
			     .width_px = 200,
			     .height_px = 200,
			     .stride_bytes = 600 };
	static const float places[5][2] = { { 38.29f, 51.70f },
					    { 73.53f, 51.50f },
					    { 56.03f, 71.74f },
					    { 41.55f, 92.37f },
					    { 70.73f, 92.20f } };
	const float a = 1.1f, b = 0.35f, tx = 20, ty = 55;
	float marks[5][2];

	for (int y = 0; y < 200; y++)
		for (int x = 0; x < 200; x++) {
			big[(y * 200 + x) * 3] = (uint8_t)x;
			big[(y * 200 + x) * 3 + 1] = (uint8_t)y;
			big[(y * 200 + x) * 3 + 2] = 7;
		}
	for (int i = 0; i < 5; i++) {
		marks[i][0] = a * places[i][0] + b * places[i][1] + tx;
		marks[i][1] = -b * places[i][0] + a * places[i][1] + ty;
	}
	ck_assert_uint_eq(align_face(&img, marks, ALIGN_SIDE_PX, rgb, NULL),
			  ST_OK);
	for (int y = 0; y < 112; y += 9)
		for (int x = 0; x < 112; x += 9) {
			float ix = a * (float)x + b * (float)y + tx;
			float iy = -b * (float)x + a * (float)y + ty;
			const uint8_t *p = rgb + (y * 112 + x) * 3;

			if (ix < 1 || iy < 1 || ix > 198 || iy > 198)
				continue;
			ck_assert_float_eq_tol(p[0], ix, 0.6f);
			ck_assert_float_eq_tol(p[1], iy, 0.6f);
			ck_assert_uint_eq(p[2], 7);
		}
}
END_TEST

START_TEST(points_that_form_no_face_are_refused)
{
	static uint8_t rgb[112 * 112 * 3];
	float same[5][2], nan[5][2];

	for (int i = 0; i < 5; i++) {
		same[i][0] = same[i][1] = 30;
		nan[i][0] = nan[i][1] = NAN;
	}
	ck_assert_uint_eq(align_face(&picture, same, ALIGN_SIDE_PX, rgb, NULL),
			  ST_NO_FACE);
	ck_assert_uint_eq(align_face(&picture, nan, ALIGN_SIDE_PX, rgb, NULL),
			  ST_NO_FACE);
}
END_TEST

START_TEST(a_face_outside_the_picture_is_black)
{
	static uint8_t rgb[112 * 112 * 3];
	float marks[5][2] = { { 5038, 5051 },
			      { 5073, 5051 },
			      { 5056, 5071 },
			      { 5041, 5092 },
			      { 5070, 5092 } };

	memset(rgb, 1, sizeof(rgb));
	ck_assert_uint_eq(align_face(&picture, marks, ALIGN_SIDE_PX, rgb, NULL),
			  ST_OK);
	for (size_t i = 0; i < sizeof(rgb); i++)
		ck_assert_uint_eq(rgb[i], 0);
}
END_TEST

START_TEST(a_quantised_template_keeps_direction_and_length)
{
	float v[TEMPLATE_DIM], dot = 0, norm = 0;
	struct face_template t;

	for (int i = 0; i < TEMPLATE_DIM; i++)
		v[i] = (float)(rnd() % 2001) / 100.0f - 10.0f;
	ck_assert_int_eq(embed_quantise(v, &t), 1);
	for (int i = 0; i < TEMPLATE_DIM; i++) {
		dot += v[i] * (float)t.v[i];
		norm += v[i] * v[i];
	}
	ck_assert_float_eq_tol(dot * t.scale / sqrtf(norm), 1.0f, 1e-4f);
	ck_assert_float_eq_tol(t.length, sqrtf(norm), 1e-3f);
	ck_assert_float_eq_tol(template_cosine(&t, &t), 1.0f, 1e-5f);
}
END_TEST

START_TEST(an_embedding_without_direction_is_refused)
{
	float v[TEMPLATE_DIM] = { 0 };
	struct face_template t;

	ck_assert_int_eq(embed_quantise(v, &t), 0);
	v[3] = NAN;
	ck_assert_int_eq(embed_quantise(v, &t), 0);
	v[3] = INFINITY;
	ck_assert_int_eq(embed_quantise(v, &t), 0);
}
END_TEST

/* Every crop and its mirror image are the same pair, so they enrol as one
 * template: the net runs on both, and sums do not depend on their order. */
START_TEST(a_crop_and_its_mirror_image_enrol_as_the_same_template)
{
	struct golden_embedder all[EMBEDDERS_MAX];
	size_t n = golden_embedders(all);
	static uint8_t rgb[112 * 112 * 3], turned[112 * 112 * 3];
	struct golden g;

	/* A face: noise is the same to the net when it is turned. */
	golden_read(&g, "embed-accurate.bin");
	ck_assert_uint_eq(g.tensor[0].bytes, sizeof(rgb));
	for (size_t i = 0; i < sizeof(rgb); i++)
		rgb[i] = (uint8_t)(g.tensor[0].data[i] ^ 0x80);
	golden_free(&g);
	for (size_t y = 0; y < 112; y++)
		for (size_t x = 0; x < 112; x++)
			memcpy(turned + (y * 112 + 111 - x) * 3,
			       rgb + (y * 112 + x) * 3, 3);
	for (size_t i = 0; i < n; i++) {
		struct face_template a, b, plain, mirrored;
		struct embedder e;
		struct arena pool;
		struct model m;
		void *block = aligned_alloc(64, 4 << 20);

		arena_init(&pool, block, 4 << 20);
		ck_assert_uint_eq(
			model_open(&m, golden_path(all[i].path), NULL), ST_OK);
		ck_assert_uint_eq(embed_open(&e, &m, k_select(NULL), NULL),
				  ST_OK);
		ck_assert_uint_eq(
			embed_run(&e, &pool, rgb, false, &plain, NULL), ST_OK);
		ck_assert_uint_eq(
			embed_run(&e, &pool, turned, false, &mirrored, NULL),
			ST_OK);
		ck_assert_uint_eq(embed_run(&e, &pool, rgb, true, &a, NULL),
				  ST_OK);
		ck_assert_uint_eq(embed_run(&e, &pool, turned, true, &b, NULL),
				  ST_OK);
		ck_assert_mem_eq(a.v, b.v, sizeof(a.v));
		ck_assert_mem_ne(a.v, plain.v, sizeof(a.v));
		ck_assert_float_gt(template_cosine(&a, &plain),
				   template_cosine(&plain, &mirrored));
		ck_assert_float_eq(a.length, plain.length);
		ck_assert_float_eq(b.length, mirrored.length);
		model_close(&m);
		free(block);
	}
}
END_TEST

Suite *suite_face(void)
{
	Suite *s = suite_create("face");
	TCase *t = tcase_create("face");

	tcase_add_test(t, suppression_keeps_the_best_of_a_cluster_in_order);
	tcase_add_test(
		t,
		a_small_box_inside_a_large_one_falls_to_the_minimum_measure_only);
	tcase_add_test(t, suppression_of_many_equals_the_plain_definition);
	tcase_add_test(t, resampling_is_the_plain_average_with_black_outside);
	tcase_add_test(t, strips_of_columns_equal_the_whole);
	tcase_add_test(t, alignment_undoes_rotation_scale_and_shift);
	tcase_add_test(t, points_that_form_no_face_are_refused);
	tcase_add_test(t, a_face_outside_the_picture_is_black);
	tcase_add_test(t, a_quantised_template_keeps_direction_and_length);
	tcase_add_test(t, an_embedding_without_direction_is_refused);
	tcase_add_test(t,
		       a_crop_and_its_mirror_image_enrol_as_the_same_template);
	suite_add_tcase(s, t);
	return s;
}
