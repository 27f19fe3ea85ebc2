/* MTCNN: P-Net over a pyramid, R-Net and O-Net over candidates.
 *
 * After Zhang et al. 2016, with the authors' thresholds. The pyramid is never
 * stored: each level is computed from the working picture in strips of columns,
 * row by row, just before P-Net needs it. Candidates live in one array of fixed
 * size. Memory: scratch from the arena's tail, scratch_bytes at least; what
 * more there is makes the strips wider, which saves time and changes no bit
 * (unless the array is full: which weak candidates go depends on the strips).
 * Threads: struct mtcnn is read-only after mtcnn_open.
 */
#ifndef FACEGATE_MTCNN_H
#define FACEGATE_MTCNN_H

#include "facetypes.h"
#include "image/image.h"
#include "mem/arena.h"
#include "nn/nn.h"
#include "status.h"

/* Neither side of a working picture is longer. */
#define MTCNN_SIDE_MAX_PX 1280
#define MTCNN_FACE_MIN_PX 20

struct mtcnn {
	const struct model *model;
	const struct fgm_net *pnet, *rnet, *onet;
	const struct k_table *k;
	struct nn_plan rplan, oplan;
	unsigned min_face_px;	/* 0: by picture */
	size_t strip_bytes_max; /* what P-Net's widest strip takes */
	size_t scratch_bytes;	/* the least that a run needs */
};

/* min_face_px is in pixels of the working picture, 12 or more; with 0 it is a
 * tenth of the short side of each picture, but MTCNN_FACE_MIN_PX at least.
 * ST_BAD_MODEL unless the file holds the three nets in their known shapes. */
enum status mtcnn_open(struct mtcnn *d, const struct model *m,
		       const struct k_table *k, unsigned min_face_px,
		       struct errinfo *err) MUST_CHECK;

/* Every face; or the largest one and what else is found on the way to it: the
 * search ends when a face of confidence 0.95 is the largest so far, and wider
 * than what the finer levels of the pyramid are for. Where there is none such
 * it finds every face, the same bits. */
enum mtcnn_goal { MTCNN_ALL, MTCNN_LARGEST };

/* Finds faces in the picture, in its own pixels, and tells the largest of them,
 * the largest box first, at most cap. inter_eye_px is filled in too. */
enum status mtcnn_run(const struct mtcnn *d, struct arena *pool,
		      const struct image *img, enum mtcnn_goal goal,
		      struct face *faces, size_t cap, size_t *count,
		      struct errinfo *err) MUST_CHECK;

#endif
