/* x86-64 with AVX-VNNI, the 256-bit form that small processors have as well:
 * one instruction multiplies and adds a group of four for eight outputs. */
#include "nn/gemm_avx2.h"
#include "nn/levels.h"

/* Pixels at a time: 12 sums, weights, an input and what shifts it in 16
 * registers. */
#define TILE_S8 6

INLINE __m256i load_weights(const int8_t *w)
{
	return _mm256_load_si256((const __m256i *)(const void *)w);
}

/* The instruction multiplies unsigned by signed bytes: inputs are shifted up
 * by 128, and start, the bias less 128 times the sum of the weights, takes
 * that off again. */
INLINE void block_s8(const struct k_gemm *g, const struct requant16 *q,
		     size_t p, size_t o0, const int8_t *w, const __m256i *start,
		     int tile)
{
	const int8_t *in = (const int8_t *)g->in + p * g->in_step;
	const __m256i flip = _mm256_set1_epi8((char)0x80);
	__m256i acc[TILE_S8][2];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 2; i++)
			acc[t][i] = start[i];
	for (size_t k = 0; k < g->groups; k++, w += 64) {
		__m256i b0 = load_weights(w), b1 = load_weights(w + 32);

		for (int t = 0; t < tile; t++) {
			__m256i a;
			int32_t v;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			a = _mm256_xor_si256(_mm256_set1_epi32(v), flip);
			acc[t][0] = _mm256_dpbusd_avx_epi32(acc[t][0], a, b0);
			acc[t][1] = _mm256_dpbusd_avx_epi32(acc[t][1], a, b1);
		}
	}
	for (int t = 0; t < tile; t++)
		store16(g, q, p + (size_t)t, o0, _mm256_cvtepi32_ps(acc[t][0]),
			_mm256_cvtepi32_ps(acc[t][1]), SUMS_IN_ORDER);
}

/* Two sums a vector, because a sum waits for the one before. */
INLINE void start_s8(const struct k_gemm *g, const int8_t *w, size_t o0,
		     __m256i start[2])
{
	const __m256i half = _mm256_set1_epi8((char)0x80);
	__m256i shift[2][2];

	for (size_t i = 0; i < 2; i++)
		for (size_t odd = 0; odd < 2; odd++)
			shift[i][odd] = _mm256_setzero_si256();
	for (size_t k = 0; k + 2 <= g->groups; k += 2, w += 128)
		for (size_t i = 0; i < 2; i++)
			for (size_t odd = 0; odd < 2; odd++)
				shift[i][odd] = _mm256_dpbusd_avx_epi32(
					shift[i][odd], half,
					load_weights(w + 64 * odd + 32 * i));
	for (size_t i = 0; i < 2; i++) {
		const void *bias = g->rq->bias + o0 + 8 * i;

		if (g->groups % 2 != 0)
			shift[i][0] = _mm256_dpbusd_avx_epi32(
				shift[i][0], half, load_weights(w + 32 * i));
		start[i] = _mm256_sub_epi32(
			_mm256_loadu_si256(bias),
			_mm256_add_epi32(shift[i][0], shift[i][1]));
	}
}

static void gemm_s8(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		const struct requant16 q = load_requant16(g->rq, o0,
							  SUMS_IN_ORDER);
		__m256i start[2];
		size_t p = 0;

		start_s8(g, w, o0, start);
		for (; p + TILE_S8 <= g->pixels; p += TILE_S8)
			block_s8(g, &q, p, o0, w, start, TILE_S8);
		for (; p + 2 <= g->pixels; p += 2)
			block_s8(g, &q, p, o0, w, start, 2);
		for (; p < g->pixels; p++)
			block_s8(g, &q, p, o0, w, start, 1);
	}
}

const struct k_table k_table_avxvnni = {
	.name = "avxvnni",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.gemm_f32 = k_gemm_f32_avx2,
	.depthwise_s8 = k_depthwise_s8_avx2,
	.maxpool_s16 = k_maxpool_s16_avx2,
	.maxpool_f32 = k_maxpool_f32_avx2,
	.dot_rows_s8 = k_dot_rows_s8_avx2,
	.add_rows_u8 = k_add_rows_u8_avx2,
};
