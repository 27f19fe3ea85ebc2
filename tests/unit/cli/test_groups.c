/* Files of attributes, and the error rates of groups. */
#include "runner.h"

#include <stdio.h>
#include <string.h>

#include "clitest.h"
#include "groups.h"

Suite *suite_groups(void);

#define HEAD                                                                   \
	"# LFW attributes\n"                                                   \
	"#\tperson\timagenum\tMale\tAsian\tWhite\tBlack\tBaby\tChild\tYouth\t" \
	"Middle Aged\tSenior\tEyeglasses\n"

static struct clitest_set s;
static struct groups groups;
static struct score_histogram h;
static struct errinfo err;
static json_t *out;

static void setup(void)
{
	err_clear(&err);
	clitest_setup();
	clitest_set_open(&s, 200, 2);
	out = json_object();
}

static void teardown(void)
{
	json_decref(out);
	groups_free(&groups);
	clitest_set_close(&s);
	clitest_teardown();
}

static void read_text(const char *text)
{
	clitest_write(text);
	ck_assert_msg(groups_read(clitest_path, &s.list, &groups, &err) ==
			      ST_OK,
		      "%s", err.text);
}

static void run(void)
{
	ck_assert_int_eq(evaluate_all(&s.ev, &h, out, &err), ST_OK);
	ck_assert_int_eq(groups_report(&s.ev, &groups, &h, out, &err), ST_OK);
}

static double group(const char *path)
{
	return clitest_number(json_object_get(out, "groups"), path);
}

START_TEST(picture_belongs_to_the_groups_of_its_largest_attributes)
{
	/* male, white, senior, no glasses; then female, asian, youth,
	 * glasses. p1 3 and nobody are not in the list. */
	read_text(HEAD "p000\t1\t0.5\t-3\t-1\t-2\t9\t-4\t-3\t-2\t-1\t-0.1\n"
		       "p001\t2\t-.5\t2e0\t-1\t-2\t0\t0\t3\t2\t1\t1\r\n"
		       "\n"
		       "p001\t3\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\n"
		       "No Body\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\n");
	ck_assert_uint_eq(groups.known, 2);
	run();
	ck_assert_double_eq(clitest_number(out, "pictures_with_attributes"), 2);
	ck_assert_double_eq(group("male/pictures"), 1);
	ck_assert_double_eq(group("not_male/pictures"), 1);
	ck_assert_double_eq(group("white/pictures"), 1);
	ck_assert_double_eq(group("black/pictures"), 0);
	ck_assert_double_eq(group("asian/pictures"), 1);
	ck_assert_double_eq(group("child/pictures"), 0);
	ck_assert_double_eq(group("youth/pictures"), 1);
	ck_assert_double_eq(group("middle_aged/pictures"), 0);
	ck_assert_double_eq(group("senior/pictures"), 1);
	ck_assert_double_eq(group("eyeglasses/pictures"), 1);
	ck_assert_double_eq(group("no_eyeglasses/pictures"), 1);
	ck_assert(json_is_null(json_object_get(
		json_object_get(json_object_get(out, "groups"), "male"),
		"fnmr")));
}
END_TEST

START_TEST(spaces_of_a_name_stand_for_underscores)
{
	memcpy(s.list.pictures[0].name, "a_b_c", 6);
	read_text(HEAD "a b c\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n");
	ck_assert_uint_eq(groups.known, 1);
	ck_assert_uint_ne(groups.of[0], 0);
}
END_TEST

START_TEST(unknown_attributes_make_no_group)
{
	read_text("# person\timagenum\tEyeglasses\tBlack\tAsian\n"
		  "p000\t1\t-\t-\t-3\n"
		  "p001\t1\t-1\t-\t-\n"
		  "p001\t2\t1\t0.5\t-\n");
	ck_assert_uint_eq(groups.known, 3);
	run();
	ck_assert_double_eq(group("male/pictures"), 0);
	ck_assert_double_eq(group("not_male/pictures"), 0);
	ck_assert_double_eq(group("white/pictures"), 0);
	ck_assert_double_eq(group("black/pictures"), 1);
	ck_assert_double_eq(group("asian/pictures"), 1);
	ck_assert_double_eq(group("child/pictures"), 0);
	ck_assert_double_eq(group("eyeglasses/pictures"), 1);
	ck_assert_double_eq(group("no_eyeglasses/pictures"), 1);
}
END_TEST

