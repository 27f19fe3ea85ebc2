/* Open-set identification on people whose templates are made by hand. */
#include "runner.h"

#include <string.h>

#include "clitest.h"
#include "openset.h"

Suite *suite_openset(void);

static struct clitest_set s;
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

static double number(const char *key)
{
	return clitest_number(json_object_get(out, "open_set"), key);
}

static void run(void)
{
	ck_assert_msg(openset_report(&s.ev, out, &err) == ST_OK, "%s",
		      err.text);
}

START_TEST(people_that_are_told_apart_are_all_found)
{
	clitest_set_open(&s, 300, 3);
	run();
	ck_assert_double_eq(number("gallery"), 200);
	ck_assert_double_eq(number("genuine_probes"), 400);
	ck_assert_double_eq(number("impostor_probes"), 300);
	ck_assert_double_eq(number("trials"), 10);
	ck_assert_double_eq(number("far"), 0.01);
	ck_assert_double_eq(number("rank1_dir_mean"), 100);
	ck_assert_double_eq(number("rank1_dir_std"), 0);
}
END_TEST

START_TEST(people_that_all_look_alike_are_never_found)
{
	clitest_set_open(&s, 300, 2);
	for (size_t i = 1; i < 600; i++)
		s.t[i] = s.t[0];
	run();
	ck_assert_double_eq(number("rank1_dir_mean"), 0);
}
END_TEST

START_TEST(probe_that_finds_somebody_else_first_is_missed)
{
	/* The first pictures of two persons show the next one: probes of
	 * theirs find the wrong person or a weak match, but not the right one.
	 * As strangers they are the two of 200 that the rate lets in. */
	clitest_set_open(&s, 300, 2);
	for (size_t i = 0; i < 4; i += 2)
		s.t[i] = s.t[i + 3];
	run();
	ck_assert_double_lt(number("rank1_dir_mean"), 100);
	ck_assert_double_ge(number("rank1_dir_mean"), 99);
	ck_assert_double_gt(number("rank1_dir_std"), 0);
}
END_TEST

START_TEST(probe_without_a_face_is_missed_and_never_enrolled)
{
	clitest_set_open(&s, 300, 3);
	for (size_t i = 2; i < 900; i += 3)
		s.m[i].found = false;
	run();
	ck_assert_double_eq(number("gallery"), 200);
	ck_assert_double_eq(number("genuine_probes"), 400);
	ck_assert_double_eq(number("rank1_dir_mean"), 50);
}
END_TEST

START_TEST(errata_take_no_part)
{
	/* Everybody's third picture shows someone else. */
	static char text[300 * 8 + 1];
	uint32_t seed = 9;

	clitest_set_open(&s, 300, 3);
	for (unsigned i = 0; i < 300; i++) {
		s.t[3 * i + 2] = clitest_template(&seed);
		snprintf(text + 7 * i, sizeof(text) - 7 * i, "p%03u 3\n", i);
	}
	clitest_set_errata(&s, text);
	run();
	ck_assert_double_eq(number("genuine_probes"), 200);
	ck_assert_double_eq(number("impostor_probes"), 200);
	ck_assert_double_eq(number("rank1_dir_mean"), 100);
}
END_TEST

START_TEST(two_names_of_one_person_do_not_match_each_other)
{
	/* Without the erratum a stranger matches fully in each trial in which
	 * one of the names is enrolled and the other is not. */
	static char text[150 * 10 + 1];

	clitest_set_open(&s, 300, 2);
	for (unsigned i = 0; i < 300; i += 2) {
		s.t[2 * i + 2] = s.t[2 * i + 3] = s.t[2 * i];
		snprintf(text + 5 * i, sizeof(text) - 5 * i, "p%03u p%03u\n", i,
			 i + 1);
	}
	run();
	ck_assert_double_lt(number("rank1_dir_mean"), 50);
	clitest_set_errata(&s, text);
	run();
	ck_assert_double_eq(number("rank1_dir_mean"), 100);
}
END_TEST

START_TEST(threads_do_not_change_the_result)
{
	json_t *other = json_object();

	clitest_set_open(&s, 400, 2);
	for (size_t i = 0; i < 80; i += 2)
		s.t[i] = s.t[i + 3];
	run();
	s.ev.threads = 1;
	ck_assert_int_eq(openset_report(&s.ev, other, &err), ST_OK);
	ck_assert(json_equal(out, other));
	json_decref(other);
}
END_TEST

START_TEST(too_few_strangers_for_the_rate_give_null)
{
	clitest_set_open(&s, 30, 2);
	run();
	ck_assert_double_eq(number("gallery"), 20);
	ck_assert_double_eq(number("impostor_probes"), 20);
	ck_assert(json_is_null(json_object_get(json_object_get(out, "open_set"),
					       "rank1_dir_mean")));
}
END_TEST

START_TEST(set_without_second_pictures_has_an_empty_gallery)
{
	clitest_set_open(&s, 30, 1);
	run();
	ck_assert_double_eq(number("gallery"), 0);
	ck_assert_double_eq(number("genuine_probes"), 0);
	ck_assert_double_eq(number("impostor_probes"), 30);
}
END_TEST

Suite *suite_openset(void)
{
	Suite *suite = suite_create("openset");
	TCase *t = tcase_create("openset");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, people_that_are_told_apart_are_all_found);
	tcase_add_test(t, people_that_all_look_alike_are_never_found);
	tcase_add_test(t, probe_that_finds_somebody_else_first_is_missed);
	tcase_add_test(t, probe_without_a_face_is_missed_and_never_enrolled);
	tcase_add_test(t, errata_take_no_part);
	tcase_add_test(t, two_names_of_one_person_do_not_match_each_other);
	tcase_add_test(t, threads_do_not_change_the_result);
	tcase_add_test(t, too_few_strangers_for_the_rate_give_null);
	tcase_add_test(t, set_without_second_pictures_has_an_empty_gallery);
	suite_add_tcase(suite, t);
	return suite;
}
