#include "quality.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum measure { LENGTH, INTER_EYE, CONFIDENCE, FRONTALNESS, MEASURES };
static const char *const names[MEASURES] = { "length", "inter_eye_px",
					     "confidence", "frontalness" };
static const double rates[] = { 1e-3, 1e-4 };
#define RATES (sizeof(rates) / sizeof(rates[0]))
/* Percent of the pictures left out. */
static const unsigned steps[] = { 0, 1, 2, 3, 5, 10, 20 };
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static const double shares[] = { 0.001, 0.01, 0.02, 0.03, 0.05, 0.1,
				 0.2,	0.3,  0.4,  0.5,  0.6,	0.7,
				 0.8,	0.9,  0.95, 0.99, 0.999 };

double quality_frontalness(const float landmarks[5][2])
{
	double x = (double)landmarks[1][0] - (double)landmarks[0][0];
	double y = (double)landmarks[1][1] - (double)landmarks[0][1];
	double square = x * x + y * y, at;

	if (!(square > 0))
		return 0;
	/* Where the nose is between the eyes: 0 at the left, 1 at the right. */
	at = (((double)landmarks[2][0] - (double)landmarks[0][0]) * x +
	      ((double)landmarks[2][1] - (double)landmarks[0][1]) * y) /
	     square;
	if (!(at > 0 && at < 1))
		return 0;
	return at < 0.5 ? at / (1 - at) : (1 - at) / at;
}

static double value(const struct evaluation *ev, size_t i, enum measure m)
{
	const struct face *f = &ev->m[i].face;

	if (!ev->m[i].found)
		return -1; /* the worst there is */
	switch (m) {
	case LENGTH:
		return (double)ev->t[i].length;
	case INTER_EYE:
		return (double)f->inter_eye_px;
	case CONFIDENCE:
		return (double)f->confidence;
	default:
		return quality_frontalness((const float(*)[2])f->landmarks);
	}
}

struct ranked {
	double value;
	size_t i;
};

/* The worst first; equal ones in the order of the list. */
static int by_value(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->value < y->value || x->value > y->value)
		return x->value < y->value ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

static void rank(const struct evaluation *ev, enum measure m, struct ranked *r)
{
	size_t n = ev->list->picture_count;

	for (size_t i = 0; i < n; i++)
		r[i] = (struct ranked){ value(ev, i, m), i };
	qsort(r, n, sizeof(*r), by_value);
}

struct counts {
	const double *cuts;
	/* Of each picture, the number of steps that it is part of. */
	uint8_t *stays;
	uint64_t genuine[STEPS], missed[STEPS][RATES];
};

/* A comparison stays at a step when both its pictures do. */
static void count(void *ctx, size_t i, size_t j, double score)
{
	struct counts *c = ctx;
	size_t to = c->stays[i] < c->stays[j] ? c->stays[i] : c->stays[j];

	for (size_t s = 0; s < to; s++) {
		c->genuine[s]++;
		for (size_t k = 0; k < RATES; k++)
			c->missed[s][k] += score < c->cuts[k];
	}
}

static json_t *counts_json(const struct counts *c)
{
	json_t *o = json_object();

	for (size_t k = 0; k < RATES; k++) {
		json_t *curve = json_object();
		char key[CLI_RATE_MAX];

		for (size_t s = 0; s < STEPS; s++) {
			double share = (double)c->missed[s][k] /
				       (double)c->genuine[s];

			snprintf(key, sizeof(key), "%u", steps[s]);
			evaluate_percent(curve, key,
					 isnan(c->cuts[k]) ? NAN : share, 3);
		}
		cli_rate_name(rates[k], key);
		json_object_set_new(o, key, curve);
	}
	return o;
}

/* The pictures without a face come first and are passed over. */
static json_t *table_json(const struct ranked *r, size_t n)
{
	json_t *o = json_object();

	while (n > 0 && r->value < 0) {
		r++;
		n--;
	}
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		size_t at = (size_t)(shares[i] * (double)n + 1e-9);
		char key[CLI_RATE_MAX];

		snprintf(key, sizeof(key), "%g", shares[i]);
		json_object_set_new(
			o, key, jsonvalue_real(at < n ? r[at].value : NAN, 3));
	}
	return o;
}

enum status quality_report(const struct evaluation *ev,
			   const struct score_histogram *h, json_t *out,
			   struct errinfo *err)
{
	size_t n = ev->list->picture_count;
	struct ranked *r = calloc(n, sizeof(*r));
	uint8_t *stays = calloc(n, sizeof(*stays));
	json_t *curves = json_object();
	enum status st = ST_OK;
	double cuts[RATES];

	for (size_t k = 0; k < RATES; k++)
		if (!metrics_cut_at_fmr(h, rates[k], &cuts[k]))
			cuts[k] = NAN;
	if (r == NULL || stays == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pictures",
			     n);
		goto done;
	}
	for (int m = 0; m < MEASURES && st == ST_OK; m++) {
		struct counts c = { .cuts = cuts, .stays = stays };

		rank(ev, (enum measure)m, r);
		if (m == LENGTH)
			json_object_set_new(out, "quality_table",
					    table_json(r, n));
		for (size_t k = 0; k < n; k++) {
			uint8_t to = 0;

			while (to < STEPS && k >= n * steps[to] / 100)
				to++;
			stays[r[k].i] = to;
		}
		st = evaluate_genuine(ev, count, &c, err);
		json_object_set_new(curves, names[m], counts_json(&c));
	}
	json_object_set(out, "error_vs_reject", curves);
done:
	json_decref(curves);
	free(r);
	free(stays);
	return st;
}