START_TEST(rates_are_counted_within_the_group)
{
	static char text[8192] = HEAD;
	size_t at = strlen(text);

	/* Men are persons 0 to 9, and two of them look alike; one man's and
	 * one woman's second picture look like nobody. */
	for (unsigned i = 0; i < 40; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at,
			"p%03u\t%u\t%d\t1\t0\t0\t1\t1\t0\t0\t0\t-1\n", i / 2,
			i % 2 + 1, i < 20 ? 1 : -1);
	s.t[2] = s.t[3] = s.t[0];
	s.m[19].found = s.m[39].found = false;
	read_text(text);
	run();
	ck_assert_double_eq(group("male/genuine_comparisons"), 10);
	ck_assert_double_eq(group("male/impostor_comparisons"), 180);
	ck_assert_double_eq_tol(group("male/fnmr"), 10.0, 1e-9);
	ck_assert_double_eq_tol(group("male/fmr"), 100.0 * 4 / 180, 1e-5);
	ck_assert_double_eq_tol(group("not_male/fnmr"), 10.0, 1e-9);
	ck_assert_double_eq_tol(group("not_male/fmr"), 0.0, 1e-9);
	ck_assert_double_eq(group("asian/genuine_comparisons"), 20);
	ck_assert_double_eq(group("asian/impostor_comparisons"), 760);
	ck_assert_double_eq_tol(group("asian/fmr"), 100.0 * 4 / 760, 1e-5);
}
END_TEST

START_TEST(errata_are_not_counted)
{
	read_text(HEAD "p000\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n"
		       "p000\t2\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n"
		       "p001\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n");
	clitest_set_errata(&s, "p000 1 2\np000 2 p001 1\n");
	run();
	ck_assert_double_eq(group("male/pictures"), 3);
	ck_assert_double_eq(group("male/genuine_comparisons"), 0);
	ck_assert_double_eq(group("male/impostor_comparisons"), 1);
}
END_TEST

START_TEST(bad_file_is_named_by_its_line)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "p000\t1\t1\n", "before line 1" },
		{ "# person\timagenum\tBald\np000\t1\t1\n", "before line 2" },
		{ HEAD "p000\tx\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n", "line 3 " },
		{ HEAD "p000\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\n", "line 3 " },
		{ HEAD "p000\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\t\n", "line 3 " },
		{ HEAD "p000\t1\tnan\t1\t0\t0\t1\t1\t0\t0\t0\t1\n", "line 3 " },
		{ HEAD "../p\t1\t1\t1\t0\t0\t1\t1\t0\t0\t0\t1\n", "line 3 " },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err_clear(&err);
		clitest_write(bad[i].text);
		ck_assert_int_eq(
			groups_read(clitest_path, &s.list, &groups, &err),
			ST_BAD_REQUEST);
		ck_assert_msg(strstr(err.text, bad[i].why) != NULL, "%s",
			      err.text);
		groups_free(&groups);
	}
	err_clear(&err);
	ck_assert_int_eq(groups_read("/nowhere/at/all", &s.list, &groups, &err),
			 ST_IO_ERROR);
}
END_TEST

Suite *suite_groups(void)
{
	Suite *suite = suite_create("groups");
	TCase *t = tcase_create("groups");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t,
		       picture_belongs_to_the_groups_of_its_largest_attributes);
	tcase_add_test(t, spaces_of_a_name_stand_for_underscores);
	tcase_add_test(t, unknown_attributes_make_no_group);
	tcase_add_test(t, rates_are_counted_within_the_group);
	tcase_add_test(t, errata_are_not_counted);
	tcase_add_test(t, bad_file_is_named_by_its_line);
	suite_add_tcase(suite, t);
	return suite;
}
