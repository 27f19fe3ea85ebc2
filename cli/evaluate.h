/* What evaluate measured of each picture, for the two kinds of scoring. */
#ifndef FACEGATE_EVALUATE_H
#define FACEGATE_EVALUATE_H

#include <jansson.h>
#include <stdbool.h>

#include "engine.h"
#include "pairs.h"
#include "status.h"

/* The score of a comparison in which one picture has no face: nobody. */
#define EVALUATE_NO_FACE -1.0f

struct measured {
	struct face_template t;
	bool found;
	struct engine_receipt cost;
};

/* The listed pairs: accuracy, accuracy_std, threshold, tar_at_far. */
enum status evaluate_pairs(const struct pair_list *list,
			   const struct measured *m, json_t *out,
			   struct errinfo *err) MUST_CHECK;

/* Every two different pictures of the list but the errata: fnmr_at_fmr,
 * threshold_at_fmr and the counts behind them. */
enum status evaluate_all(const struct pair_list *list, const struct measured *m,
			 const struct errata *errata, json_t *out,
			 struct errinfo *err) MUST_CHECK;

/* Moves the landmarks to where they align to the box with a fixed margin. */
void evaluate_margin_crop(struct face *f);

#endif
