/* Looking things up in an embedder's two tables: those of toy.fgm are short
 * enough to know by heart. */
#include <check.h>
#include <math.h>

#include "golden.h"
#include "model/tables.h"

static struct model m;

static void open_toy(void)
{
	ck_assert_uint_eq(
		model_open(&m, golden_path("tests/golden/toy.fgm"), NULL),
		ST_OK);
}

static void close_toy(void)
{
	model_close(&m);
}

START_TEST(quality_is_linear_between_entries)
{
	/* Shares 0, 0.5, 1 at lengths 1, 2, 3.5. */
	ck_assert_float_eq(tables_quality(&m, 1.0f), 0.0f);
	ck_assert_float_eq_tol(tables_quality(&m, 1.5f), 25.0f, 1e-4f);
	ck_assert_float_eq(tables_quality(&m, 2.0f), 50.0f);
	ck_assert_float_eq_tol(tables_quality(&m, 2.75f), 75.0f, 1e-4f);
	ck_assert_float_eq(tables_quality(&m, 3.5f), 100.0f);
}
END_TEST

START_TEST(quality_ends_where_the_table_ends)
{
	ck_assert_float_eq(tables_quality(&m, 0.0f), 0.0f);
	ck_assert_float_eq(tables_quality(&m, 1e9f), 100.0f);
	ck_assert_float_eq(tables_quality(&m, INFINITY), 100.0f);
	/* Whatever went wrong with a length, it is no good sign. */
	ck_assert_float_eq(tables_quality(&m, NAN), 0.0f);
}
END_TEST

START_TEST(quality_never_falls_with_length)
{
	float last = -1.0f;

	for (float l = 0.5f; l < 4.0f; l += 0.001f) {
		float q = tables_quality(&m, l);

		ck_assert_float_ge(q, last);
		last = q;
	}
}
END_TEST

START_TEST(cuts_are_linear_in_the_logarithm_of_the_rate)
{
	/* Cuts 0.3 and 0.5 at rates 1e-2 and 1e-4. */
	ck_assert_float_eq_tol(tables_cut(&m, 1e-2), 0.3f, 1e-6f);
	ck_assert_float_eq_tol(tables_cut(&m, 1e-3), 0.4f, 1e-5f);
	ck_assert_float_eq_tol(tables_cut(&m, 1e-4), 0.5f, 1e-6f);
	ck_assert_float_eq_tol(tables_cut(&m, 0.5), 0.3f, 1e-6f);
	ck_assert_float_eq_tol(tables_cut(&m, 1e-9), 0.5f, 1e-6f);
	ck_assert_double_eq_tol(tables_fmr(&m, 0.4f), 1e-3, 1e-7);
	ck_assert_double_eq_tol(tables_fmr(&m, tables_cut(&m, 0.5)), 1e-2,
				1e-7);
	ck_assert_double_nan(tables_fmr(&m, 0.299f));
	ck_assert_double_nan(tables_fmr(&m, -1.0f));
	ck_assert_double_eq_tol(tables_fmr(&m, 1.0f), 1e-4, 1e-9);
}
END_TEST

Suite *suite_tables(void)
{
	Suite *s = suite_create("tables");
	TCase *t = tcase_create("tables");

	tcase_add_checked_fixture(t, open_toy, close_toy);
	tcase_add_test(t, quality_is_linear_between_entries);
	tcase_add_test(t, quality_ends_where_the_table_ends);
	tcase_add_test(t, quality_never_falls_with_length);
	tcase_add_test(t, cuts_are_linear_in_the_logarithm_of_the_rate);
	suite_add_tcase(s, t);
	return s;
}
