/* evaluate's scores: the listed pairs, and all comparisons of all pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "evaluate.h"
#include "parallel.h"
#include "scan.h"

float evaluate_score(const struct evaluation *ev, size_t a, size_t b)
{
	return ev->m[a].found && ev->m[b].found
		       ? template_cosine(&ev->t[a], &ev->t[b])
		       : EVALUATE_NO_FACE;
}

void evaluate_percent(json_t *o, const char *key, double share, int digits)
{
	json_object_set_new(o, key, jsonvalue_real(100 * share, digits));
}

enum status evaluate_pairs(const struct evaluation *ev, json_t *out,
			   struct errinfo *err)
{
	static const double rates[] = { 1e-2, 1e-3 };
	size_t n = ev->list->pair_count;
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
		const struct pair_entry *p = &ev->list->pairs[i];

		pairs[i].same = p->same;
		pairs[i].fold = p->fold;
		pairs[i].score = evaluate_score(ev, p->a, p->b);
	}
	metrics_ten_fold(pairs, n, order, &fold);
	evaluate_percent(out, "accuracy", fold.accuracy, 3);
	evaluate_percent(out, "accuracy_std", fold.accuracy_std, 3);
	json_object_set_new(out, "threshold",
			    jsonvalue_real(fold.threshold, 4));
	tar = json_object();
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		char key[CLI_RATE_MAX];

		cli_rate_name(rates[i], key);
		evaluate_percent(tar, key,
				 metrics_tar_at_far(pairs, n, order, rates[i]),
				 3);
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
		evaluate_percent(fnmr, key, miss, 3);
		json_object_set_new(cuts, key, jsonvalue_real(cut, 4));
	}
	json_object_set_new(out, "fnmr_at_fmr", fnmr);
	json_object_set_new(out, "threshold_at_fmr", cuts);
	json_object_set_new(out, "genuine_comparisons",
			    json_integer((json_int_t)h->genuine_count));
	json_object_set_new(out, "impostor_comparisons",
			    json_integer((json_int_t)h->impostor_count));
}

/* The errata of the row that a thread is at. */
struct marks {
	size_t row; /* or SIZE_MAX */
	bool any;
	bool *skip; /* of each picture */
};

struct walk {
	const struct evaluation *ev;
	evaluate_fn *fn;
	void *ctx;
	struct marks marks[PARALLEL_MAX];
};

static void walk_row(void *ctx, unsigned thread, size_t i, size_t first,
		     float *scores, size_t n)
{
	struct walk *w = ctx;
	const struct evaluation *ev = w->ev;
	struct marks *m = &w->marks[thread];

	if (m->row != i) {
		if (m->any)
			memset(m->skip, 0,
			       ev->list->picture_count * sizeof(*m->skip));
		m->any = errata_mark(ev->errata, i, m->skip);
		m->row = i;
	}
	for (size_t k = 0; k < n; k++)
		if (!ev->m[i].found || !ev->m[first + k].found)
			scores[k] = EVALUATE_NO_FACE;
	w->fn(w->ctx, thread, i, first, scores, m->skip + first, n);
}

enum status evaluate_scan(const struct evaluation *ev, evaluate_fn *fn,
			  void *ctx, struct errinfo *err)
{
	struct walk w = { .ev = ev, .fn = fn, .ctx = ctx };
	size_t n = ev->list->picture_count;
	enum status st = ST_OK;

	for (unsigned i = 0; i < ev->threads; i++) {
		w.marks[i].row = SIZE_MAX;
		w.marks[i].skip = calloc(n, sizeof(bool));
		if (w.marks[i].skip == NULL)
			st = err_set(err, ST_NO_MEMORY,
				     "no memory for %zu pictures", n);
	}
	if (st == ST_OK)
		st = scan_all(ev->engine, ev->t, n, ev->threads, walk_row, &w,
			      err);
	for (unsigned i = 0; i < ev->threads; i++)
		free(w.marks[i].skip);
	return st;
}

/* One thread's part of the counting. */
struct part {
	struct score_histogram h;
	uint64_t left_out;
};

struct counting {
	const struct pair_picture *pictures;
	struct part part[PARALLEL_MAX];
};

static void count_row(void *ctx, unsigned thread, size_t i, size_t first,
		      const float *scores, const bool *skip, size_t n)
{
	struct counting *c = ctx;
	struct part *p = &c->part[thread];
	unsigned person = c->pictures[i].person;

	for (size_t k = 0; k < n; k++) {
		if (skip[k])
			p->left_out++;
		else
			metrics_count(&p->h, scores[k],
				      c->pictures[first + k].person == person);
	}
}

enum status evaluate_all(const struct evaluation *ev, struct score_histogram *h,
			 json_t *out, struct errinfo *err)
{
	struct counting *c = calloc(1, sizeof(*c));
	uint64_t left_out = 0;
	enum status st;

	if (c == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory");
	c->pictures = ev->list->pictures;
	st = evaluate_scan(ev, count_row, c, err);
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < ev->threads; i++) {
		metrics_merge(h, &c->part[i].h);
		left_out += c->part[i].left_out;
	}
	free(c);
	if (st != ST_OK)
		return st;
	add_rates(h, out);
	json_object_set_new(out, "errata",
			    json_pack("{s:I, s:I, s:I}", "used",
				      (json_int_t)ev->errata->count, "unused",
				      (json_int_t)ev->errata->unused,
				      "comparisons", (json_int_t)left_out));
	return ST_OK;
}
