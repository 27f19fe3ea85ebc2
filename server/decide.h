/* The one room that says allow, deny or unsure. Pure logic: knows neither HTTP,
 * JSON nor SQL. */
#ifndef FACEGATE_DECIDE_H
#define FACEGATE_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facetypes.h"
#include "status.h"

enum decision { DECIDE_ALLOW, DECIDE_DENY, DECIDE_UNSURE };

/* "allow", "deny", "unsure". */
const char *decide_word(enum decision d);

/* What a picture is for: how much company the person may have in it. */
enum decide_purpose {
	DECIDE_ENROL, /* nobody else near the person's size */
	DECIDE_PROBE  /* people in the background are fine */
};

/* Chooses the person among faces sorted by falling box area: the largest.
 * ST_NO_FACE, ST_SEVERAL_FACES (another confident face at least half as wide,
 * for a probe at least 0.8 times) or ST_FACE_TOO_SMALL (eyes closer than
 * min_inter_eye_px; limit and found are set). */
enum status decide_person(const struct face *faces, size_t count,
			  enum decide_purpose purpose, int64_t min_inter_eye_px,
			  struct errinfo *err) MUST_CHECK;

/* Whether a template's quality (0 to 100, engine_quality) is good enough to
 * enrol or to be judged by: ST_LOW_QUALITY below min (limit and found, rounded
 * down, are set). */
enum status decide_quality(float quality, int64_t min,
			   struct errinfo *err) MUST_CHECK;

/* The false match rate one comparison may have so that a search over `count`
 * templates stays within target: target / count. */
double decide_search_fmr(double target_fmr, size_t count);

/* Score against cut. From a picture of low quality it is DECIDE_UNSURE whatever
 * the score: such pictures of the right person often miss the cut, so a miss
 * says little, and a match is not worth a door. */
enum decision decide_score(float score, float cut, bool low_quality,
			   const char **reason);

/* A score as DeepStack's confidence, in hundredths from 0 to 1: the cut is
 * 0.67, the least that a DeepStack client takes for a match unless told
 * otherwise, a score of 1 is 1 and -1 is 0, and in between it is linear. */
double decide_confidence(float score, float cut);

#endif
