/* Error rates against cases counted by hand, and against slow but obvious
 * implementations on random scores with many ties. */
#include "runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

Suite *suite_metrics(void);

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-6)
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static size_t order[8192];
static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

START_TEST(separable_pairs_give_100_percent)
{
	struct scored_pair p[20];
	struct ten_fold out;

	for (unsigned i = 0; i < 20; i++)
		p[i] = (struct scored_pair){ i % 2 ? 0.75f : 0.25f, i % 2,
					     i / 2 };
	metrics_ten_fold(p, 20, order, &out);
	NEAR(out.accuracy, 1.0);
	NEAR(out.accuracy_std, 0.0);
	NEAR(out.threshold, 0.5);
}
END_TEST

START_TEST(each_fold_is_judged_by_the_cut_of_the_others)
{
	/* Fold 0 is judged at 0.25 and is right twice; fold 1 is judged at 0.5
	 * and misses its pair of 0.4. */
	static const struct scored_pair p[] = {
		{ 0.8f, true, 0 },
		{ 0.2f, false, 0 },
		{ 0.4f, true, 1 },
		{ 0.1f, false, 1 },
	};
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	NEAR(out.accuracy, 0.75);
	NEAR(out.accuracy_std, 0.25);
	NEAR(out.threshold, 0.375);
}
END_TEST

START_TEST(equal_scores_are_never_split_by_a_cut)
{
	static const struct scored_pair p[] = {
		{ 0.5f, true, 0 },
		{ 0.5f, false, 0 },
		{ 0.5f, false, 1 },
		{ 0.5f, true, 1 },
	};
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	NEAR(out.accuracy, 0.5);
}
END_TEST

START_TEST(score_at_the_cut_is_the_same_person)
{
	static const struct scored_pair p[] = {
		{ 0.2f, true, 0 },
		{ 0.4f, true, 0 },
		{ 0.2f, true, 1 },
		{ 0.4f, true, 1 },
	};
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	NEAR(out.accuracy, 1.0);
	NEAR(out.threshold, 0.2);
}
END_TEST

START_TEST(highest_of_equally_good_cuts_is_taken)
{
	/* Fold 1 is right three times at 0.75 and at 0.25. */
	static const struct scored_pair p[] = {
		{ 0.5f, true, 0 },  { 0.2f, false, 0 }, { 0.9f, true, 1 },
		{ 0.6f, false, 1 }, { 0.4f, true, 1 },	{ 0.1f, false, 1 },
	};
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	NEAR(out.accuracy, (0.5 + 0.75) / 2);
	NEAR(out.threshold, (0.75 + 0.35) / 2);
}
END_TEST

START_TEST(pair_without_a_face_counts_as_different)
{
	static const struct scored_pair p[] = {
		{ 0.8f, true, 0 },   { 0.2f, false, 0 }, { -1.0f, true, 1 },
		{ -1.0f, false, 1 }, { 0.8f, true, 1 },	 { 0.2f, false, 1 },
	};
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	NEAR(out.accuracy, (1.0 + 0.75) / 2);
}
END_TEST

START_TEST(fewer_than_two_folds_have_no_accuracy)
{
	static const struct scored_pair p[] = { { 0.8f, true, 3 },
						{ 0.2f, false, 3 } };
	struct ten_fold out;

	metrics_ten_fold(p, COUNT(p), order, &out);
	ck_assert(isnan(out.accuracy) && isnan(out.accuracy_std) &&
		  isnan(out.threshold));
	metrics_ten_fold(p, 0, order, &out);
	ck_assert(isnan(out.accuracy));
}
END_TEST

static size_t right_at(const struct scored_pair *p, size_t n, unsigned fold,
		       bool inside, double cut)
{
	size_t right = 0;

	for (size_t i = 0; i < n; i++)
		if ((p[i].fold == fold) == inside)
			right += ((double)p[i].score >= cut) == p[i].same;
	return right;
}

/* Scores are multiples of 1/32, so a cut between two of them can be tried for
 * every gap there is. The highest of equally good cuts is meant. */
