/* The rotation of templates by a site's key: it keeps lengths and angles, says
 * nothing without the key, and is the same on every machine. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "templatekey.h"

Suite *suite_templatekey(void);

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe"

static enum status load(const char *text, mode_t mode, struct transform *out)
{
	char path[] = "/tmp/facegate-templatekey-XXXXXX";
	struct config cfg;
	int fd = mkstemp(path);
	enum status st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	cfg_defaults(&cfg);
	(void)snprintf(cfg.template_key_file, sizeof(cfg.template_key_file),
		       "%s", path);
	st = templatekey_load(&cfg, out, NULL);
	unlink(path);
	return st;
}

static uint32_t state = 24745;

static void random_vector(float v[TEMPLATE_DIM])
{
	for (int i = 0; i < TEMPLATE_DIM; i++) {
		v[i] = 0;
		for (int k = 0; k < 12; k++) { /* nearly normal */
			state = state * 1664525u + 1013904223u;
			v[i] += (float)(state >> 8) / 16777216.0f - 0.5f;
		}
	}
}

static double dot(const float *a, const float *b)
{
	double sum = 0;

	for (int i = 0; i < TEMPLATE_DIM; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

static double cosine(const float *a, const float *b)
{
	return dot(a, b) / sqrt(dot(a, a) * dot(b, b));
}

START_TEST(every_round_is_a_permutation_with_signs)
{
	struct transform t;

	ck_assert_int_eq(load(KEY_A "\n", 0400, &t), ST_OK);
	for (int r = 0; r < TRANSFORM_ROUNDS; r++) {
		int seen[TEMPLATE_DIM] = { 0 }, minus = 0;

		for (int i = 0; i < TEMPLATE_DIM; i++) {
			ck_assert_uint_lt(t.from[r][i], TEMPLATE_DIM);
			ck_assert_int_eq(seen[t.from[r][i]]++, 0);
			ck_assert_uint_le(t.minus[r][i], 1);
			minus += t.minus[r][i];
		}
		ck_assert_int_gt(minus, 30);
		ck_assert_int_lt(minus, 98);
	}
}
END_TEST

START_TEST(lengths_and_angles_stay)
{
	struct transform t;

	ck_assert_int_eq(load(KEY_A, 0400, &t), ST_OK);
	for (int n = 0; n < 200; n++) {
		float a[TEMPLATE_DIM], b[TEMPLATE_DIM];
		double length, angle;

		random_vector(a);
		random_vector(b);
		for (int i = 0; i < TEMPLATE_DIM; i++)
			b[i] += a[i] * (float)(n % 4);
		length = dot(a, a);
		angle = cosine(a, b);
		transform_rotate(&t, a);
		transform_rotate(&t, b);
		ck_assert_double_eq_tol(dot(a, a) / length, 1, 1e-5);
		ck_assert_double_eq_tol(cosine(a, b), angle, 1e-5);
	}
}
END_TEST

/* Keys that differ in one bit; also for vectors that are anything but random.
 */
START_TEST(same_face_under_two_keys_is_like_two_strangers)
{
	struct transform keys[2];
	double sum = 0, most = 0;
	const int count = 2 * TEMPLATE_DIM;

	ck_assert_int_eq(load(KEY_A, 0400, &keys[0]), ST_OK);
	ck_assert_int_eq(load(KEY_B, 0400, &keys[1]), ST_OK);
	ck_assert_str_ne(keys[0].id, keys[1].id);
	for (int n = 0; n < count; n++) {
		float v[TEMPLATE_DIM] = { 0 }, w[2][TEMPLATE_DIM];
		double c;

		if (n < TEMPLATE_DIM)
			v[n] = 1;
		else
			random_vector(v);
		for (int k = 0; k < 2; k++) {
			memcpy(w[k], v, sizeof(v));
			transform_rotate(&keys[k], w[k]);
			/* and unlike what it was made of */
			ck_assert_double_lt(fabs(cosine(w[k], v)), 0.5);
		}
		c = cosine(w[0], w[1]);
		sum += c;
		most = fabs(c) > most ? fabs(c) : most;
	}
	ck_assert_double_lt(fabs(sum / count), 0.03);
	ck_assert_double_lt(most, 0.5); /* 5.6 deviations of 1/sqrt(128) */
}
END_TEST

/* Reckoned by a second implementation; every number on the way is exact. */
START_TEST(one_key_is_one_rotation_everywhere)
{
	float v[TEMPLATE_DIM] = { 1.0f, 0.5f };
	struct transform t;

	ck_assert_int_eq(load(KEY_A, 0400, &t), ST_OK);
	ck_assert_str_eq(t.id, "fb1c16ee");
	transform_rotate(&t, v);
	ck_assert_float_eq(v[0], -0.061767578125f);
	ck_assert_float_eq(v[127], 0.002685546875f);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
	struct transform t;

	ck_assert_int_eq(load("", 0400, &t), ST_BAD_CONFIG);
	ck_assert_int_eq(load("0011223344556677889900112233445\n", 0400, &t),
			 ST_BAD_CONFIG);
	ck_assert_int_eq(load(KEY_A, 0404, &t), ST_BAD_CONFIG);
	ck_assert_int_eq(load(KEY_A, 0600, &t), ST_OK);
}
END_TEST

START_TEST(rotation_can_be_undone_by_its_key_alone)
{
	struct face_template t = { .length = 5 }, turned, back;
	struct transform a, b;
	float v[TEMPLATE_DIM], w[TEMPLATE_DIM];
	int sum = 0;

	ck_assert_int_eq(load(KEY_A "\n", 0400, &a), ST_OK);
	ck_assert_int_eq(load(KEY_B "\n", 0400, &b), ST_OK);
	random_vector(v);
	memcpy(w, v, sizeof(w));
	transform_rotate(&a, w);
	transform_undo(&a, w);
	for (int i = 0; i < TEMPLATE_DIM; i++)
		ck_assert(fabsf(v[i] - w[i]) < 1e-4f);
	transform_rotate(&a, w);
	transform_undo(&b, w);
	ck_assert(fabs(cosine(v, w)) < 0.4);
	for (int i = 0; i < TEMPLATE_DIM; i++) {
		t.v[i] = (int8_t)lrintf(v[i] * 30);
		sum += t.v[i] * t.v[i];
	}
	t.scale = 1 / sqrtf((float)sum);
	turned = t;
	transform_template(&a, false, &turned);
	back = turned;
	transform_template(&a, true, &back);
	sum = 0;
	for (int i = 0; i < TEMPLATE_DIM; i++)
		sum += t.v[i] * back.v[i];
	ck_assert((float)sum * t.scale * back.scale > 0.999f);
	ck_assert(back.length == t.length && turned.length == t.length);
}
END_TEST

Suite *suite_templatekey(void)
{
	Suite *s = suite_create("templatekey");
	TCase *tc = tcase_create("templatekey");

	tcase_add_test(tc, every_round_is_a_permutation_with_signs);
	tcase_add_test(tc, lengths_and_angles_stay);
	tcase_add_test(tc, same_face_under_two_keys_is_like_two_strangers);
	tcase_add_test(tc, one_key_is_one_rotation_everywhere);
	tcase_add_test(tc, rotation_can_be_undone_by_its_key_alone);
	tcase_add_test(tc, what_is_no_key_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
