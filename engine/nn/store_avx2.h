/* Sums to outputs, eight or sixteen at a time: the rule of requant.h on AVX2
 * vectors, for the levels from AVX2 up. */
#ifndef FACEGATE_STORE_AVX2_H
#define FACEGATE_STORE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "nn/kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* How sixteen sums lie in two vectors. Adding neighbours, which joins partial
 * sums, leaves pairs: 0 1 4 5 2 3 6 7 and 8 more of the kind. Interleaving two
 * vectors leaves halves: 0-3 8-11 and 4-7 12-15. It is cheaper to put bytes in
 * order than sums. */
enum sums_order { SUMS_IN_ORDER, SUMS_IN_PAIRS, SUMS_IN_HALVES };

/* From the plain order to another one, or back. */
INLINE void reorder(__m256i v[2], enum sums_order order)
{
	__m256i a = v[0], b = v[1];

	if (order == SUMS_IN_PAIRS) {
		v[0] = _mm256_permute4x64_epi64(a, 0xD8);
		v[1] = _mm256_permute4x64_epi64(b, 0xD8);
	} else if (order == SUMS_IN_HALVES) {
		v[0] = _mm256_permute2x128_si256(a, b, 0x20);
		v[1] = _mm256_permute2x128_si256(a, b, 0x31);
	}
}

/* What requantises outputs o .. o + 15, loaded once for many pixels. */
struct requant16 {
	__m256i bias[2];
	__m256 scale[2], slope[2];
	__m256 lo, hi; /* bounds before the zero point is added */
	__m256i zero;
	__m256i zero_s16;
	__m128i min_s8;
	int has_slope;
};

INLINE struct requant16 load_requant16(const struct k_requant *rq, size_t o,
				       enum sums_order order)
{
	struct requant16 q = {
		.lo = _mm256_set1_ps((float)(rq->out_min - rq->out_zero)),
		.hi = _mm256_set1_ps((float)(rq->out_max - rq->out_zero)),
		.zero = _mm256_set1_epi32(rq->out_zero),
		.zero_s16 = _mm256_set1_epi16((short)rq->out_zero),
		.min_s8 = _mm_set1_epi8((char)rq->out_min),
		.has_slope = rq->slope != NULL,
	};

	__m256i scale[2], slope[2];

	for (size_t i = 0; i < 2; i++, o += 8) {
		const void *b = rq->bias + o, *s = rq->scale + o;

		q.bias[i] = _mm256_loadu_si256(b);
		scale[i] = _mm256_cvtepu16_epi32(_mm_loadu_si128(s));
		scale[i] = _mm256_slli_epi32(scale[i], 16);
		if (q.has_slope) {
			s = rq->slope + o;
			slope[i] = _mm256_cvtepi16_epi32(_mm_loadu_si128(s));
		}
	}
	reorder(q.bias, order);
	reorder(scale, order);
	if (q.has_slope)
		reorder(slope, order);
	for (int i = 0; i < 2; i++) {
		q.scale[i] = _mm256_castsi256_ps(scale[i]);
		if (q.has_slope)
			q.slope[i] = _mm256_mul_ps(
				_mm256_cvtepi32_ps(slope[i]),
				_mm256_set1_ps(rq->slope_unit));
	}
	return q;
}

/* Half i of sixteen sums as real values, slope applied. */
INLINE __m256 scale8(const struct requant16 *q, int i, __m256 sum)
{
	__m256 y = _mm256_mul_ps(sum, q->scale[i]);

	/* A sum of zero is never -0, so its sign bit is its sign. */
	if (q->has_slope)
		y = _mm256_blendv_ps(y, _mm256_mul_ps(y, q->slope[i]), sum);
	return y;
}

INLINE __m256 add_residual8(const struct k_requant *rq, __m256 y, __m256i r)
{
	__m256 v = _mm256_cvtepi32_ps(
		_mm256_sub_epi32(r, _mm256_set1_epi32(rq->res_zero)));

	return _mm256_add_ps(y,
			     _mm256_mul_ps(v, _mm256_set1_ps(rq->res_scale)));
}

/* cvtps rounds half to even, as the magic number of requant.h does. */
INLINE __m256i round8(const struct requant16 *q, __m256 y)
{
	y = _mm256_min_ps(_mm256_max_ps(y, q->lo), q->hi);
	return _mm256_add_epi32(_mm256_cvtps_epi32(y), q->zero);
}

