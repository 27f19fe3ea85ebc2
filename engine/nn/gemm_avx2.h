/* Sums of products on 256-bit vectors, in 16 bits; with AVX-VNNI the product
 * and the sum are one instruction. */
#ifndef FACEGATE_GEMM_AVX2_H
#define FACEGATE_GEMM_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "nn/store_avx2.h"

#define TILE                                                                   \
	3 /* pixels at a time: 12 sums, weights and inputs in 16 registers */

#define INLINE static inline __attribute__((always_inline))

/* Adds the products of two pairs to each 32-bit sum. */
INLINE __m256i multiply_add(__m256i sum, __m256i a, __m256i b)
{
#ifdef __AVXVNNI__
	return _mm256_dpwssd_avx_epi32(sum, a, b);
#else
	return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

INLINE __m256i load4_s8(const void *in, size_t at)
{
	int32_t v;

	memcpy(&v, (const int8_t *)in + at, sizeof(v));
	return _mm256_cvtepi8_epi16(_mm_set1_epi32(v));
}

INLINE __m256i load4_s16(const void *in, size_t at)
{
	long long v;

	memcpy(&v, (const int16_t *)in + at, sizeof(v));
	return _mm256_set1_epi64x(v);
}

/* Sixteen sums over one plane of weights for each of `tile` pixels from p, to
 * out[tile][2]. A vector holds 4 outputs x 4 inputs; multiply-add leaves two
 * partial sums an output, joined at the end. */
INLINE void sums(const struct k_gemm *g, size_t p, const int8_t *w, size_t step,
		 int tile, int is_s16, __m256i (*out)[2])
{
	__m256i acc[TILE][4];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 4; i++)
			acc[t][i] = _mm256_setzero_si256();
	for (size_t k = 0; k < g->groups; k++, w += step) {
		__m256i a[TILE];

		for (int t = 0; t < tile; t++) {
			size_t at = (p + (size_t)t) * g->in_step + 4 * k;

			a[t] = is_s16 ? load4_s16(g->in, at)
				      : load4_s8(g->in, at);
		}
		for (int i = 0; i < 4; i++) {
			__m256i b = _mm256_cvtepi8_epi16(_mm_load_si128(
				(const __m128i *)(const void *)(w + 16 * i)));

			for (int t = 0; t < tile; t++)
				acc[t][i] = multiply_add(acc[t][i], a[t], b);
		}
	}
	for (int t = 0; t < tile; t++) {
		out[t][0] = _mm256_permute4x64_epi64(
			_mm256_hadd_epi32(acc[t][0], acc[t][1]), 0xD8);
		out[t][1] = _mm256_permute4x64_epi64(
			_mm256_hadd_epi32(acc[t][2], acc[t][3]), 0xD8);
	}
}

INLINE void block(const struct k_gemm *g, const struct requant16 *q, size_t p,
		  size_t o0, const int8_t *w, int tile, int is_s16, int wide)
{
	const __m256i *bias = (const __m256i *)(const void *)(g->rq->bias + o0);
	__m256i low[TILE][2], high[TILE][2];

	sums(g, p, w, wide ? 128 : 64, tile, is_s16, low);
	if (wide)
		sums(g, p, w + 64, 128, tile, is_s16, high);
	for (int t = 0; t < tile; t++) {
		__m256 s[2];

		for (int i = 0; i < 2; i++) {
			s[i] = _mm256_cvtepi32_ps(_mm256_add_epi32(
				low[t][i], _mm256_loadu_si256(bias + i)));
			if (wide)
				s[i] = _mm256_add_ps(
					_mm256_mul_ps(
						_mm256_cvtepi32_ps(high[t][i]),
						_mm256_set1_ps(256.0f)),
					s[i]);
		}
		store16(g, q, p + (size_t)t, o0, s[0], s[1]);
	}
}

INLINE void gemm(const struct k_gemm *g, int is_s16, int wide)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels;
	     o0 += 16, w += g->groups * (wide ? 128 : 64)) {
		const struct requant16 q = load_requant16(g->rq, o0);
		size_t p = 0;

		for (; p + TILE <= g->pixels; p += TILE)
			block(g, &q, p, o0, w, TILE, is_s16, wide);
		for (; p < g->pixels; p++)
			block(g, &q, p, o0, w, 1, is_s16, wide);
	}
}

#endif
