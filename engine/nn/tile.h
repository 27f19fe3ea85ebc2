/* How a conv is cut into tiles: shared by the planner, which reserves the
 * scratch, and the runner, which fills it. */
#ifndef FACEGATE_TILE_H
#define FACEGATE_TILE_H

#include "model/model.h"

#define TILE_BYTES                                                             \
	16384 /* windows gathered at a time, about half an L1 cache */
#define TILE_PIXELS_MAX 64

/* A 1x1 conv of stride 1 without padding reads its input where it lies, when
 * the kernels' groups of four end with the pixel. */
static inline int nn_reads_in_place(const struct fgm_layer *l)
{
	return l->op == FGM_CONV && l->kernel_h == 1 && l->kernel_w == 1 &&
	       l->stride == 1 && l->pad_top == 0 && l->pad_left == 0 &&
	       l->pad_bottom == 0 && l->pad_right == 0 &&
	       l->in_channels % FGM_K_GROUP == 0;
}

static inline size_t nn_tile_pixels(const struct fgm_layer *l)
{
	size_t window = fgm_k_padded(l) * fgm_type_bytes(l->in_type);
	size_t n = TILE_BYTES / window;

	return n == 0 ? 1 : n > TILE_PIXELS_MAX ? TILE_PIXELS_MAX : n;
}

/* Windows are copied sixteen bytes at a time, past their ends. */
#define NN_OVERRUN 16

static inline size_t nn_scratch_bytes(const struct fgm_layer *l)
{
	if (l->op != FGM_CONV || nn_reads_in_place(l))
		return 0;
	return nn_tile_pixels(l) * fgm_k_padded(l) * fgm_type_bytes(l->in_type);
}

#endif
