/* The engine as a whole: photographs in, faces and templates out; limits. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "golden.h"

static char models[2][1024];
static struct engine *e;

static uint64_t fake_clock(void)
{
	static uint64_t now;

	return now += 7;
}

static struct engine_options options(void)
{
	struct engine_options o = {
		.pool_bytes = 2u << 20,
		.workers = 1,
		.gallery_max = 10,
		.jpeg = { 8192, 50000000, 64, false },
		.min_face_px = 20,
		.now_us = fake_clock,
	};

	snprintf(models[0], sizeof(models[0]), "%s",
		 golden_path("models/mtcnn.fgm"));
	snprintf(models[1], sizeof(models[1]), "%s",
		 golden_path("models/embedder-accurate.fgm"));
	o.detector_path = models[0];
	o.embedder_path = models[1];
	return o;
}

static void open_engine(void)
{
	struct engine_options o = options();
	struct errinfo err;

	err_clear(&err);
	ck_assert_msg(engine_open(&o, &e, &err) == ST_OK, "%s", err.text);
}

static void close_engine(void)
{
	engine_close(e);
	e = NULL;
}

struct memory {
	uint8_t *p;
	size_t n, at, step;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = m->n - m->at;

	n = n < cap ? n : cap;
	n = n < m->step ? n : m->step;
	memcpy(buf, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

/* A picture below the source folder. */
static enum status load_path(const char *path, struct picture_info *info)
{
	struct memory m = { .step = SIZE_MAX };
	struct byte_source src = { read_memory, &m };
	enum status st;

	m.p = golden_file(golden_path(path), &m.n);
	engine_begin(e, 0);
	st = engine_decode(e, 0, &src, info, NULL);
	free(m.p);
	return st;
}

static enum status load(const char *name, struct picture_info *info)
{
	char path[256];

	snprintf(path, sizeof(path), "tests/data/faces/%s", name);
	return load_path(path, info);
}

static struct face_template embed(const char *name)
{
	struct face faces[8];
	struct picture_info info;
	struct face_template t;
	size_t n;

	ck_assert_uint_eq(load(name, &info), ST_OK);
	ck_assert_uint_eq(engine_detect(e, 0, faces, 8, &n, NULL), ST_OK);
	ck_assert_uint_ge(n, 1);
	ck_assert_uint_eq(engine_embed(e, 0, &faces[0], &t, NULL), ST_OK);
	return t;
}

START_TEST(faces_are_where_the_float_reference_finds_them)
{
	FILE *f = fopen(golden_path("tests/golden/detections.txt"), "r");
	char line[1024], name[128], path[256];
	unsigned checked = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		float v[15], best = 0;
		struct face faces[8];
		struct picture_info info;
		const struct face *match = NULL;
		int at = 0, step;
		size_t n;

		if (line[0] == '#')
			continue;
		ck_assert_int_eq(sscanf(line, "%127s%n", name, &at), 1);
		for (int i = 0; i < 15; i++, at += step)
			ck_assert_int_eq(
				sscanf(line + at, "%f%n", &v[i], &step), 1);
		snprintf(path, sizeof(path), "tests/golden/%s", name);
		ck_assert_uint_eq(load_path(path, &info), ST_OK);
		ck_assert_uint_eq(info.work_width_px, info.width_px);
		ck_assert_uint_eq(engine_detect(e, 0, faces, 8, &n, NULL),
				  ST_OK);
		for (size_t i = 0; i < n; i++) {
			const float *b = faces[i].box;
			float w = fminf(v[2], b[0] + b[2]) - fmaxf(v[0], b[0]);
			float h = fminf(v[3], b[1] + b[3]) - fmaxf(v[1], b[1]);
			float in = fmaxf(w, 0) * fmaxf(h, 0);
			float iou = in / ((v[2] - v[0]) * (v[3] - v[1]) +
					  b[2] * b[3] - in);

			if (iou > best) {
				best = iou;
				match = &faces[i];
			}
		}
		ck_assert_msg(best >= 0.95f, "%s: overlap %.3f", name,
			      (double)best);
		for (int i = 0; i < 10; i++)
			ck_assert_float_eq_tol(match->landmarks[i / 2][i % 2],
					       v[5 + i], 0.01f * (v[2] - v[0]));
		checked++;
	}
	fclose(f);
	ck_assert_uint_ge(checked, 6);
}
END_TEST

START_TEST(one_person_is_close_and_another_is_far)
{
	struct face_template a = embed("obama.jpg"), b = embed("obama2.jpg");
	struct face_template c = embed("biden.jpg"), d = embed("biden2.jpg");
	float cut = engine_threshold(e, 1e-4);

	ck_assert_float_gt(template_cosine(&a, &b), cut);
	ck_assert_float_gt(template_cosine(&c, &d), cut);
	ck_assert_float_lt(template_cosine(&a, &c), cut);
	ck_assert_float_lt(template_cosine(&b, &d), cut);
}
END_TEST

