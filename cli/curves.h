/* Scores and pictures as CSV files, to be plotted elsewhere. */
#ifndef FACEGATE_CURVES_H
#define FACEGATE_CURVES_H

#include "evaluate.h"
#include "status.h"

/* Writes pictures.csv and pairs.csv into dir, which is made if it is missing,
 * and with h histogram.csv. Existing files are replaced. Errors name the
 * file. */
enum status curves_write(const char *dir, const struct evaluation *ev,
			 const struct score_histogram *h,
			 struct errinfo *err) MUST_CHECK;

#endif
