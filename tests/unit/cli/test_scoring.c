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
static struct face_template templates[6];
static struct errata errata;
static struct evaluation ev;
static struct score_histogram h;
static struct errinfo err;
static json_t *out;

/* Each person has an axis of their own. */
static void point_at(int i, int axis)
{
	memset(&templates[i], 0, sizeof(templates[i]));
	templates[i].v[axis] = 100;
	templates[i].scale = 0.01f;
	m[i].found = true;
}

static void setup(void)
{
	static const int axes[6] = { 0, 0, 1, 2, 2, 3 };

	err_clear(&err);
	clitest_setup();
	clitest_list(LIST, &list);
	for (int i = 0; i < 6; i++)
		point_at(i, axes[i]);
	memset(&errata, 0, sizeof(errata));
	ev = (struct evaluation){ clitest_engine(), &list,   m,
				  templates,	    &errata, 2 };
	out = json_object();
}

static void teardown(void)
{
	json_decref(out);
	engine_close((struct engine *)(uintptr_t)ev.engine);
	errata_free(&errata);
	pairs_free(&list);
	clitest_teardown();
}

static double number(const char *path)
{
	return clitest_number(out, path);
}

START_TEST(clear_pairs_score_100_percent)
{
	ck_assert_int_eq(evaluate_pairs(&ev, out, &err), ST_OK);
	ck_assert_double_eq_tol(number("accuracy"), 100.0, 1e-9);
	ck_assert_double_eq_tol(number("accuracy_std"), 0.0, 1e-9);
	ck_assert_double_eq_tol(number("threshold"), 0.5, 1e-3);
	ck_assert_double_eq_tol(number("tar_at_far/1e-2"), 100.0, 1e-9);
	ck_assert_double_eq_tol(number("tar_at_far/1e-3"), 100.0, 1e-9);
}
END_TEST

START_TEST(missing_face_fails_its_genuine_pair_and_passes_its_other)
{
	m[3].found = false; /* C 1: in one pair of each kind */
	ck_assert_int_eq(evaluate_pairs(&ev, out, &err), ST_OK);
	ck_assert_double_eq_tol(number("tar_at_far/1e-3"), 50.0, 1e-9);
}
END_TEST

START_TEST(every_two_pictures_are_compared_once)
{
	ck_assert_int_eq(evaluate_all(&ev, &h, out, &err), ST_OK);
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
	clitest_write("A 1\nC 1 2\nX Y\n");
	ck_assert_int_eq(errata_read(clitest_path, &list, &errata, &err),
			 ST_OK);
	ck_assert_int_eq(evaluate_all(&ev, &h, out, &err), ST_OK);
	ck_assert_double_eq(number("genuine_comparisons"), 0);
	ck_assert_double_eq(number("impostor_comparisons"), 9);
	ck_assert_double_eq(number("errata/comparisons"), 6);
	ck_assert_double_eq(number("errata/used"), 2);
	ck_assert_double_eq(number("errata/unused"), 1);
}
END_TEST

START_TEST(histogram_is_that_of_the_plain_definition)
{
	static struct score_histogram plain;
	struct clitest_set s;
	uint64_t left_out = 0;
	bool *skip;
	size_t n;

	clitest_set_open(&s, 700, 2); /* more than a call's worth of scores */
	clitest_set_errata(&s, "p003 1\np100 p200\np300 1 2\np301 1 p500 2\n");
	s.m[7].found = s.m[1399].found = false;
	n = s.list.picture_count;
	skip = calloc(n, sizeof(*skip));
	memset(&plain, 0, sizeof(plain));
	for (size_t i = 0; i < n; i++) {
		memset(skip, 0, n);
		errata_mark(&s.errata, i, skip);
		for (size_t j = i + 1; j < n; j++) {
			left_out += skip[j];
			if (!skip[j])
				metrics_count(&plain,
					      evaluate_score(&s.ev, i, j),
					      i / 2 == j / 2);
		}
	}
	ck_assert_int_eq(evaluate_all(&s.ev, &h, out, &err), ST_OK);
	ck_assert_mem_eq(&h, &plain, sizeof(h));
	ck_assert_uint_eq(left_out, n - 1 + 4 + 1 + 1);
	ck_assert_double_eq(number("errata/comparisons"), (double)left_out);
	free(skip);
	clitest_set_close(&s);
}
END_TEST

START_TEST(each_person_counts_once_by_person)
{
	struct clitest_set s;
	uint32_t seed = 8;

	/* Person 0 has three pictures of three faces, person 1 one without a
	 * face, person 2 one that is left out, and person 3 no comparison. */
	clitest_set_open(&s, 100, 3);
	s.t[1] = clitest_template(&seed);
	s.t[2] = clitest_template(&seed);
	s.m[5].found = false;
	clitest_set_errata(&s, "p002 1\np003 1 2\np003 1 3\np003 2 3\n");
	ck_assert_int_eq(evaluate_all(&s.ev, &h, out, &err), ST_OK);
	/* 300 comparisons, less two of p002 1 and three of p003. */
	ck_assert_double_eq(number("genuine_comparisons"), 295);
	ck_assert_double_eq_tol(number("fnmr_at_fmr/1e-3"), 100.0 * 5 / 295,
				1e-3);
	/* All of person 0, two of three of person 1; p003 has none left. */
	ck_assert_double_eq(number("genuine_people"), 99);
	ck_assert_double_eq_tol(number("fnmr_by_person/1e-3"),
				100.0 * (1 + 2.0 / 3) / 99, 1e-3);
	ck_assert(json_is_null(json_object_get(
		json_object_get(out, "fnmr_by_person"), "1e-6")));
	clitest_set_close(&s);
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
				    ALIGN_SIDE_PX, &crop[0][0][0], &err),
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
	tcase_add_test(t, histogram_is_that_of_the_plain_definition);
	tcase_add_test(t, each_person_counts_once_by_person);
	suite_add_tcase(s, t);
	t = tcase_create("faces");
	tcase_add_test(t, central_face_is_the_one_nearest_the_middle);
	tcase_add_test(t, margin_crop_is_the_square_around_the_box);
	suite_add_tcase(s, t);
	return s;
}
