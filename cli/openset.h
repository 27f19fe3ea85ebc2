/* Open-set identification: who is at the door, when most are strangers. */
#ifndef FACEGATE_OPENSET_H
#define FACEGATE_OPENSET_H

#include <jansson.h>

#include "evaluate.h"
#include "status.h"

#define OPENSET_TRIALS	10
#define OPENSET_GALLERY 1000 /* persons, at most */
#define OPENSET_FAR	0.01 /* share of impostor probes let in */

/* After the open-set part of BLUFR (Liao, Lei, Yi, Li: A Benchmark Study of
 * Large-Scale Unconstrained Face Recognition, 2014). In each of ten random
 * trials the gallery has one picture each of persons who have more; their
 * other pictures are genuine probes, all pictures of everybody else impostor
 * probes. The cut is the lowest at which no more than OPENSET_FAR of the
 * impostor probes match anyone; the rank-1 detection and identification rate
 * is the share of genuine probes whose best match passes it and is right.
 * Adds open_set. */
enum status openset_report(const struct evaluation *ev, json_t *out,
			   struct errinfo *err) MUST_CHECK;

#endif
