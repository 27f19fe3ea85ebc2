/* Candidates of the detector and greedy non-maximum suppression over them. */
#ifndef FACEGATE_NMS_H
#define FACEGATE_NMS_H

#include <stddef.h>
#include <stdint.h>

/* A candidate face in pixels of the working picture. */
struct candidate {
	float x1, y1, x2, y2;
	float score;	/* face probability, (0, 1) */
	float shift[4]; /* corrections of x1, y1, x2, y2 in box sizes */
};

enum nms_measure {
	NMS_UNION,  /* intersection over union */
	NMS_MINIMUM /* intersection over the smaller, sizes counted inclusive */
};

/* Sorts the candidates by falling score (equal scores by their place) and
 * keeps those that overlap no better one by more than limit. Returns how many
 * stay, at the front. order is scratch for n indices. */
size_t nms_run(struct candidate *c, size_t n, float limit,
	       enum nms_measure measure, uint16_t *order);

#endif
