/* Quality of a picture, and what leaving out the worst pictures buys. */
#ifndef FACEGATE_QUALITY_H
#define FACEGATE_QUALITY_H

#include <jansson.h>

#include "evaluate.h"
#include "status.h"

/* How frontal a face is: the nose tip's distances from the two eyes, along
 * the line through them, the shorter over the longer. 1 is frontal; 0 when
 * the nose lies at or outside an eye, or the eyes coincide. */
double quality_frontalness(const float landmarks[5][2]);

/* error_vs_reject: for each measure, percent of genuine comparisons missed
 * when the worst pictures by that measure, in steps up to 20 %, are left out
 * with all their comparisons. The cuts are those of h, over all pictures: a
 * door's cut does not move with the picture. Also quality_table: for each
 * share, the embedding length that so many of the pictures with a face lie
 * below. */
enum status quality_report(const struct evaluation *ev,
			   const struct score_histogram *h, json_t *out,
			   struct errinfo *err) MUST_CHECK;

#endif
