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

/* Writes rows [row0, row0 + rows) of the window resampled to out_width x
 * out_height, RGB of the given type by the pixel rule of docs/model-format.md.
 * sums is scratch for 3 * (columns of the window inside the picture) numbers.
 */
void shrink_rows(const struct image *img, const struct window *win,
		 uint32_t out_width, uint32_t out_height, uint32_t row0,
		 uint32_t rows, const struct k_table *k, uint32_t *sums,
		 enum fgm_type type, void *out);

#endif
