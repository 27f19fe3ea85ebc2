/* The evaluator's scores on templates made by hand, and its choice of face
 * and crop. */
#include "runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "clitest.h"
#include "evaluate.h"
#include "face/align.h"

Suite *suite_scoring(void);

/* Pictures in order: A 1, A 2, B 1, C 1, C 2, D 1. */
#define LIST "2 1\nA 1 2\nA 1 B 1\nC 1 2\nC 1 D 1\n"

static struct pair_list list;
static struct measured m[6];
static struct errata none;
static struct errinfo err;
static json_t *out;

/* Each person has an axis of their own. */
static void point_at(struct measured *to, int axis)
{
	memset(to, 0, sizeof(*to));
	to->t.v[axis] = 100;
	to->t.scale = 0.01f;
	to->found = true;
}

static void setup(void)
{
	static const int axes[6] = { 0, 0, 1, 2, 2, 3 };

	err_clear(&err);
	clitest_setup();
	clitest_list(LIST, &list);
	for (int i = 0; i < 6; i++)
		point_at(&m[i], axes[i]);
	memset(&none, 0, sizeof(none));
	out = json_object();
}

static void teardown(void)
{
	json_decref(out);
	pairs_free(&list);
	clitest_teardown();
}

static double number(const char *key)
{
	const json_t *v = json_object_get(out, key);

	ck_assert_msg(json_is_number(v), "no number %s", key);
	return json_number_value(v);
}

static double member(const char *object, const char *key)
{
	const json_t *v = json_object_get(json_object_get(out, object), key);

	ck_assert_msg(json_is_number(v), "no number %s.%s", object, key);
	return json_number_value(v);
}

START_TEST(clear_pairs_score_100_percent)
{
	ck_assert_int_eq(evaluate_pairs(&list, m, out, &err), ST_OK);
	ck_assert_double_eq_tol(number("accuracy"), 100.0, 1e-9);
	ck_assert_double_eq_tol(number("accuracy_std"), 0.0, 1e-9);
	ck_assert_double_eq_tol(number("threshold"), 0.5, 1e-3);
	ck_assert_double_eq_tol(member("tar_at_far", "1e-2"), 100.0, 1e-9);
	ck_assert_double_eq_tol(member("tar_at_far", "1e-3"), 100.0, 1e-9);
}
END_TEST

START_TEST(missing_face_fails_its_genuine_pair_and_passes_its_other)
{
	m[3].found = false; /* C 1: in one pair of each kind */
	ck_assert_int_eq(evaluate_pairs(&list, m, out, &err), ST_OK);
	ck_assert_double_eq_tol(member("tar_at_far", "1e-3"), 50.0, 1e-9);
}
END_TEST

START_TEST(every_two_pictures_are_compared_once)
{
	ck_assert_int_eq(evaluate_all(&list, m, &none, out, &err), ST_OK);
	ck_assert_double_eq(number("genuine_comparisons"), 2);
	ck_assert_double_eq(number("impostor_comparisons"), 13);
	/* 13 comparisons say nothing of a rate of one in a hundred. */
	ck_assert(json_is_null(
		json_object_get(json_object_get(out, "fnmr_at_fmr"), "1e-2")));
	ck_assert(json_is_null(json_object_get(
		json_object_get(out, "threshold_at_fmr"), "1e-6")));
}
END_TEST

START_TEST(errata_leave_comparisons_out)
{
	struct errata errata;

	clitest_write("A 1\nC 1 2\nX Y\n");
	ck_assert_int_eq(errata_read(clitest_path, &list, &errata, &err),
			 ST_OK);
	ck_assert_int_eq(evaluate_all(&list, m, &errata, out, &err), ST_OK);
	ck_assert_double_eq(number("genuine_comparisons"), 0);
	ck_assert_double_eq(number("impostor_comparisons"), 9);
	ck_assert_double_eq(member("errata", "comparisons"), 6);
	ck_assert_double_eq(member("errata", "used"), 2);
	ck_assert_double_eq(member("errata", "unused"), 1);
	errata_free(&errata);
}
END_TEST

START_TEST(central_face_is_the_one_nearest_the_middle)
{
	static const struct picture_info info = { .width_px = 250,
						  .height_px = 200 };
	static const struct face faces[] = {
		{ .box = { 0, 0, 120, 160 } },
		{ .box = { 100, 10, 40, 180 } },
		{ .box = { 130, 100, 40, 40 } },
	};

	ck_assert_uint_eq(cli_central_face(faces, 3, &info), 1);
	ck_assert_uint_eq(cli_central_face(faces, 1, &info), 0);
}
END_TEST

/* A picture whose red is the column and whose green is the row. */
START_TEST(margin_crop_is_the_square_around_the_box)
{
	static uint8_t rgb[240][240][3], crop[ALIGN_SIDE_PX][ALIGN_SIDE_PX][3];
	const struct image img = { .rgb = &rgb[0][0][0],
				   .width_px = 240,
				   .height_px = 240,
				   .stride_bytes = sizeof(rgb[0]) };
	struct face f = { .box = { 90, 70, 50, 80 } };
	/* The longer side with 26 pixels added, around (115, 110). */
	const float side = 106, x0 = 62, y0 = 57;

	for (int y = 0; y < 240; y++)
		for (int x = 0; x < 240; x++) {
			rgb[y][x][0] = (uint8_t)x;
			rgb[y][x][1] = (uint8_t)y;
		}
	evaluate_margin_crop(&f);
	ck_assert_int_eq(align_face(&img, (const float(*)[2])f.landmarks,
				    &crop[0][0][0], &err),
			 ST_OK);
	for (int y = 0; y < ALIGN_SIDE_PX; y++)
		for (int x = 0; x < ALIGN_SIDE_PX; x++) {
			float scale = side / ALIGN_SIDE_PX;
			float wx = x0 + ((float)x + 0.5f) * scale - 0.5f;
			float wy = y0 + ((float)y + 0.5f) * scale - 0.5f;

			ck_assert_float_eq_tol((float)crop[y][x][0], wx, 0.6f);
			ck_assert_float_eq_tol((float)crop[y][x][1], wy, 0.6f);
		}
}
END_TEST

Suite *suite_scoring(void)
{
	Suite *s = suite_create("scoring");
	TCase *t = tcase_create("scoring");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, clear_pairs_score_100_percent);
	tcase_add_test(
		t, missing_face_fails_its_genuine_pair_and_passes_its_other);
	tcase_add_test(t, every_two_pictures_are_compared_once);
	tcase_add_test(t, errata_leave_comparisons_out);
	suite_add_tcase(s, t);
	t = tcase_create("faces");
	tcase_add_test(t, central_face_is_the_one_nearest_the_middle);
	tcase_add_test(t, margin_crop_is_the_square_around_the_box);
	suite_add_tcase(s, t);
	return s;
}
