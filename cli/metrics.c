/* Scores in falling order are walked once; nothing is allocated. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

/* glibc's qsort_r, so that the order can refer to the pairs. */
static int by_falling_score(const void *a, const void *b, void *ctx)
{
	const struct scored_pair *p = ctx;
	float x = p[*(const size_t *)a].score, y = p[*(const size_t *)b].score;

	return (x < y) - (x > y);
}

static void sort_pairs(const struct scored_pair *pairs, size_t n, size_t *order)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_falling_score,
		(void *)(uintptr_t)pairs);
}

/* Walks down the sorted scores; after each group of equal scores all pairs so
 * far are called the same. The cut lies half way to the next score. */
static double best_cut(const struct scored_pair *pairs, size_t n,
		       const size_t *order, unsigned without)
{
	long right = 0, best = -1, passed_same = 0, passed_other = 0;
	long others = 0;
	double cut = 0;
	float last = 2.0f;

	for (size_t i = 0; i < n; i++)
		others += pairs[i].fold != without && !pairs[i].same;
	for (size_t i = 0; i < n; i++) {
		const struct scored_pair *p = &pairs[order[i]];

		if (p->fold == without)
			continue;
		if (p->score < last) {
			right = passed_same + others - passed_other;
			if (right > best) {
				best = right;
				cut = last > 1.5f ? 1.0 + 1e-6
						  : ((double)last +
						     (double)p->score) /
							    2;
			}
			last = p->score;
		}
		if (p->same)
			passed_same++;
		else
			passed_other++;
	}
	if (passed_same > best)
		cut = (double)last;
	return cut;
}

void metrics_ten_fold(const struct scored_pair *pairs, size_t n, size_t *order,
		      struct ten_fold *out)
{
	double sum = 0, squares = 0, cuts = 0;
	bool used[METRICS_FOLDS] = { false };
	unsigned folds = 0;

	for (size_t i = 0; i < n; i++)
		used[pairs[i].fold] = true;
	for (unsigned f = 0; f < METRICS_FOLDS; f++)
		folds += used[f];
	*out = (struct ten_fold){ NAN, NAN, NAN };
	if (folds < 2)
		return;
	sort_pairs(pairs, n, order);
	for (unsigned f = 0; f < METRICS_FOLDS; f++) {
		size_t right = 0, count = 0;
		double cut, share;

		if (!used[f])
			continue;
		cut = best_cut(pairs, n, order, f);
		for (size_t i = 0; i < n; i++) {
			if (pairs[i].fold != f)
				continue;
			count++;
			right += ((double)pairs[i].score >= cut) ==
				 pairs[i].same;
		}
		share = (double)right / (double)count;
		sum += share;
		squares += share * share;
		cuts += cut;
	}
	out->accuracy = sum / folds;
	out->threshold = cuts / folds;
	/* Rounding can take a variance of nothing below zero. */
	out->accuracy_std = sqrt(
		fmax(0.0, squares / folds - out->accuracy * out->accuracy));
}

double metrics_tar_at_far(const struct scored_pair *pairs, size_t n,
			  size_t *order, double far)
{
	size_t same = 0, other = 0, allowed, passed_same = 0, passed_other = 0;
	size_t i = 0, best = 0;

	for (size_t k = 0; k < n; k++)
		(*(pairs[k].same ? &same : &other))++;
	if (same == 0 || other == 0)
		return NAN;
	/* The small term forgives the rounding of, say, 0.001 * 3000. */
	allowed = (size_t)floor(far * (double)other + 1e-9);
	sort_pairs(pairs, n, order);
	while (i < n) {
		float score = pairs[order[i]].score;

		while (i < n && pairs[order[i]].score >= score)
			(*(pairs[order[i++]].same ? &passed_same
						  : &passed_other))++;
		if (passed_other > allowed)
			break;
		best = passed_same;
	}
	return (double)best / (double)same;
}

void metrics_count(struct score_histogram *h, float score, bool same)
{
	double at = ((double)score + 1.0) / 2.0 * (METRICS_BINS - 1) + 0.5;
	size_t bin = !(at >= 0.0)	  ? 0
		     : at >= METRICS_BINS ? METRICS_BINS - 1
					  : (size_t)at;

	if (same) {
		h->genuine[bin]++;
		h->genuine_count++;
	} else {
		h->impostor[bin]++;
		h->impostor_count++;
	}
}

void metrics_merge(struct score_histogram *h,
		   const struct score_histogram *from)
{
	for (size_t i = 0; i < METRICS_BINS; i++) {
		h->genuine[i] += from->genuine[i];
		h->impostor[i] += from->impostor[i];
	}
	h->genuine_count += from->genuine_count;
	h->impostor_count += from->impostor_count;
}

double metrics_bin_score(size_t bin)
{
	return (double)bin / (METRICS_BINS - 1) * 2.0 - 1.0;
}

/* The lowest bin such that no more than fmr of the impostors lie in it or
 * above. */
static bool cut_bin(const struct score_histogram *h, double fmr, size_t *out)
{
	uint64_t allowed = (uint64_t)floor(fmr * (double)h->impostor_count +
					   1e-9);
	uint64_t passed = 0;
	size_t bin = METRICS_BINS;

	if (allowed == 0)
		return false;
	while (bin > 0 && passed + h->impostor[bin - 1] <= allowed)
		passed += h->impostor[--bin];
	*out = bin;
	return true;
}

static double lower_edge(size_t bin)
{
	return ((double)bin - 0.5) / (METRICS_BINS - 1) * 2.0 - 1.0;
}

bool metrics_cut_at_fmr(const struct score_histogram *h, double fmr,
			double *cut)
{
	size_t bin;

	if (!cut_bin(h, fmr, &bin))
		return false;
	*cut = lower_edge(bin);
	return true;
}

bool metrics_fnmr_at_fmr(const struct score_histogram *h, double fmr,
			 double *fnmr, double *cut)
{
	uint64_t matched = 0;
	size_t bin;

	if (h->genuine_count == 0 || !cut_bin(h, fmr, &bin))
		return false;
	for (size_t i = bin; i < METRICS_BINS; i++)
		matched += h->genuine[i];
	*fnmr = 1.0 - (double)matched / (double)h->genuine_count;
	*cut = lower_edge(bin);
	return true;
}

void metrics_errors(const struct score_histogram *h, double cut,
		    uint64_t *matched, uint64_t *missed)
{
	*matched = *missed = 0;
	for (size_t i = 0; i < METRICS_BINS; i++) {
		if (metrics_bin_score(i) >= cut)
			*matched += h->impostor[i];
		else
			*missed += h->genuine[i];
	}
}

/* The chance of at most k failures in n trials. The terms fall from the last
 * one back when p > k / n, which is where it is asked for. */
static double binomial_at_most(double k, double n, double p)
{
	double term = 1, sum = 1;
	double last = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) +
		      k * log(p) + (n - k) * log1p(-p);

	for (double i = k; i > 0 && term > 1e-17 * sum; i--) {
		term *= i / (n - i + 1) * (1 - p) / p;
		sum += term;
	}
	return exp(last) * sum;
}

double metrics_upper_bound(uint64_t errors, uint64_t n)
{
	double low = (double)errors / (double)n, high = 1;

	if (errors >= n)
		return 1;
	/* Halved until doubles tell no more apart. */
	for (int i = 0; i < 80; i++) {
		double p = low + (high - low) / 2;

		if (binomial_at_most((double)errors, (double)n, p) > 0.05)
			low = p;
		else
			high = p;
	}
	return high;
}
