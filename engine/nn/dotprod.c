/* 64-bit ARM with the dot product instructions: one multiplies and adds a
 * whole group of four for four outputs. */
#include "nn/levels.h"
#include "nn/store_neon.h"

#define TILE 4 /* pixels at a time: 16 sums of 32 vector registers */

/* sum + b * a's group number `lane` */
INLINE int32x4_t dot_lane(int32x4_t sum, int8x16_t b, int8x16_t a, int lane)
{
	switch (lane) {
	case 0:
		return vdotq_laneq_s32(sum, b, a, 0);
	case 1:
		return vdotq_laneq_s32(sum, b, a, 1);
	case 2:
		return vdotq_laneq_s32(sum, b, a, 2);
	default:
		return vdotq_laneq_s32(sum, b, a, 3);
	}
}

INLINE void block_s8(const struct k_gemm *g, const struct requant16 *q,
		     size_t p, size_t o0, const int8_t *w, int tile)
{
	const int8_t *in = (const int8_t *)g->in + p * g->in_step;
	int32x4_t acc[TILE][4];
	size_t k = 0;

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 4; i++)
			acc[t][i] = vdupq_n_s32(0);
	for (; k + 4 <= g->groups; k += 4) {
		int8x16_t a[TILE];

		for (int t = 0; t < tile; t++)
			a[t] = vld1q_s8(in + (size_t)t * g->in_step + 4 * k);
		for (int lane = 0; lane < 4; lane++, w += 64)
			for (int i = 0; i < 4; i++) {
				int8x16_t b = vld1q_s8(w + 16 * i);

				for (int t = 0; t < tile; t++)
					acc[t][i] = dot_lane(acc[t][i], b, a[t],
							     lane);
			}
	}
	for (; k < g->groups; k++, w += 64) {
		for (int t = 0; t < tile; t++) {
			int32_t v;
			int8x16_t a;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			a = vreinterpretq_s8_s32(vdupq_n_s32(v));
			for (int i = 0; i < 4; i++)
				acc[t][i] = vdotq_s32(acc[t][i],
						      vld1q_s8(w + 16 * i), a);
		}
	}
	for (int t = 0; t < tile; t++)
		store_sums(g, q, p + (size_t)t, o0, acc[t], NULL);
}

static void gemm_s8(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		const struct requant16 q = load_requant16(g->rq, o0);
		size_t p = 0;

		for (; p + TILE <= g->pixels; p += TILE)
			block_s8(g, &q, p, o0, w, TILE);
		for (; p < g->pixels; p++)
			block_s8(g, &q, p, o0, w, 1);
	}
}

static void dot_rows_s8(const int8_t (*rows)[TEMPLATE_DIM],
			const int8_t probe[TEMPLATE_DIM], size_t n,
			int32_t *sums)
{
	int8x16_t p[TEMPLATE_DIM / 16];

	for (size_t j = 0; j < TEMPLATE_DIM / 16; j++)
		p[j] = vld1q_s8(probe + 16 * j);
	for (size_t i = 0; i < n; i++) {
		int32x4_t sum = vdupq_n_s32(0);

		k_fetch_rows_ahead(rows + i, 1);
		for (size_t j = 0; j < TEMPLATE_DIM / 16; j++)
			sum = vdotq_s32(sum, vld1q_s8(rows[i] + 16 * j), p[j]);
		sums[i] = vaddvq_s32(sum);
	}
}

const struct k_table k_table_dotprod = {
	.name = "dotprod",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = k_gemm_s16_neon,
	.gemm_f32 = k_gemm_f32_neon,
	.depthwise_s8 = k_depthwise_s8_neon,
	.maxpool_s16 = k_maxpool_s16_neon,
	.maxpool_f32 = k_maxpool_f32_neon,
	.dot_rows_s8 = dot_rows_s8,
	.add_rows_u8 = k_add_rows_u8_neon,
};
