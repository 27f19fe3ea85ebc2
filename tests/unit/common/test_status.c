/* Status codes are part of the HTTP API; error details keep the first failure.
 */
#include "runner.h"

#include <string.h>

#include "status.h"

Suite *suite_status(void);

START_TEST(codes_are_lower_case_words_and_unique)
{
	const char *code = status_code((enum status)_i);

	ck_assert_uint_gt(strlen(code), 0);
	ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz_"),
			  strlen(code));
	ck_assert_uint_gt(strlen(status_title((enum status)_i)), 0);
	for (int other = 0; other < _i; other++)
		ck_assert_str_ne(code, status_code((enum status)other));
}
END_TEST

START_TEST(published_codes_do_not_change)
{
	ck_assert_str_eq(status_code(ST_OK), "ok");
	ck_assert_str_eq(status_code(ST_NO_FACE), "no_face");
	ck_assert_str_eq(status_code(ST_SEVERAL_FACES), "several_faces");
	ck_assert_str_eq(status_code(ST_CORRUPT_JPEG), "corrupt_jpeg");
	ck_assert_str_eq(status_code(ST_BUSY), "busy");
	ck_assert_str_eq(status_title(ST_NO_FACE), "No face found");
}
END_TEST

START_TEST(unknown_status_reads_as_internal)
{
	ck_assert_str_eq(status_code(STATUS_COUNT), "internal");
	ck_assert_str_eq(status_code((enum status) - 1), "internal");
	ck_assert_str_eq(status_title((enum status)9999), "Internal error");
}
END_TEST

START_TEST(first_failure_is_kept)
{
	struct errinfo err;

	err_clear(&err);
	ck_assert_int_eq(
		err_limit(&err, ST_BODY_TOO_LARGE, 16, 17, "%d > %d", 17, 16),
		ST_BODY_TOO_LARGE);
	ck_assert_int_eq(err_set(&err, ST_INTERNAL, "later"), ST_INTERNAL);
	ck_assert_int_eq(err.status, ST_BODY_TOO_LARGE);
	ck_assert_str_eq(err.text, "17 > 16");
	ck_assert_int_eq(err.limit, 16);
	ck_assert_int_eq(err.found, 17);
}
END_TEST

START_TEST(failure_without_numbers_has_none)
{
	struct errinfo err;

	err_clear(&err);
	ck_assert_int_eq(err_set(&err, ST_NO_FACE, "none"), ST_NO_FACE);
	ck_assert(err.limit == ERR_NO_NUMBER);
	ck_assert(err.found == ERR_NO_NUMBER);
}
END_TEST

START_TEST(cleared_details_take_a_new_failure)
{
	struct errinfo err;

	err_clear(&err);
	err_limit(&err, ST_BUSY, 1, 2, "first");
	err_clear(&err);
	ck_assert_int_eq(err.status, ST_OK);
	ck_assert_str_eq(err.text, "");
	ck_assert(err.limit == ERR_NO_NUMBER);
	err_set(&err, ST_NO_FACE, "second");
	ck_assert_str_eq(err.text, "second");
}
END_TEST

START_TEST(details_may_be_left_out)
{
	ck_assert_int_eq(err_set(NULL, ST_BUSY, "%d", 1), ST_BUSY);
	ck_assert_int_eq(err_limit(NULL, ST_BUSY, 1, 2, "%d", 1), ST_BUSY);
}
END_TEST

START_TEST(long_text_is_cut_at_the_end)
{
	char text[1000];
	struct errinfo err;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_clear(&err);
	err_set(&err, ST_INTERNAL, "%s", text);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

Suite *suite_status(void)
{
	Suite *suite = suite_create("status");
	TCase *names = tcase_create("names");
	TCase *details = tcase_create("details");

	tcase_add_loop_test(names, codes_are_lower_case_words_and_unique, 0,
			    STATUS_COUNT);
	tcase_add_test(names, published_codes_do_not_change);
	tcase_add_test(names, unknown_status_reads_as_internal);
	tcase_add_test(details, first_failure_is_kept);
	tcase_add_test(details, failure_without_numbers_has_none);
	tcase_add_test(details, cleared_details_take_a_new_failure);
	tcase_add_test(details, details_may_be_left_out);
	tcase_add_test(details, long_text_is_cut_at_the_end);
	suite_add_tcase(suite, names);
	suite_add_tcase(suite, details);
	return suite;
}
