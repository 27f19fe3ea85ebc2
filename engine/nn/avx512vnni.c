/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI: one instruction multiplies and
 * adds a whole group of four for sixteen outputs. */
#include "nn/levels.h"
#include "nn/store_avx2.h"

#define TILE 6
#define INLINE static inline __attribute__((always_inline))

INLINE void store(const struct k_gemm *g, size_t p, size_t o0, __m512i acc)
{
	acc = _mm512_add_epi32(acc, _mm512_loadu_si512(g->rq->bias + o0));
	store16(g, p, o0, _mm512_castsi512_si256(acc),
		_mm512_extracti64x4_epi64(acc, 1));
}

/* VNNI multiplies unsigned by signed bytes: inputs are shifted up by 128, and
 * `shift`, 128 times the sum of the weights, is taken off again. */
INLINE void block_s8(const struct k_gemm *g, size_t p, size_t o0,
		     const int8_t *w, __m512i shift, int tile)
{
	const int8_t *in = (const int8_t *)g->in + p * g->in_step;
	const __m512i flip = _mm512_set1_epi8((char)0x80);
	__m512i acc[TILE];

	for (int t = 0; t < tile; t++)
		acc[t] = _mm512_setzero_si512();
	for (size_t k = 0; k < g->groups; k++, w += 64) {
		__m512i b = _mm512_load_si512(w);

		for (int t = 0; t < tile; t++) {
			int32_t v;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			acc[t] = _mm512_dpbusd_epi32(
				acc[t],
				_mm512_xor_si512(_mm512_set1_epi32(v), flip),
				b);
		}
	}
	for (int t = 0; t < tile; t++)
		store(g, p + (size_t)t, o0, _mm512_sub_epi32(acc[t], shift));
}

static void gemm_s8(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		const __m512i half = _mm512_set1_epi8((char)0x80);
		__m512i shift = _mm512_setzero_si512();
		size_t p = 0;

		for (size_t k = 0; k < g->groups; k++)
			shift = _mm512_dpbusd_epi32(
				shift, half, _mm512_load_si512(w + 64 * k));
		for (; p + TILE <= g->pixels; p += TILE)
			block_s8(g, p, o0, w, shift, TILE);
		for (; p < g->pixels; p++)
			block_s8(g, p, o0, w, shift, 1);
	}
}

/* A vector holds 8 outputs x 4 inputs as pairs; lanes 2i and 2i + 1 are the two
 * partial sums of output i. */
INLINE void block_s16(const struct k_gemm *g, size_t p, size_t o0,
		      const int8_t *w, int tile)
{
	const int16_t *in = (const int16_t *)g->in + p * g->in_step;
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16,
					       18, 20, 22, 24, 26, 28, 30);
	const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19,
					      21, 23, 25, 27, 29, 31);
	__m512i acc[TILE][2];

	for (int t = 0; t < tile; t++)
		acc[t][0] = acc[t][1] = _mm512_setzero_si512();
	for (size_t k = 0; k < g->groups; k++, w += 64) {
		const __m256i *bytes = (const __m256i *)(const void *)w;
		__m512i b0 = _mm512_cvtepi8_epi16(_mm256_load_si256(bytes));
		__m512i b1 =
			_mm512_cvtepi8_epi16(_mm256_load_si256(bytes + 1));

		for (int t = 0; t < tile; t++) {
			long long v;
			__m512i a;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			a = _mm512_set1_epi64(v);
			acc[t][0] = _mm512_dpwssd_epi32(acc[t][0], a, b0);
			acc[t][1] = _mm512_dpwssd_epi32(acc[t][1], a, b1);
		}
	}
	for (int t = 0; t < tile; t++)
		store(g, p + (size_t)t, o0,
		      _mm512_add_epi32(
			      _mm512_permutex2var_epi32(acc[t][0], even,
							acc[t][1]),
			      _mm512_permutex2var_epi32(acc[t][0], odd,
							acc[t][1])));
}

static void gemm_s16(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		size_t p = 0;

		for (; p + TILE <= g->pixels; p += TILE)
			block_s16(g, p, o0, w, TILE);
		for (; p < g->pixels; p++)
			block_s16(g, p, o0, w, 1);
	}
}

const struct k_table k_table_avx512vnni = {
	.name = "avx512vnni",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.depthwise_s8 = k_depthwise_s8_avx2,
	.maxpool_s16 = k_maxpool_s16_avx2,
	.dot_s8 = k_dot_s8_avx2,
	.add_row_u8 = k_add_row_u8_avx2,
};
