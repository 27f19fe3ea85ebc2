/* evaluate's scores: the listed pairs, and all comparisons of all pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "evaluate.h"
#include "metrics.h"
#include "progress.h"

static float score_of(const struct measured *a, const struct measured *b)
{
	return a->found && b->found ? template_cosine(&a->t, &b->t)
				    : EVALUATE_NO_FACE;
}

static void set_percent(json_t *o, const char *key, double share)
{
	json_object_set_new(o, key, jsonvalue_real(100 * share, 3));
}

enum status evaluate_pairs(const struct pair_list *list,
			   const struct measured *m, json_t *out,
			   struct errinfo *err)
{
	static const double rates[] = { 1e-2, 1e-3 };
	size_t n = list->pair_count;
	struct scored_pair *pairs = calloc(n, sizeof(*pairs));
	size_t *order = calloc(n, sizeof(*order));
	struct ten_fold fold;
	enum status st = ST_OK;
	json_t *tar;

	if (pairs == NULL || order == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pairs", n);
		goto done;
	}
	for (size_t i = 0; i < n; i++) {
		const struct pair_entry *p = &list->pairs[i];

		pairs[i].same = p->same;
		pairs[i].fold = p->fold;
		pairs[i].score = score_of(&m[p->a], &m[p->b]);
	}
	metrics_ten_fold(pairs, n, order, &fold);
	set_percent(out, "accuracy", fold.accuracy);
	set_percent(out, "accuracy_std", fold.accuracy_std);
	json_object_set_new(out, "threshold",
			    jsonvalue_real(fold.threshold, 4));
	tar = json_object();
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		char key[CLI_RATE_MAX];

		cli_rate_name(rates[i], key);
		set_percent(tar, key,
			    metrics_tar_at_far(pairs, n, order, rates[i]));
	}
	json_object_set_new(out, "tar_at_far", tar);
done:
	free(pairs);
	free(order);
	return st;
}

static void add_rates(const struct score_histogram *h, json_t *out)
{
	static const double rates[] = { 1e-2, 3e-3, 1e-3, 3e-4, 1e-4,
					3e-5, 1e-5, 3e-6, 1e-6 };
	json_t *fnmr = json_object(), *cuts = json_object();

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double miss = NAN, cut = NAN;
		char key[CLI_RATE_MAX];

		cli_rate_name(rates[i], key);
		/* What is finer than one comparison stays null. */
		metrics_fnmr_at_fmr(h, rates[i], &miss, &cut);
		set_percent(fnmr, key, miss);
		json_object_set_new(cuts, key, jsonvalue_real(cut, 4));
	}
	json_object_set_new(out, "fnmr_at_fmr", fnmr);
	json_object_set_new(out, "threshold_at_fmr", cuts);
	json_object_set_new(out, "genuine_comparisons",
			    json_integer((json_int_t)h->genuine_count));
	json_object_set_new(out, "impostor_comparisons",
			    json_integer((json_int_t)h->impostor_count));
}

/* Fills the histogram; returns how many comparisons the errata left out. */
static uint64_t count_all(const struct pair_list *list,
			  const struct measured *m, const struct errata *errata,
			  bool *skip, struct score_histogram *h)
{
	size_t n = list->picture_count;
	uint64_t total = (uint64_t)n * (n - 1) / 2, done = 0, left_out = 0;
	struct progress bar;

	progress_begin(&bar, "comparing", total);
	for (size_t i = 0; i < n; i++) {
		const char *name = list->pictures[i].name;

		memset(skip, 0, n * sizeof(*skip));
		errata_mark(errata, i, skip);
		for (size_t j = i + 1; j < n; j++) {
			if (skip[j]) {
				left_out++;
				continue;
			}
			metrics_count(h, score_of(&m[i], &m[j]),
				      strcmp(name, list->pictures[j].name) ==
					      0);
		}
		done += n - i - 1;
		progress_at(&bar, done);
	}
	progress_end(&bar, done);
	return left_out;
}

enum status evaluate_all(const struct pair_list *list, const struct measured *m,
			 const struct errata *errata, json_t *out,
			 struct errinfo *err)
{
	struct score_histogram *h = calloc(1, sizeof(*h));
	bool *skip = calloc(list->picture_count, sizeof(*skip));
	enum status st = ST_OK;
	uint64_t left_out;

	if (h == NULL || skip == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pictures",
			     list->picture_count);
		goto done;
	}
	left_out = count_all(list, m, errata, skip, h);
	add_rates(h, out);
	json_object_set_new(out, "errata",
			    json_pack("{s:I, s:I, s:I}", "used",
				      (json_int_t)errata->count, "unused",
				      (json_int_t)errata->unused, "comparisons",
				      (json_int_t)left_out));
done:
	free(skip);
	free(h);
	return st;
}
