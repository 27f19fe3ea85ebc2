/* Sums of products on 256-bit vectors, in 16 bits; with AVX-VNNI the product
 * and the sum are one instruction. */
#ifndef FACEGATE_GEMM_AVX2_H
#define FACEGATE_GEMM_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "nn/store_avx2.h"

/* Pixels at a time: 12 sums, two vectors of weights, an input and a product in
 * 16 registers. */
#define TILE 6
/* With two planes: fewer sizes of tile cost little time and spare code. */
#define TILE_WIDE 4

/* Adds the products of two pairs to each 32-bit sum. */
INLINE __m256i multiply_add(__m256i sum, __m256i a, __m256i b)
{
#ifdef __AVXVNNI__
	return _mm256_dpwssd_avx_epi32(sum, a, b);
#else
	return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

INLINE __m256i widen(const int8_t *p)
{
	return _mm256_cvtepi8_epi16(
		_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE __m256i load4_s8(const int8_t *in)
{
	int32_t v;

	memcpy(&v, in, sizeof(v));
	return _mm256_cvtepi8_epi16(_mm_set1_epi32(v));
}

INLINE __m256i load4_s16(const int16_t *in)
{
	long long v;

	memcpy(&v, in, sizeof(v));
	return _mm256_set1_epi64x(v);
}

/* Four biases as two partial sums each, or zeros: hidden from the compiler,
 * which would take the first step out of the loop and run out of registers. */
INLINE __m256i start4(const int32_t *bias, int at)
{
	__m256i zero = _mm256_setzero_si256();

	if (bias == NULL) {
		__asm__("" : "+x"(zero));
		return zero;
	}
	bias += at;
	return _mm256_cvtepu32_epi64(
		_mm_loadu_si128((const __m128i *)(const void *)bias));
}

/* What hadd_epi32 gives, in fewer steps of most processors. */
INLINE __m256i add_neighbours(__m256i a, __m256i b)
{
	__m256 x = _mm256_castsi256_ps(a), y = _mm256_castsi256_ps(b);

	return _mm256_add_epi32(
		_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
		_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xDD)));
}

/* Eight sums over one plane of weights for each of `tile` pixels, in the order
 * of sums in pairs (store_avx2.h). A vector holds 4 outputs x 4 inputs;
 * multiply-add leaves two partial sums an output, joined at the end. */
INLINE void sums(const void *in, size_t in_step, size_t groups, const int8_t *w,
		 size_t step, const int32_t *bias, int tile, int is_s16,
		 __m256i *out)
{
	__m256i acc[TILE][2];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 2; i++)
			acc[t][i] = start4(bias, 4 * i);
	for (size_t k = 0; k < groups; k++, w += step) {
		__m256i b0 = widen(w), b1 = widen(w + 16);

		for (int t = 0; t < tile; t++) {
			size_t at = (size_t)t * in_step + 4 * k;
			__m256i a = is_s16 ? load4_s16((const int16_t *)in + at)
					   : load4_s8((const int8_t *)in + at);

			acc[t][0] = multiply_add(acc[t][0], a, b0);
			acc[t][1] = multiply_add(acc[t][1], a, b1);
		}
	}
	for (int t = 0; t < tile; t++)
		out[t] = add_neighbours(acc[t][0], acc[t][1]);
}

/* Stores the sums of outputs o0 .. o0 + 15 of `tile` pixels from p; high is
 * NULL unless weights have two planes. */
INLINE void store_tile(const struct k_gemm *g, const struct requant16 *q,
		       size_t p, size_t o0, size_t tile,
		       const __m256i (*low)[TILE], const __m256i (*high)[TILE])
{
	for (size_t t = 0; t < tile; t++) {
		__m256 s[2];

		for (int i = 0; i < 2; i++) {
			s[i] = _mm256_cvtepi32_ps(low[i][t]);
			if (high != NULL)
				s[i] = _mm256_add_ps(
					_mm256_mul_ps(
						_mm256_cvtepi32_ps(high[i][t]),
						_mm256_set1_ps(256.0f)),
					s[i]);
		}
		store16(g, q, p + t, o0, s[0], s[1], SUMS_IN_PAIRS);
	}
}

/* Outputs o0 .. o0 + 15 of `tile` pixels from p, whose inputs begin at in. */
INLINE void block(const struct k_gemm *g, const struct requant16 *q,
		  const void *in, size_t p, size_t o0, const int8_t *w,
		  int tile, int is_s16, int wide)
{
	size_t step = wide ? 128 : 64;
	__m256i low[2][TILE], high[2][TILE];

	for (size_t i = 0; i < 2; i++, w += 32) {
		sums(in, g->in_step, g->groups, w, step,
		     g->rq->bias + o0 + 8 * i, tile, is_s16, low[i]);
		if (wide)
			sums(in, g->in_step, g->groups, w + 64, step, NULL,
			     tile, is_s16, high[i]);
	}
	store_tile(g, q, p, o0, (size_t)tile, (const __m256i(*)[TILE])low,
		   wide ? (const __m256i(*)[TILE])high : NULL);
}

/* All outputs of n pixels from p, whose inputs begin at in, in tiles of nearly
 * the same size. */
INLINE void tiles(const struct k_gemm *g, const int16_t *in, size_t p, size_t n,
		  int wide)
{
	const int8_t *w = g->weights;
	const size_t most = wide ? TILE_WIDE : TILE;

	for (size_t o0 = 0; o0 < g->channels;
	     o0 += 16, w += g->groups * (wide ? 128 : 64)) {
		const struct requant16 q = load_requant16(g->rq, o0,
							  SUMS_IN_PAIRS);
		size_t left = (n + most - 1) / most, tile;
		const int16_t *a = in;

		for (size_t x = 0; x < n; x += tile, a += tile * g->in_step) {
			tile = (n - x + left - 1) / left;
			left--;
			if (!wide && tile == 6)
				block(g, &q, a, p + x, o0, w, 6, 1, wide);
			else if (!wide && tile == 5)
				block(g, &q, a, p + x, o0, w, 5, 1, wide);
			else if (tile == 4)
				block(g, &q, a, p + x, o0, w, 4, 1, wide);
			else if (tile == 3)
				block(g, &q, a, p + x, o0, w, 3, 1, wide);
			else if (tile == 2)
				block(g, &q, a, p + x, o0, w, 2, 1, wide);
			else
				block(g, &q, a, p + x, o0, w, 1, 1, wide);
		}
	}
}

static void narrow_tiles(const struct k_gemm *g, const int16_t *in, size_t p,
			 size_t n)
{
	tiles(g, in, p, n, 0);
}

static inline void gemm_s16(const struct k_gemm *g)
{
	if (g->wide)
		tiles(g, g->in, 0, g->pixels, 1);
	else
		narrow_tiles(g, g->in, 0, g->pixels);
}

#endif
