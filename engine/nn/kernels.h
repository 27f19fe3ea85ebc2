/* The inner loops, one table of functions per instruction set level.
 *
 * scalar.c is the definition of right; every other level gives the same bits.
 * The arithmetic and the packing of weights are those of docs/model-format.md.
 * Kernels never read outside the operands described here, and write only the
 * outputs. All pointers may be unaligned except weights (64 bytes).
 */
#ifndef FACEGATE_KERNELS_H
#define FACEGATE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "facetypes.h"
#include "model/format.h"

/* How int32 sums become outputs. bias, scale and slope have room for the
 * channels rounded up to 16; slope is NULL when the layer has none. */
struct k_requant {
	const int32_t *bias;
	const uint16_t *scale; /* bf16 */
	const int16_t *slope;  /* in slope_unit */
	float slope_unit;
	enum fgm_type out_type;
	int32_t out_zero, out_min, out_max;
	int32_t res_zero;
	float res_scale;
};

/* pixels x channels outputs, each a sum over 4 * groups products. */
struct k_gemm {
	const void *in; /* s8 or s16: pixel p starts at in + p * in_step */
	size_t in_step; /* elements */
	size_t pixels;
	size_t groups;	       /* of FGM_K_GROUP inputs */
	const int8_t *weights; /* none is -128 where the input is s8 */
	int wide;	       /* weights have two planes (s16 input only) */
	size_t channels;
	void *out;	      /* out_type: pixel p at out + p * out_step */
	size_t out_step;      /* elements */
	const void *residual; /* of the output's type, or NULL; may be out */
	size_t residual_step; /* elements */
	const struct k_requant *rq;
};

/* A row of out_pixels pixels of a depthwise conv. Output pixel x sums, over ky
 * and kx, channels inputs at rows[ky] + x * in_step + kx * pixel_step times
 * channels weights at weights + (ky * kernel_w + kx) * weight_step. The rows
 * hold the padding, so that every window lies inside them. */
struct k_depthwise {
	const int8_t *const *rows; /* kernel_h of them */
	size_t kernel_h, kernel_w;
	size_t pixel_step;     /* elements */
	size_t in_step;	       /* elements: the stride times pixel_step */
	size_t out_pixels;     /* at least one */
	const int8_t *weights; /* none is -128 */
	size_t weight_step;    /* channels rounded up to 16 */
	size_t channels;
	int8_t *out;
	size_t out_step; /* elements from output pixel to output pixel */
	const struct k_requant *rq;
};

/* The same in binary32: pixels x channels outputs, each starting from its bias
 * and adding k products in order, every product and every sum rounded once (no
 * fused multiply-add). Weights lie as [block of 16 outputs][k][16]; bias, slope
 * and weights have room for the channels rounded up to 16. Negative sums are
 * multiplied by their slope unless slope is NULL. */
struct k_gemm_f32 {
	const float *in;
	size_t in_step; /* elements */
	size_t pixels;
	size_t k;
	const float *weights;
	const float *bias, *slope;
	size_t channels;
	float *out;
	size_t out_step; /* elements */
};

struct k_table {
	const char *name; /* "scalar", "avx2", ... */
	void (*gemm_s8)(const struct k_gemm *g);
	void (*gemm_s16)(const struct k_gemm *g);
	void (*gemm_f32)(const struct k_gemm_f32 *g);
	void (*depthwise_s8)(const struct k_depthwise *d);
	/* out[i] = max over taps of taps[t][i], i < channels. */
	void (*maxpool_s16)(const int16_t *const *taps, size_t tap_count,
			    size_t channels, int16_t *out);
	void (*maxpool_f32)(const float *const *taps, size_t tap_count,
			    size_t channels, float *out);
	/* sums[i] = dot product of templates rows[i] and probe, i < n. */
	void (*dot_rows_s8)(const int8_t (*rows)[TEMPLATE_DIM],
			    const int8_t probe[TEMPLATE_DIM], size_t n,
			    int32_t *sums);
	/* sums[i] += rows[r * step + i] for each of r < count, i < n. */
	void (*add_rows_u8)(uint32_t *sums, const uint8_t *rows, size_t step,
			    size_t count, size_t n);
};

/* The best level this processor has, or the one named (NULL: best). Returns
 * NULL when the named one is unknown or not available here. Call it before
 * threads start; tables are constant. */
const struct k_table *k_select(const char *name);

/* Every level this processor can run, scalar first; returns how many. */
#define K_LEVELS_MAX 8
size_t k_available(const struct k_table *tables[K_LEVELS_MAX]);

extern const struct k_table k_table_scalar;

#endif
