/* Error rates within coarse groups of people, from a file of attributes. */
#ifndef FACEGATE_GROUPS_H
#define FACEGATE_GROUPS_H

#include <jansson.h>
#include <stdint.h>

#include "evaluate.h"
#include "pairs.h"
#include "status.h"

struct groups {
	uint16_t *of; /* of each picture of the list: a bit for each group */
	size_t known; /* pictures of the list that are in any */
};

/* Reads a file in the format of LFW's attributes (Kumar, Berg, Belhumeur,
 * Nayar 2009): a line that begins with # and names the columns, separated by
 * tabs, the first two being person and imagenum; then a line a picture, a
 * number a column, larger where the attribute is more likely and above 0
 * where it is present, or - where it is not known. What is not known, or has no
 * column, makes a picture part of no group. Spaces in a person's name stand for
 * underscores. Pictures that the list has not are passed over. Errors name the
 * line. groups_free is safe after either. */
enum status groups_read(const char *path, const struct pair_list *list,
			struct groups *out, struct errinfo *err) MUST_CHECK;
void groups_free(struct groups *groups);

/* groups: for each, its pictures, and the error rates at the cut of false
 * match rate 1e-4 over all pictures (h) among comparisons of two pictures of
 * the group. */
enum status groups_report(const struct evaluation *ev,
			  const struct groups *groups,
			  const struct score_histogram *h, json_t *out,
			  struct errinfo *err) MUST_CHECK;

#endif