static double slow_accuracy(const struct scored_pair *p, size_t n,
			    unsigned folds, double *mean_cut_floor)
{
	double sum = 0;

	*mean_cut_floor = 0;
	for (unsigned f = 0; f < folds; f++) {
		size_t best = 0, count = 0;
		int at = 0;

		for (int k = 33; k >= 0; k--) {
			size_t r = right_at(p, n, f, false,
					    (double)k / 32 - 1.0 / 64);

			if (k == 33 || r > best) {
				best = r;
				at = k;
			}
		}
		for (size_t i = 0; i < n; i++)
			count += p[i].fold == f;
		sum += (double)right_at(p, n, f, true,
					(double)at / 32 - 1.0 / 64) /
		       (double)count;
		*mean_cut_floor += ((double)at - 1) / 32 / folds;
	}
	return sum / folds;
}

START_TEST(ten_fold_agrees_with_trying_every_cut)
{
	for (seed = 1; seed < 60; seed += 7) {
		static struct scored_pair p[600];
		struct ten_fold out;
		double floor_cut, slow;

		/* All 33 values occur in every fold, so that the highest best
		 * cut lies in the same gap for both. */
		for (unsigned i = 0; i < 600; i++) {
			p[i].fold = i % 5;
			p[i].same = random_below(2);
			p[i].score =
				(float)(i / 5 < 66 ? i / 5 % 33
						   : random_below(20) +
							     (p[i].same ? 13
									: 0)) /
				32.0f;
		}
		metrics_ten_fold(p, 600, order, &out);
		slow = slow_accuracy(p, 600, 5, &floor_cut);
		NEAR(out.accuracy, slow);
		ck_assert_double_gt(out.threshold, floor_cut);
		ck_assert_double_le(out.threshold, floor_cut + 1.0 / 32 + 1e-5);
	}
}
END_TEST

START_TEST(tar_is_counted_at_the_lowest_cut_the_far_allows)
{
	static const struct scored_pair p[] = {
		{ 0.05f, true, 0 }, { 0.9f, false, 0 }, { 0.4f, true, 0 },
		{ 0.3f, false, 0 }, { 0.85f, true, 0 }, { 0.2f, false, 0 },
		{ 0.95f, true, 0 }, { 0.1f, false, 0 },
	};

	NEAR(metrics_tar_at_far(p, COUNT(p), order, 0.0), 0.25);
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 0.24), 0.25);
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 0.25), 0.75);
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 0.99), 0.75);
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 1.0), 1.0);
}
END_TEST

START_TEST(same_pair_tied_with_a_forbidden_one_does_not_pass)
{
	static const struct scored_pair p[] = { { 0.5f, true, 0 },
						{ 0.5f, false, 0 },
						{ 0.6f, true, 0 } };

	NEAR(metrics_tar_at_far(p, COUNT(p), order, 0.5), 0.5);
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 1.0), 1.0);
}
END_TEST

START_TEST(far_of_one_in_1000_lets_3_of_3000_pass)
{
	static struct scored_pair p[3004];

	/* Different pairs fall from 1; a same pair lies under each of the
	 * first four. */
	for (int i = 0; i < 3000; i++)
		p[i].score = 1.0f - (float)i / 4096.0f;
	for (int i = 0; i < 4; i++) {
		p[3000 + i].same = true;
		p[3000 + i].score = 1.0f - ((float)i + 0.5f) / 4096.0f;
	}
	NEAR(metrics_tar_at_far(p, COUNT(p), order, 1e-3), 0.75);
}
END_TEST

START_TEST(tar_needs_both_kinds_of_pair)
{
	static const struct scored_pair p[] = { { 0.5f, true, 0 },
						{ 0.5f, false, 0 } };

	ck_assert(isnan(metrics_tar_at_far(p, 1, order, 0.5)));
	ck_assert(isnan(metrics_tar_at_far(p + 1, 1, order, 0.5)));
	ck_assert(isnan(metrics_tar_at_far(p, 0, order, 0.5)));
	ck_assert(!isnan(metrics_tar_at_far(p, 2, order, 0.5)));
}
END_TEST

static struct score_histogram h;

static void empty_histogram(void)
{
	memset(&h, 0, sizeof(h));
}

