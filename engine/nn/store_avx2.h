/* Sums to outputs, eight or sixteen at a time: the rule of requant.h on AVX2
 * vectors, for the levels from AVX2 up. */
#ifndef FACEGATE_STORE_AVX2_H
#define FACEGATE_STORE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "nn/kernels.h"

/* What requantises outputs o .. o + 15, loaded once for many pixels. */
struct requant16 {
	__m256 scale[2], slope[2];
	__m256 lo, hi; /* bounds before the zero point is added */
	__m256i zero;
	int has_slope;
};

static inline struct requant16 load_requant16(const struct k_requant *rq,
					      size_t o)
{
	struct requant16 q = {
		.lo = _mm256_set1_ps((float)(rq->out_min - rq->out_zero)),
		.hi = _mm256_set1_ps((float)(rq->out_max - rq->out_zero)),
		.zero = _mm256_set1_epi32(rq->out_zero),
		.has_slope = rq->slope != NULL,
	};

	for (size_t i = 0; i < 2; i++, o += 8) {
		const void *scale = rq->scale + o, *slope = rq->slope + o;

		q.scale[i] = _mm256_castsi256_ps(_mm256_slli_epi32(
			_mm256_cvtepu16_epi32(_mm_loadu_si128(scale)), 16));
		if (q.has_slope)
			q.slope[i] = _mm256_mul_ps(
				_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(
					_mm_loadu_si128(slope))),
				_mm256_set1_ps(rq->slope_unit));
	}
	return q;
}

/* Half i of sixteen sums as real values, slope applied. */
static inline __m256 scale8(const struct requant16 *q, int i, __m256 sum)
{
	__m256 y = _mm256_mul_ps(sum, q->scale[i]);

	/* A sum of zero is never -0, so its sign bit is its sign. */
	if (q->has_slope)
		y = _mm256_blendv_ps(y, _mm256_mul_ps(y, q->slope[i]), sum);
	return y;
}

static inline __m256 add_residual8(const struct k_requant *rq, __m256 y,
				   __m256i r)
{
	__m256 v = _mm256_cvtepi32_ps(
		_mm256_sub_epi32(r, _mm256_set1_epi32(rq->res_zero)));

	return _mm256_add_ps(y,
			     _mm256_mul_ps(v, _mm256_set1_ps(rq->res_scale)));
}

static inline __m256i round8(const struct requant16 *q, __m256 y)
{
	y = _mm256_min_ps(_mm256_max_ps(y, q->lo), q->hi);
	/* cvtps rounds half to even, as the magic number of requant.h does. */
	return _mm256_add_epi32(_mm256_cvtps_epi32(y), q->zero);
}

/* Sixteen int32 that fit as s16, in order. */
static inline __m256i pack16(__m256i lo, __m256i hi)
{
	return _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xD8);
}

/* Sixteen int32 that fit as s8, in order. */
static inline __m128i pack8(__m256i lo, __m256i hi)
{
	__m256i w = pack16(lo, hi);

	return _mm_packs_epi16(_mm256_castsi256_si128(w),
			       _mm256_extracti128_si256(w, 1));
}

/* Stores sums of outputs o0 .. o0 + 15 of pixel p; those past the layer's
 * last channel are dropped, and no residual past it is read. */
static inline void store16(const struct k_gemm *g, const struct requant16 *q,
			   size_t p, size_t o0, __m256 sum0, __m256 sum1)
{
	const struct k_requant *rq = g->rq;
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;
	size_t elem = rq->out_type == FGM_S8	? 1
		      : rq->out_type == FGM_S16 ? 2
						: 4;
	uint8_t *out = (uint8_t *)g->out + (p * g->out_step + o0) * elem;
	__m256 y0 = scale8(q, 0, sum0), y1 = scale8(q, 1, sum1);
	_Alignas(32) uint8_t whole[64];
	__m256i lo, hi;
	uint8_t *dst = n == 16 ? out : whole;

	if (rq->out_type == FGM_F32) {
		_mm256_storeu_ps((float *)(void *)dst, y0);
		_mm256_storeu_ps((float *)(void *)dst + 8, y1);
	} else {
		if (g->residual != NULL) {
			_Alignas(32) uint8_t part[32] = { 0 };
			const uint8_t *res = (const uint8_t *)g->residual +
					     (p * g->residual_step + o0) * elem;
			__m256i r0, r1;

			if (n < 16) {
				memcpy(part, res, n * elem);
				res = part;
			}
			if (elem == 1) {
				__m128i r = _mm_loadu_si128(
					(const __m128i *)(const void *)res);

				r0 = _mm256_cvtepi8_epi32(r);
				r1 = _mm256_cvtepi8_epi32(_mm_srli_si128(r, 8));
			} else {
				const __m128i *r =
					(const __m128i *)(const void *)res;

				r0 = _mm256_cvtepi16_epi32(_mm_loadu_si128(r));
				r1 = _mm256_cvtepi16_epi32(
					_mm_loadu_si128(r + 1));
			}
			y0 = add_residual8(rq, y0, r0);
			y1 = add_residual8(rq, y1, r1);
		}
		lo = round8(q, y0);
		hi = round8(q, y1);
		if (elem == 1)
			_mm_storeu_si128((__m128i *)(void *)dst, pack8(lo, hi));
		else
			_mm256_storeu_si256((__m256i *)(void *)dst,
					    pack16(lo, hi));
	}
	if (n < 16)
		memcpy(out, whole, n * elem);
}

#endif
