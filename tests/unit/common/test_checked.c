/* Size arithmetic never wraps unnoticed. */
#include "runner.h"

#include <stdint.h>

#include "checked.h"

Suite *suite_checked(void);

START_TEST(sums_that_fit_are_exact)
{
	size_t out = 0;

	ck_assert(size_add(SIZE_MAX - 1, 1, &out));
	ck_assert(out == SIZE_MAX);
}
END_TEST

START_TEST(sums_past_the_end_are_refused)
{
	size_t out = 0;

	ck_assert(!size_add(SIZE_MAX, 1, &out));
	ck_assert(!size_add(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, &out));
}
END_TEST

START_TEST(products_that_fit_are_exact)
{
	size_t out = 0;

	ck_assert(size_mul(SIZE_MAX / 3, 3, &out));
	ck_assert(out == SIZE_MAX / 3 * 3);
	ck_assert(size_mul(0, SIZE_MAX, &out));
	ck_assert(out == 0);
}
END_TEST

START_TEST(products_past_the_end_are_refused)
{
	size_t out = 0;

	ck_assert(!size_mul(SIZE_MAX / 2 + 1, 2, &out));
	ck_assert(!size_mul(SIZE_MAX, SIZE_MAX, &out));
}
END_TEST

START_TEST(alignment_rounds_up_only)
{
	ck_assert_uint_eq(align_up(0, 64), 0);
	ck_assert_uint_eq(align_up(1, 64), 64);
	ck_assert_uint_eq(align_up(64, 64), 64);
	ck_assert_uint_eq(align_up(65, 64), 128);
	ck_assert_uint_eq(align_up(7, 1), 7);
}
END_TEST

Suite *suite_checked(void)
{
	Suite *suite = suite_create("checked");
	TCase *sizes = tcase_create("sizes");

	tcase_add_test(sizes, sums_that_fit_are_exact);
	tcase_add_test(sizes, sums_past_the_end_are_refused);
	tcase_add_test(sizes, products_that_fit_are_exact);
	tcase_add_test(sizes, products_past_the_end_are_refused);
	tcase_add_test(sizes, alignment_rounds_up_only);
	suite_add_tcase(suite, sizes);
	return suite;
}