START_TEST(fnmr_is_counted_above_the_impostors_that_are_too_many)
{
	double fnmr, cut;

	for (int i = 0; i < 998; i++)
		metrics_count(&h, 0.1f, false);
	metrics_count(&h, 0.6f, false);
	metrics_count(&h, 0.6f, false);
	metrics_count(&h, 0.7f, true);
	metrics_count(&h, 0.65f, true);
	metrics_count(&h, 0.6f, true);
	metrics_count(&h, 0.3f, true);
	ck_assert(metrics_fnmr_at_fmr(&h, 1e-3, &fnmr, &cut));
	NEAR(fnmr, 0.5);
	ck_assert_double_gt(cut, 0.6);
	ck_assert_double_lt(cut, 0.6002);
	ck_assert(metrics_fnmr_at_fmr(&h, 2e-3, &fnmr, &cut));
	NEAR(fnmr, 0.0);
	ck_assert_double_gt(cut, 0.1);
	ck_assert_double_lt(cut, 0.1002);
}
END_TEST

START_TEST(rate_finer_than_one_comparison_is_refused)
{
	double fnmr = 5, cut = 5;

	for (int i = 0; i < 999; i++)
		metrics_count(&h, 0.1f, false);
	metrics_count(&h, 0.5f, true);
	ck_assert(!metrics_fnmr_at_fmr(&h, 1e-3, &fnmr, &cut));
	ck_assert_double_eq(fnmr, 5);
	metrics_count(&h, 0.1f, false);
	ck_assert(metrics_fnmr_at_fmr(&h, 1e-3, &fnmr, &cut));
}
END_TEST

START_TEST(histogram_without_genuine_comparisons_is_refused)
{
	double fnmr, cut;

	for (int i = 0; i < 1000; i++)
		metrics_count(&h, 0.1f, false);
	ck_assert(!metrics_fnmr_at_fmr(&h, 0.5, &fnmr, &cut));
}
END_TEST

START_TEST(score_out_of_range_goes_to_the_end_bins)
{
	static const float low[] = { -1.0f, -1.5f, -INFINITY, NAN };
	static const float high[] = { 1.0f, 1.0000001f, 3.0f, INFINITY };

	for (size_t i = 0; i < COUNT(low); i++)
		metrics_count(&h, low[i], true);
	for (size_t i = 0; i < COUNT(high); i++)
		metrics_count(&h, high[i], false);
	ck_assert_uint_eq(h.genuine[0], COUNT(low));
	ck_assert_uint_eq(h.impostor[METRICS_BINS - 1], COUNT(high));
	ck_assert_uint_eq(h.genuine_count, COUNT(low));
	ck_assert_uint_eq(h.impostor_count, COUNT(high));
}
END_TEST

START_TEST(histogram_agrees_with_the_sorted_scores)
{
	static const double rates[] = { 0.3, 0.05, 0.01, 0.002, 0.0005 };
	static struct scored_pair p[4000];

	for (seed = 3; seed < 30; seed += 9) {
		empty_histogram();
		for (size_t i = 0; i < COUNT(p); i++) {
			p[i].same = random_below(4) == 0;
			/* On bin centres, so that both see the same ties. */
			p[i].score = (float)random_below(8000) / 10000.0f -
				     (p[i].same ? 0.2f : 0.4f);
			metrics_count(&h, p[i].score, p[i].same);
		}
		for (size_t r = 0; r < COUNT(rates); r++) {
			double fnmr, cut;

			ck_assert(
				metrics_fnmr_at_fmr(&h, rates[r], &fnmr, &cut));
			ck_assert_double_eq_tol(1.0 - fnmr,
						metrics_tar_at_far(p, COUNT(p),
								   order,
								   rates[r]),
						1e-3 + 1e-9);
		}
	}
}
END_TEST

START_TEST(merged_counts_are_the_sum)
{
	static struct score_histogram more;

	memset(&more, 0, sizeof(more));
	metrics_count(&h, 0.5f, true);
	metrics_count(&h, -1.0f, false);
	metrics_count(&more, 0.5f, true);
	metrics_count(&more, 1.0f, false);
	metrics_merge(&h, &more);
	ck_assert_uint_eq(h.genuine[15000], 2);
	ck_assert_uint_eq(h.impostor[0], 1);
	ck_assert_uint_eq(h.impostor[METRICS_BINS - 1], 1);
	ck_assert_uint_eq(h.genuine_count, 2);
	ck_assert_uint_eq(h.impostor_count, 2);
	NEAR(metrics_bin_score(15000), 0.5);
	NEAR(metrics_bin_score(0), -1.0);
}
END_TEST

