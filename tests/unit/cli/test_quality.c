/* Measures of quality, and the curves of errors against pictures left out. */
#include "runner.h"

#include <string.h>

#include "clitest.h"
#include "quality.h"

Suite *suite_quality(void);

static struct clitest_set s;
static struct score_histogram h;
static struct errinfo err;
static json_t *out;

static void setup(void)
{
	err_clear(&err);
	clitest_setup();
	out = json_object();
}

static void teardown(void)
{
	json_decref(out);
	clitest_set_close(&s);
	clitest_teardown();
}

static void run(void)
{
	ck_assert_int_eq(evaluate_all(&s.ev, &h, out, &err), ST_OK);
	ck_assert_int_eq(quality_report(&s.ev, &h, out, &err), ST_OK);
}

static double fnmr(const char *path)
{
	return clitest_number(json_object_get(out, "error_vs_reject"), path);
}

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-3)

static double frontal(float lx, float ly, float rx, float ry, float nx,
		      float ny)
{
	const float landmarks[5][2] = { { lx, ly }, { rx, ry }, { nx, ny } };

	return quality_frontalness(landmarks);
}

START_TEST(frontalness_is_where_the_nose_is_between_the_eyes)
{
	NEAR(frontal(0, 0, 40, 0, 20, 30), 1);
	NEAR(frontal(0, 0, 40, 0, 10, 30), 1.0 / 3);
	NEAR(frontal(0, 0, 40, 0, 30, 5), 1.0 / 3);
	NEAR(frontal(0, 0, 40, 0, 0, 30), 0);
	NEAR(frontal(0, 0, 40, 0, -5, 30), 0);
	NEAR(frontal(0, 0, 40, 0, 41, 30), 0);
	NEAR(frontal(7, 7, 7, 7, 7, 7), 0);
	/* Rolled by 90 degrees, twice as large and moved. */
	NEAR(frontal(100, 10, 100, 90, 40, 30), 1.0 / 3);
}
END_TEST

/* 200 persons with two pictures each. The last two persons' second pictures
 * look like nobody; with length 1 they are the shortest of all but two others.
 */
static void open_set(void)
{
	uint32_t seed = 77;

	clitest_set_open(&s, 200, 2);
	for (size_t i = 0; i < 400; i++) {
		s.t[i].length = 2.0f + (float)i / 1000.0f;
		s.m[i].face.inter_eye_px = 50;
		s.m[i].face.confidence = i < 4 ? 0.7f : 0.9f;
	}
	for (size_t i = 397; i < 400; i += 2) {
		s.t[i] = clitest_template(&seed);
		s.t[i].length = 1.0f;
	}
}

START_TEST(misses_of_the_worst_pictures_go_when_they_are_left_out)
{
	open_set();
	run();
	NEAR(fnmr("length/1e-3/0"), 1.0);
	NEAR(fnmr("length/1e-4/0"), 1.0);
	/* 1 % are the two bad ones and pictures 0 and 1. */
	NEAR(fnmr("length/1e-3/1"), 0.0);
	NEAR(fnmr("length/1e-4/20"), 0.0);
	/* Pictures 0 to 3, two whole persons, go by confidence. */
	NEAR(fnmr("confidence/1e-3/1"), 100.0 * 2 / 198);
	/* Equal ones go in the order of the list. */
	NEAR(fnmr("inter_eye_px/1e-4/10"), 100.0 * 2 / 180);
}
END_TEST

START_TEST(pictures_without_a_face_are_the_worst_by_every_measure)
{
	open_set();
	s.m[397].found = s.m[399].found = false;
	run();
	NEAR(fnmr("frontalness/1e-3/0"), 1.0);
	NEAR(fnmr("frontalness/1e-3/1"), 0.0);
	NEAR(fnmr("inter_eye_px/1e-3/1"), 0.0);
}
END_TEST

START_TEST(errata_are_no_misses)
{
	open_set();
	clitest_set_errata(&s, "p198 2\np199 1 2\n");
	run();
	NEAR(fnmr("length/1e-4/0"), 0.0);
}
END_TEST

START_TEST(table_holds_the_lengths_that_a_share_lies_below)
{
	open_set();
	s.m[0].found = false;
	for (size_t i = 0; i < 400; i++)
		s.t[i].length = (float)i;
	run();
	/* 399 lengths from 1 to 399. */
	NEAR(clitest_number(out, "quality_table/0.001"), 1);
	NEAR(clitest_number(out, "quality_table/0.01"), 4);
	NEAR(clitest_number(out, "quality_table/0.5"), 200);
	NEAR(clitest_number(out, "quality_table/0.99"), 396);
}
END_TEST

START_TEST(rate_finer_than_one_comparison_is_null)
{
	clitest_set_open(&s, 20, 2);
	run();
	ck_assert(json_is_null(json_object_get(
		json_object_get(
			json_object_get(json_object_get(out, "error_vs_reject"),
					"length"),
			"1e-4"),
		"0")));
}
END_TEST

Suite *suite_quality(void)
{
	Suite *suite = suite_create("quality");
	TCase *t = tcase_create("frontalness");

	tcase_add_test(t, frontalness_is_where_the_nose_is_between_the_eyes);
	suite_add_tcase(suite, t);
	t = tcase_create("curves");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
		       misses_of_the_worst_pictures_go_when_they_are_left_out);
	tcase_add_test(t,
		       pictures_without_a_face_are_the_worst_by_every_measure);
	tcase_add_test(t, errata_are_no_misses);
	tcase_add_test(t, table_holds_the_lengths_that_a_share_lies_below);
	tcase_add_test(t, rate_finer_than_one_comparison_is_null);
	suite_add_tcase(suite, t);
	return suite;
}
