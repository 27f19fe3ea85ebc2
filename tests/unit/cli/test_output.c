/* How numbers, names and the progress bar are written. */
#include "runner.h"

#include <math.h>
#include <string.h>

#include "cli.h"
#include "progress.h"

Suite *suite_output(void);

START_TEST(rates_are_named_as_powers_of_ten)
{
	static const struct {
		double rate;
		const char *name;
	} cases[] = {
		{ 1e-2, "1e-2" },
		{ 1e-3, "1e-3" },
		{ 1e-6, "1e-6" },
		{ (double)1e-4f, "1e-4" },
		{ (double)1e-6f, "1e-6" },
		{ 3e-5, "3e-5" },
		{ 2.5e-4, "2.5e-4" },
		{ 1.0, "1e0" },
		{ 0.0, "0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[CLI_RATE_MAX];

		cli_rate_name(cases[i].rate, name);
		ck_assert_str_eq(name, cases[i].name);
	}
}
END_TEST

START_TEST(numbers_are_rounded_and_what_is_no_number_is_null)
{
	json_t *v = jsonvalue_real(99.18349, 3);

	ck_assert_double_eq_tol(json_real_value(v), 99.183, 1e-9);
	json_decref(v);
	ck_assert(json_is_null(jsonvalue_real((double)NAN, 3)));
	ck_assert(json_is_null(jsonvalue_real((double)INFINITY, 3)));
}
END_TEST

START_TEST(file_name_that_is_not_utf8_still_is_text)
{
	json_t *v = cli_text("caf\xe9.jpg");

	ck_assert_str_eq(json_string_value(v), "caf?.jpg");
	json_decref(v);
	v = cli_text("caf\xc3\xa9.jpg");
	ck_assert_str_eq(json_string_value(v), "caf\xc3\xa9.jpg");
	json_decref(v);
}
END_TEST

START_TEST(bar_shows_share_rate_and_time_left)
{
	char line[160];

	progress_format(line, sizeof(line), "embedding", 25, 100, 5.0);
	ck_assert_str_eq(line, "embedding [#######.......................]  "
			       "25 %  5.0/s  15 s left");
	progress_format(line, sizeof(line), "x", 1000, 10000, 10.0);
	ck_assert_ptr_nonnull(strstr(line, "100/s  1:30 left"));
	progress_format(line, sizeof(line), "x", 1, 10001, 1.0);
	ck_assert_ptr_nonnull(strstr(line, "2:46:40 left"));
}
END_TEST

START_TEST(bar_is_sound_at_its_ends)
{
	char line[160], small[16];

	progress_format(line, sizeof(line), "x", 0, 100, 0.0);
	ck_assert_ptr_nonnull(strstr(line, "[..............................]"));
	ck_assert_ptr_nonnull(strstr(line, "? left"));
	progress_format(line, sizeof(line), "x", 100, 100, 4.0);
	ck_assert_ptr_nonnull(strstr(line, "[##############################]"));
	ck_assert_ptr_nonnull(strstr(line, "0 s left"));
	progress_format(line, sizeof(line), "x", 0, 0, 0.0);
	ck_assert_ptr_nonnull(strstr(line, "100 %"));
	progress_format(line, sizeof(line), "x", 7, 5, 1.0);
	ck_assert_ptr_nonnull(strstr(line, "100 %"));
	progress_format(line, sizeof(line), "x", 1, UINT64_MAX, 1e6);
	ck_assert_ptr_nonnull(strstr(line, "left"));
	progress_format(small, sizeof(small), "embedding", 1, 2, 1.0);
	ck_assert_uint_eq(strlen(small), sizeof(small) - 1);
}
END_TEST

Suite *suite_output(void)
{
	Suite *s = suite_create("output");
	TCase *t = tcase_create("output");

	tcase_add_test(t, rates_are_named_as_powers_of_ten);
	tcase_add_test(t, numbers_are_rounded_and_what_is_no_number_is_null);
	tcase_add_test(t, file_name_that_is_not_utf8_still_is_text);
	tcase_add_test(t, bar_shows_share_rate_and_time_left);
	tcase_add_test(t, bar_is_sound_at_its_ends);
	suite_add_tcase(s, t);
	return s;
}
