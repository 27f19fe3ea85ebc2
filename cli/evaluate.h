/* What evaluate measured of each picture, and the kinds of scoring. Each adds
 * members to a JSON object; docs/cli.md says what they mean. Shares are
 * percent, as everywhere in that object. */
#ifndef FACEGATE_EVALUATE_H
#define FACEGATE_EVALUATE_H

#include <jansson.h>
#include <stdbool.h>

#include "engine.h"
#include "errata.h"
#include "metrics.h"
#include "pairs.h"
#include "status.h"

/* The score of a comparison in which one picture has no face: nobody. */
#define EVALUATE_NO_FACE -1.0f

struct measured {
	bool found;
	struct face face; /* of pictures with one; so is the template */
	struct engine_receipt cost;
};

struct evaluation {
	const struct engine *engine;
	const struct pair_list *list;
	const struct measured *m;      /* of each picture of the list */
	const struct face_template *t; /* the same */
	const struct errata *errata;
	unsigned threads;
};

/* The score of two pictures of the list. */
float evaluate_score(const struct evaluation *ev, size_t a, size_t b);

/* Takes the scores of picture i with pictures first .. first + n - 1, where
 * first > i; those with skip[k] are errata. A thread makes one call at a
 * time. */
typedef void evaluate_fn(void *ctx, unsigned thread, size_t i, size_t first,
			 const float *scores, const bool *skip, size_t n);

/* Compares every two pictures of the list once. */
enum status evaluate_scan(const struct evaluation *ev, evaluate_fn *fn,
			  void *ctx, struct errinfo *err) MUST_CHECK;

/* Takes the score of two pictures i < j of one person. */
typedef void evaluate_pair_fn(void *ctx, size_t i, size_t j, double score);

/* Compares every two pictures of one person but the errata, person after
 * person, on the caller's thread. */
enum status evaluate_genuine(const struct evaluation *ev, evaluate_pair_fn *fn,
			     void *ctx, struct errinfo *err) MUST_CHECK;

/* The listed pairs: accuracy, accuracy_std, threshold, tar_at_far. */
enum status evaluate_pairs(const struct evaluation *ev, json_t *out,
			   struct errinfo *err) MUST_CHECK;

/* Every two different pictures of the list but the errata: fnmr_at_fmr,
 * threshold_at_fmr, fnmr_by_person and the counts behind them. Fills the
 * caller's h. */
enum status evaluate_all(const struct evaluation *ev, struct score_histogram *h,
			 json_t *out, struct errinfo *err) MUST_CHECK;

/* Adds a share as percent, null where it is not a number. */
void evaluate_percent(json_t *o, const char *key, double share, int digits);

/* The report as text. */
void evaluate_print(const json_t *o);

/* Moves the landmarks to where they align to the box with a fixed margin. */
void evaluate_margin_crop(struct face *f);

#endif
