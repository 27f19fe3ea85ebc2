/* Verification error rates: pure functions over scores. */
#ifndef FACEGATE_METRICS_H
#define FACEGATE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scored_pair {
	float score;
	bool same;     /* both pictures show one person */
	unsigned fold; /* 0 .. METRICS_FOLDS - 1 */
};

#define METRICS_FOLDS 10

struct ten_fold {
	double accuracy, accuracy_std; /* fractions, over the folds */
	double threshold;	       /* mean of the folds' cuts */
};

/* The LFW protocol: for each fold, the cut that is best on the other folds
 * (the highest of equally good ones) decides the pairs of this one (score >=
 * cut means same). order is scratch for n indices. Folds without pairs are
 * left out; the deviation is that of the folds themselves (over their number,
 * not less one). All is NaN with fewer than two folds, as there is nothing to
 * choose a cut from. */
void metrics_ten_fold(const struct scored_pair *pairs, size_t n, size_t *order,
		      struct ten_fold *out);

/* Share of same pairs at or above the lowest cut at which no more than far of
 * the different pairs pass. NaN when either kind is missing. */
double metrics_tar_at_far(const struct scored_pair *pairs, size_t n,
			  size_t *order, double far);

/* Score counts in bins over [-1, 1], for more comparisons than fit in memory.
 */
#define METRICS_BINS 20001
struct score_histogram {
	uint64_t genuine[METRICS_BINS], impostor[METRICS_BINS];
	uint64_t genuine_count, impostor_count;
};
void metrics_count(struct score_histogram *h, float score, bool same);

/* Adds the counts of from. */
void metrics_merge(struct score_histogram *h,
		   const struct score_histogram *from);
/* The score at the middle of a bin. */
double metrics_bin_score(size_t bin);

/* The lowest cut whose false match rate is at most fmr, and the false
 * non-match rate there. False when fmr is finer than one comparison. */
bool metrics_fnmr_at_fmr(const struct score_histogram *h, double fmr,
			 double *fnmr, double *cut);

/* The lowest cut whose false match rate is at most fmr. False when fmr is
 * finer than one comparison. */
bool metrics_cut_at_fmr(const struct score_histogram *h, double fmr,
			double *cut);

/* Impostors at or above a cut and genuines below it, to within a bin. */
void metrics_errors(const struct score_histogram *h, double cut,
		    uint64_t *matched, uint64_t *missed);

/* The one-sided 95 % upper bound of a rate, by Clopper and Pearson (1934),
 * when `errors` of n >= 1 independent trials failed: the rate at which so few
 * failures have a chance of 5 %. */
double metrics_upper_bound(uint64_t errors, uint64_t n);

#endif