START_TEST(errors_are_counted_on_their_side_of_the_cut)
{
	uint64_t matched, missed;
	double cut;

	metrics_count(&h, 0.2f, false);
	metrics_count(&h, 0.4f, false);
	metrics_count(&h, 0.6f, false);
	metrics_count(&h, 0.3f, true);
	metrics_count(&h, 0.5f, true);
	metrics_errors(&h, 0.35, &matched, &missed);
	ck_assert_uint_eq(matched, 2);
	ck_assert_uint_eq(missed, 1);
	/* The cut for a rate gives that rate; no genuines are needed. */
	ck_assert(metrics_cut_at_fmr(&h, 0.34, &cut));
	metrics_errors(&h, cut, &matched, &missed);
	ck_assert_uint_eq(matched, 1);
	ck_assert_double_gt(cut, 0.4);
	ck_assert_double_lt(cut, 0.4002);
	ck_assert(!metrics_cut_at_fmr(&h, 0.33, &cut));
}
END_TEST

START_TEST(upper_bound_is_that_of_clopper_and_pearson)
{
	/* The 0.95 quantile of the beta distribution (k + 1, n - k). */
	static const struct {
		uint64_t k, n;
		double bound;
	} cases[] = {
		{ 0, 1, 0.95 },
		{ 0, 3000, 0.000998079012 },
		{ 1, 100, 0.04655981145 },
		{ 10, 1000, 0.01690317512 },
		{ 500, 50000, 0.01076338856 },
		{ 49999, 50000, 0.9999989741 },
		{ 0, 87267550, 3.432813482e-08 },
		{ 100, 87267550, 1.353071795e-06 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_double_eq_tol(
			metrics_upper_bound(cases[i].k, cases[i].n) /
				cases[i].bound,
			1.0, 1e-5);
	ck_assert_double_eq(metrics_upper_bound(7, 7), 1.0);
}
END_TEST

Suite *suite_metrics(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("pairs");

	tcase_add_test(t, separable_pairs_give_100_percent);
	tcase_add_test(t, each_fold_is_judged_by_the_cut_of_the_others);
	tcase_add_test(t, equal_scores_are_never_split_by_a_cut);
	tcase_add_test(t, score_at_the_cut_is_the_same_person);
	tcase_add_test(t, highest_of_equally_good_cuts_is_taken);
	tcase_add_test(t, pair_without_a_face_counts_as_different);
	tcase_add_test(t, fewer_than_two_folds_have_no_accuracy);
	tcase_add_test(t, ten_fold_agrees_with_trying_every_cut);
	tcase_add_test(t, tar_is_counted_at_the_lowest_cut_the_far_allows);
	tcase_add_test(t, same_pair_tied_with_a_forbidden_one_does_not_pass);
	tcase_add_test(t, far_of_one_in_1000_lets_3_of_3000_pass);
	tcase_add_test(t, tar_needs_both_kinds_of_pair);
	suite_add_tcase(s, t);
	t = tcase_create("histogram");
	tcase_add_checked_fixture(t, empty_histogram, NULL);
	tcase_add_test(t,
		       fnmr_is_counted_above_the_impostors_that_are_too_many);
	tcase_add_test(t, rate_finer_than_one_comparison_is_refused);
	tcase_add_test(t, histogram_without_genuine_comparisons_is_refused);
	tcase_add_test(t, score_out_of_range_goes_to_the_end_bins);
	tcase_add_test(t, histogram_agrees_with_the_sorted_scores);
	tcase_add_test(t, merged_counts_are_the_sum);
	tcase_add_test(t, errors_are_counted_on_their_side_of_the_cut);
	suite_add_tcase(s, t);
	t = tcase_create("bounds");
	tcase_add_test(t, upper_bound_is_that_of_clopper_and_pearson);
	suite_add_tcase(s, t);
	return s;
}
