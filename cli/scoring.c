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
	static const double fars[] = { 1e-2, 1e-3 };
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
	for (size_t i = 0; i < sizeof(fars) / sizeof(fars[0]); i++) {
		char key[CLI_RATE_MAX];

		cli_rate_name(fars[i], key);
		evaluate_percent(tar, key,
				 metrics_tar_at_far(pairs, n, order, fars[i]),
				 3);
	}
	json_object_set_new(out, "tar_at_far", tar);
done:
	free(pairs);
	free(order);
	return st;
}

static const double rates[] = { 1e-2, 3e-3, 1e-3, 3e-4, 1e-4,
				3e-5, 1e-5, 3e-6, 1e-6 };
#define RATES (sizeof(rates) / sizeof(rates[0]))

static void add_rates(const struct score_histogram *h, double cuts[RATES],
		      json_t *out)
{
	json_t *misses = json_object(), *list = json_object();

	for (size_t i = 0; i < RATES; i++) {
		double miss = NAN;
		char key[CLI_RATE_MAX];

		cuts[i] = NAN;
		cli_rate_name(rates[i], key);
		/* What is finer than one comparison stays null. */
		metrics_fnmr_at_fmr(h, rates[i], &miss, &cuts[i]);
		evaluate_percent(misses, key, miss, 3);
		json_object_set_new(list, key, jsonvalue_real(cuts[i], 4));
	}
	json_object_set_new(out, "fnmr_at_fmr", misses);
	json_object_set_new(out, "threshold_at_fmr", list);
	json_object_set_new(out, "genuine_comparisons",
			    json_integer((json_int_t)h->genuine_count));
	json_object_set_new(out, "impostor_comparisons",
			    json_integer((json_int_t)h->impostor_count));
}

enum status evaluate_genuine(const struct evaluation *ev, evaluate_pair_fn *fn,
			     void *ctx, struct errinfo *err)
{
	const struct pair_picture *p = ev->list->pictures;
	size_t n = ev->list->picture_count;
	bool *skip = calloc(n, sizeof(*skip));

	if (skip == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for %zu pictures",
			       n);
	for (size_t i = 0; i < n; i++) {
		bool marked = errata_mark(ev->errata, i, skip);

		for (size_t j = i + 1; j < n && p[j].person == p[i].person; j++)
			if (!skip[j])
				fn(ctx, i, j, (double)evaluate_score(ev, i, j));
		if (marked)
			memset(skip, 0, n * sizeof(*skip));
	}
	free(skip);
	return ST_OK;
}

/* Sums the rates of the persons, whose comparisons come one after another. */
struct by_person {
	const struct pair_picture *pictures;
	const double *cuts;
	unsigned person; /* at hand, with its counts */
	size_t all, missed[RATES];
	size_t people;
	double sums[RATES];
};

static void finish_person(struct by_person *b)
{
	for (size_t r = 0; b->all > 0 && r < RATES; r++)
		b->sums[r] += (double)b->missed[r] / (double)b->all;
	b->people += b->all > 0;
	b->all = 0;
	memset(b->missed, 0, sizeof(b->missed));
}

static void count_genuine(void *ctx, size_t i, size_t j, double score)
{
	struct by_person *b = ctx;

	(void)j;
	if (b->pictures[i].person != b->person)
		finish_person(b);
	b->person = b->pictures[i].person;
	b->all++;
	for (size_t r = 0; r < RATES; r++)
		b->missed[r] += score < b->cuts[r];
}

/* The mean over the persons of their own rates: in the plain rate a person of
 * n pictures counts n (n - 1) / 2 times. */
static enum status add_person_rates(const struct evaluation *ev,
				    const double cuts[RATES], json_t *out,
				    struct errinfo *err)
{
	struct by_person b = { .pictures = ev->list->pictures, .cuts = cuts };
	enum status st = evaluate_genuine(ev, count_genuine, &b, err);
	json_t *list;

	if (st != ST_OK)
		return st;
	finish_person(&b);
	list = json_object();
	for (size_t r = 0; r < RATES; r++) {
		char key[CLI_RATE_MAX];

		cli_rate_name(rates[r], key);
		evaluate_percent(
			list, key,
			isnan(cuts[r]) ? NAN : b.sums[r] / (double)b.people, 3);
	}
	json_object_set_new(out, "fnmr_by_person", list);
	json_object_set_new(out, "genuine_people",
			    json_integer((json_int_t)b.people));
	return ST_OK;
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
	double cuts[RATES];
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
	add_rates(h, cuts, out);
	json_object_set_new(out, "errata",
			    json_pack("{s:I, s:I, s:I}", "used",
				      (json_int_t)ev->errata->count, "unused",
				      (json_int_t)ev->errata->unused,
				      "comparisons", (json_int_t)left_out));
	return add_person_rates(ev, cuts, out, err);
}