START_TEST(one_picture_at_three_sizes_is_one_face)
{
	struct face_template a = embed("obama-720p.jpg");
	struct face_template b = embed("obama-240p.jpg");

	ck_assert_float_gt(template_cosine(&a, &b), 0.9f);
}
END_TEST

START_TEST(the_same_picture_gives_the_same_bits)
{
	struct face_template a = embed("obama.jpg"), b;

	embed("biden.jpg");
	b = embed("obama.jpg");
	ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

START_TEST(the_pool_is_never_outgrown_and_its_peak_is_told)
{
	struct engine_receipt r;

	embed("obama-720p.jpg");
	engine_receipt(e, 0, &r);
	ck_assert_uint_gt(r.pool_peak_bytes, 1u << 20);
	ck_assert_uint_le(r.pool_peak_bytes, 2u << 20);
	ck_assert_uint_gt(r.decode_us, 0);
	ck_assert_uint_gt(r.embed_us, 0);
}
END_TEST

START_TEST(a_pool_that_is_too_small_is_refused_with_the_bytes_needed)
{
	struct engine_options o = options();
	struct engine *small = NULL;
	struct errinfo err;
	size_t need = engine_info(e)->pool_needed_bytes;

	err_clear(&err);
	o.pool_bytes = need - 64;
	ck_assert_uint_eq(engine_open(&o, &small, &err), ST_POOL_TOO_SMALL);
	ck_assert_ptr_null(small);
	ck_assert_int_eq(err.found, (int64_t)need);
	o.pool_bytes = need;
	err_clear(&err);
	ck_assert_msg(engine_open(&o, &small, &err) == ST_OK, "%s", err.text);
	engine_close(small);
}
END_TEST

START_TEST(the_smallest_pool_still_verifies)
{
	struct engine_options o = options();
	struct engine *big = e;
	struct face_template a = embed("obama.jpg"), b;

	o.pool_bytes = engine_info(e)->pool_needed_bytes;
	ck_assert_uint_eq(engine_open(&o, &e, NULL), ST_OK);
	b = embed("obama2.jpg");
	engine_close(e);
	e = big;
	ck_assert_float_gt(template_cosine(&a, &b), engine_threshold(e, 1e-4));
}
END_TEST

/* Faces of a picture, looked for from min_face_px on. */
static size_t detect_from(unsigned min_face_px, const char *name,
			  struct picture_info *info, struct face faces[8])
{
	struct engine_options o = options();
	struct engine *other = e;
	size_t n;

	o.min_face_px = min_face_px;
	ck_assert_uint_eq(engine_open(&o, &e, NULL), ST_OK);
	ck_assert_uint_eq(load(name, info), ST_OK);
	ck_assert_uint_eq(engine_detect(e, 0, faces, 8, &n, NULL), ST_OK);
	engine_close(e);
	e = other;
	return n;
}

START_TEST(unless_told_otherwise_faces_are_a_tenth_of_the_short_side)
{
	static const char *const pictures[] = { "obama.jpg", "obama-240p.jpg" };

	for (int i = 0; i < 2; i++) {
		struct face by_picture[8], told[8];
		struct picture_info info;
		size_t n = detect_from(0, pictures[i], &info, by_picture);
		uint32_t side = info.work_width_px < info.work_height_px
					? info.work_width_px
					: info.work_height_px;

		ck_assert_uint_ge(n, 1);
		ck_assert_uint_eq(detect_from(side / 10 > 20 ? side / 10 : 20,
					      pictures[i], &info, told),
				  n);
		ck_assert_mem_eq(by_picture, told, n * sizeof(told[0]));
	}
}
END_TEST

START_TEST(one_mebibyte_is_enough_to_verify)
{
	struct engine_options o = options();
	struct engine *big = e;
	struct face_template a = embed("obama.jpg");
	static const char *const same[] = { "obama2.jpg", "obama-720p.jpg" };
	struct engine_receipt r;

	o.pool_bytes = 1u << 20;
	ck_assert_uint_eq(engine_open(&o, &e, NULL), ST_OK);
	for (int i = 0; i < 2; i++) {
		struct face_template b = embed(same[i]);

		engine_receipt(e, 0, &r);
		ck_assert_uint_le(r.pool_peak_bytes, o.pool_bytes);
		ck_assert_float_gt(template_cosine(&a, &b),
				   engine_threshold(e, 1e-4));
	}
	engine_close(e);
	e = big;
}
END_TEST

START_TEST(cosines_are_those_of_the_plain_definition)
{
	static struct face_template t[70];
	float scores[70];
	uint32_t seed = 21;

	for (size_t i = 0; i < 70; i++) {
		for (int k = 0; k < TEMPLATE_DIM; k++) {
			seed = seed * 1664525u + 1013904223u;
			t[i].v[k] = (int8_t)((int)(seed >> 24) % 255 - 127);
		}
		t[i].scale = 1.0f / (float)(600 + i);
	}
	engine_cosines(e, &t[3], t, 70, scores);
	for (size_t i = 0; i < 70; i++) {
		float plain = template_cosine(&t[3], &t[i]);

		ck_assert_mem_eq(&scores[i], &plain, sizeof(plain));
	}
}
END_TEST

START_TEST(wrong_models_are_refused)
{
	struct engine_options o = options();
	struct engine *none = NULL;

	o.detector_path = models[1];
	ck_assert_uint_eq(engine_open(&o, &none, NULL), ST_BAD_MODEL);
	o = options();
	o.embedder_path = models[0];
	ck_assert_uint_eq(engine_open(&o, &none, NULL), ST_BAD_MODEL);
	o.embedder_path = "/nonexistent";
	ck_assert_uint_eq(engine_open(&o, &none, NULL), ST_IO_ERROR);
	ck_assert_ptr_null(none);
}
END_TEST

START_TEST(thresholds_rise_as_rates_fall_and_invert)
{
	float last = -1;

	for (double fmr = 1e-2; fmr > 0.9e-6; fmr /= 1.7) {
		float cut = engine_threshold(e, fmr);

		ck_assert_float_ge(cut, last);
		last = cut;
		if (fmr > 1e-6)
			ck_assert_double_eq_tol(engine_fmr(e, cut) / fmr, 1.0,
						0.02);
	}
	/* Beyond the table's ends there is nothing measured to go by. */
	ck_assert_float_eq(engine_threshold(e, 1e-12),
			   engine_threshold(e, 1e-6));
}
END_TEST

START_TEST(quality_is_within_its_scale_and_falls_with_length)
{
	struct face_template sharp = embed("obama.jpg"), worse = sharp;

	ck_assert_float_gt(engine_quality(e, &sharp), 3.0f);
	ck_assert_float_le(engine_quality(e, &sharp), 100.0f);
	worse.length *= 0.8f;
	ck_assert_float_lt(engine_quality(e, &worse),
			   engine_quality(e, &sharp));
}
END_TEST

START_TEST(an_enrolment_lies_between_the_crop_and_its_mirror)
{
	struct face_template plain = embed("obama.jpg"), stored;
	uint8_t rgb[ENGINE_CROP_PX * ENGINE_CROP_PX * 3];
	struct face faces[8];
	struct picture_info info;
	size_t n;

	ck_assert_uint_eq(load("obama.jpg", &info), ST_OK);
	ck_assert_uint_eq(engine_detect(e, 0, faces, 8, &n, NULL), ST_OK);
	ck_assert_uint_eq(
		engine_align(e, 0, &faces[0], ENGINE_CROP_PX, rgb, NULL),
		ST_OK);
	ck_assert_uint_eq(engine_embed_enrolment(e, 0, rgb, &stored, NULL),
			  ST_OK);
	ck_assert_float_gt(template_cosine(&plain, &stored), 0.9f);
	ck_assert_float_lt(template_cosine(&plain, &stored), 0.9999f);
	/* Its quality is that of the picture, not of the sum. */
	ck_assert_float_eq(stored.length, plain.length);
}
END_TEST

START_TEST(asking_out_of_order_is_an_error_not_a_crash)
{
	uint8_t rgb[ENGINE_CROP_PX * ENGINE_CROP_PX * 3];
	struct face f = { .confidence = 1 };
	struct face_template t;
	size_t n;

	engine_begin(e, 0);
	ck_assert_uint_eq(engine_detect(e, 0, &f, 1, &n, NULL), ST_INTERNAL);
	ck_assert_uint_eq(engine_embed(e, 0, &f, &t, NULL), ST_INTERNAL);
	ck_assert_uint_eq(engine_align(e, 0, &f, ENGINE_CROP_PX, rgb, NULL),
			  ST_INTERNAL);
}
END_TEST

Suite *suite_engine(void)
{
	Suite *s = suite_create("engine");
	TCase *t = tcase_create("engine");

	tcase_add_checked_fixture(t, open_engine, close_engine);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, faces_are_where_the_float_reference_finds_them);
	tcase_add_test(t, one_person_is_close_and_another_is_far);
	tcase_add_test(t, one_picture_at_three_sizes_is_one_face);
	tcase_add_test(t, the_same_picture_gives_the_same_bits);
	tcase_add_test(t, the_pool_is_never_outgrown_and_its_peak_is_told);
	tcase_add_test(
		t, a_pool_that_is_too_small_is_refused_with_the_bytes_needed);
	tcase_add_test(t, the_smallest_pool_still_verifies);
	tcase_add_test(t, one_mebibyte_is_enough_to_verify);
	tcase_add_test(
		t, unless_told_otherwise_faces_are_a_tenth_of_the_short_side);
	tcase_add_test(t, cosines_are_those_of_the_plain_definition);
	tcase_add_test(t, wrong_models_are_refused);
	tcase_add_test(t, thresholds_rise_as_rates_fall_and_invert);
	tcase_add_test(t, quality_is_within_its_scale_and_falls_with_length);
	tcase_add_test(t, an_enrolment_lies_between_the_crop_and_its_mirror);
	tcase_add_test(t, asking_out_of_order_is_an_error_not_a_crash);
	suite_add_tcase(s, t);
	return s;
}