/* Sixteen int32 that fit as s16, in order. */
INLINE __m256i pack16(__m256i lo, __m256i hi)
{
	return _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xD8);
}

/* Sixteen real values to bytes in order. Bounds are whole numbers, so rounding
 * may come before clamping; only the upper bound must come first, because too
 * large a value becomes the lowest integer. The lower one is reached through
 * saturation at -2^15 before the zero point and at -128 after it. */
INLINE __m128i round_s8(const struct requant16 *q, __m256 y0, __m256 y1,
			enum sums_order order)
{
	const __m128i from_pairs = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5,
						 12, 13, 6, 7, 14, 15);
	__m256i v = _mm256_packs_epi32(
		_mm256_cvtps_epi32(_mm256_min_ps(y0, q->hi)),
		_mm256_cvtps_epi32(_mm256_min_ps(y1, q->hi)));
	__m128i b;

	v = _mm256_adds_epi16(v, q->zero_s16);
	b = _mm_packs_epi16(_mm256_castsi256_si128(v),
			    _mm256_extracti128_si256(v, 1));
	b = _mm_max_epi8(b, q->min_s8);
	return order == SUMS_IN_PAIRS	? _mm_shuffle_epi8(b, from_pairs)
	       : order == SUMS_IN_ORDER ? _mm_shuffle_epi32(b, 0xD8)
					: b;
}

/* The residual of sixteen outputs, in the order of their sums (not halves). */
INLINE void load_residual(const struct k_gemm *g, size_t p, size_t o0, size_t n,
			  enum sums_order order, __m256i r[2])
{
	const __m128i to_pairs = _mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12,
					       13, 10, 11, 14, 15);
	size_t elem = g->rq->out_type == FGM_S8 ? 1 : 2;
	const uint8_t *res = (const uint8_t *)g->residual +
			     (p * g->residual_step + o0) * elem;
	_Alignas(32) uint8_t part[32];
	const void *lo = res, *hi = res + 16;

	if (n < 16) {
		memset(part, 0, sizeof(part));
		memcpy(part, res, n * elem);
		lo = part;
		hi = part + 16;
	}
	if (elem == 1) {
		__m128i v = _mm_loadu_si128(lo);

		if (order == SUMS_IN_PAIRS)
			v = _mm_shuffle_epi8(v, to_pairs);
		r[0] = _mm256_cvtepi8_epi32(v);
		r[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8));
	} else {
		r[0] = _mm256_cvtepi16_epi32(_mm_loadu_si128(lo));
		r[1] = _mm256_cvtepi16_epi32(_mm_loadu_si128(hi));
		reorder(r, order);
	}
}

/* Stores sums of outputs o0 .. o0 + 15 of pixel p; those past the layer's
 * last channel are dropped, and no residual past it is read. */
INLINE void store16(const struct k_gemm *g, const struct requant16 *q, size_t p,
		    size_t o0, __m256 sum0, __m256 sum1, enum sums_order order)
{
	const struct k_requant *rq = g->rq;
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;
	size_t elem = rq->out_type == FGM_S8	? 1
		      : rq->out_type == FGM_S16 ? 2
						: 4;
	uint8_t *out = (uint8_t *)g->out + (p * g->out_step + o0) * elem;
	__m256 y0 = scale8(q, 0, sum0), y1 = scale8(q, 1, sum1);
	_Alignas(32) uint8_t whole[64];
	void *dst = n == 16 ? out : whole;

	if (g->residual != NULL) {
		__m256i r[2];

		load_residual(g, p, o0, n, order, r);
		y0 = add_residual8(rq, y0, r[0]);
		y1 = add_residual8(rq, y1, r[1]);
	}
	if (rq->out_type == FGM_S8) {
		_mm_storeu_si128(dst, round_s8(q, y0, y1, order));
	} else if (rq->out_type == FGM_S16) {
		__m256i v[2] = { round8(q, y0), round8(q, y1) };

		reorder(v, order);
		_mm256_storeu_si256(dst, pack16(v[0], v[1]));
	} else {
		__m256i v[2] = { _mm256_castps_si256(y0),
				 _mm256_castps_si256(y1) };

		reorder(v, order);
		_mm256_storeu_si256(dst, v[0]);
		_mm256_storeu_si256((__m256i *)dst + 1, v[1]);
	}
	if (n < 16)
		memcpy(out, whole, n * elem);
}

#endif
