/* Area resampling into a net's input, s16 or f32: every output pixel is the
 * plain average of the picture pixels in its window, exact in integers.
 *
 * Output row i of h covers picture rows floor(i * H / h) to
 * ceil((i + 1) * H / h), columns alike, which is what adaptive average pooling
 * does; when enlarging, windows are one or two pixels and overlap.
 * Pixels outside the picture count as black. */
#ifndef FACEGATE_SHRINK_H
#define FACEGATE_SHRINK_H

#include "image/image.h"
#include "nn/kernels.h"

/* The part of the plane that is resampled; it may leave the picture. */
struct window {
	long x, y;		/* top left, picture pixels */
	uint32_t width, height; /* 1 .. SHRINK_SIDE_MAX */
};

/* Averages over more pixels than this could lose bits: 255 * n < 2^24. */
#define SHRINK_SIDE_MAX 65536

/* Columns [col0, col0 + cols) of a window resampled to width x height, RGB of
 * the given type by the pixel rule of docs/model-format.md. sums is scratch for
 * SHRINK_SUMS numbers. */
#define SHRINK_SUMS 1024
struct shrink {
	const struct image *img;
	struct window win;
	uint32_t width, height;
	uint32_t col0, cols;
	enum fgm_type type; /* FGM_S16 or FGM_F32 */
	const struct k_table *k;
	uint32_t *sums;
};

/* Writes row y: 3 * cols numbers. Fits struct nn_source. */
void shrink_row(void *shrink, uint32_t y, void *out);

#endif
