/* What follows P-Net: R-Net and O-Net look at its candidates, one by one.
 *
 * A candidate's box is corrected by its shift only after suppression, so each
 * step leaves shifts for the next to apply. Memory: the caller's, as struct
 * mtcnn_run says. Threads: one run belongs to one thread. */
#ifndef FACEGATE_REFINE_H
#define FACEGATE_REFINE_H

#include <stdbool.h>

#include "face/mtcnn.h"
#include "face/nms.h"

#define RNET_SIDE      24
#define ONET_SIDE      48
#define RNET_MAX       768 /* candidates that R-Net looks at */
#define ONET_MAX       128
#define REFINE_OVERLAP 0.7f

/* What one search of a picture works with: all of it from the arena's tail. */
struct mtcnn_run {
	const struct mtcnn *d;
	const struct image *img;
	struct candidate *c;
	size_t count;
	/* P-Net's strips. */
	uint8_t *area;
	size_t area_bytes;
	/* R- and O-Net's, behind the first RNET_MAX candidates. */
	uint8_t *nets;
	/* Sums of columns; and between rows, when there are none, the order of
	 * the candidates. */
	uint32_t *sums;
	uint16_t *order;
};

/* Where O-Net saw a face's landmarks: five times x, y. */
typedef float refine_marks[10];

/* The probability of a face, from two logits: not a face, a face. */
float refine_score(const float *logits);

/* Applies P-Net's shifts to the candidates from the given one on and makes
 * their boxes square. */
void refine_pnet(struct mtcnn_run *r, size_t from);

/* Keeps, of the candidates from the given one on, those that R-Net takes for
 * faces. Reads no more than RNET_MAX in all. */
void refine_look(struct mtcnn_run *r, size_t from);

/* Suppresses among what R-Net left, applies its shifts, makes squares. */
void refine_rnet(struct mtcnn_run *r);

/* Whether O-Net finds a face of that score and width in one candidate alone:
 * in that of which R-Net is surest, among those large enough. Tells for little
 * whether refine_onet is worth its time. */
bool refine_glance(struct mtcnn_run *r, float width_px, float score);

/* Keeps the faces, by falling score; marks has room for ONET_MAX. Those of
 * candidate c are marks[(size_t)c.shift[0]]. */
void refine_onet(struct mtcnn_run *r, refine_marks *marks);

#endif
