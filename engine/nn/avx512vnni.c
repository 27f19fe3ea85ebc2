/* x86-64 with AVX-512 F, BW, DQ, VL and VNNI: one instruction multiplies and
 * adds a whole group of four for sixteen outputs. */
#include "nn/levels.h"
#include "nn/store_avx2.h"

#define TILE 6
/* Divides the rows of maps that begin with 112 pixels: none is left over, which
 * would wait for each product. With two blocks 14 sums. */
#define TILE_S8	 7
#define TILE_F32 8

/* Adds the bias and stores; with high, the sum is low + 256 * high. */
INLINE void store(const struct k_gemm *g, const struct requant16 *q, size_t p,
		  size_t o0, __m512i low, const __m512i *high)
{
	__m512 sum = _mm512_cvtepi32_ps(
		_mm512_add_epi32(low, _mm512_loadu_si512(g->rq->bias + o0)));

	if (high != NULL)
		sum = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(*high),
						  _mm512_set1_ps(256.0f)),
				    sum);
	store16(g, q, p, o0, _mm512_castps512_ps256(sum),
		_mm512_extractf32x8_ps(sum, 1), SUMS_IN_ORDER);
}

/* VNNI multiplies unsigned by signed bytes: inputs are shifted up by 128, and
 * start, the bias less 128 times the sum of the weights, takes that off again.
 * Two blocks of outputs, whose weights are w, share each shifted input. */
INLINE void sums_s8(const struct k_gemm *g, const int8_t *in,
		    const int8_t *const w[2], const __m512i start[2], int tile,
		    __m512i (*sums)[2])
{
	const __m512i flip = _mm512_set1_epi8((char)0x80);
	__m512i acc[TILE_S8][2];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 2; i++)
			acc[t][i] = start[i];
	for (size_t k = 0; k < g->groups; k++) {
		__m512i b0 = _mm512_load_si512(w[0] + 64 * k);
		__m512i b1 = _mm512_load_si512(w[1] + 64 * k);

		for (int t = 0; t < tile; t++) {
			__m512i a;
			int32_t v;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			a = _mm512_xor_si512(_mm512_set1_epi32(v), flip);
			acc[t][0] = _mm512_dpbusd_epi32(acc[t][0], a, b0);
			acc[t][1] = _mm512_dpbusd_epi32(acc[t][1], a, b1);
		}
	}
	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 2; i++)
			sums[t][i] = acc[t][i];
}

/* Two sums a block, because a sum waits for the one before. */
INLINE void start_s8(const struct k_gemm *g, const int8_t *const w[2],
		     const size_t o[2], __m512i start[2])
{
	const __m512i half = _mm512_set1_epi8((char)0x80);
	__m512i shift[2][2];

	for (size_t i = 0; i < 2; i++)
		for (size_t odd = 0; odd < 2; odd++)
			shift[i][odd] = _mm512_setzero_si512();
	for (size_t k = 0; k + 2 <= g->groups; k += 2)
		for (size_t i = 0; i < 2; i++)
			for (size_t odd = 0; odd < 2; odd++)
				shift[i][odd] = _mm512_dpbusd_epi32(
					shift[i][odd], half,
					_mm512_load_si512(w[i] +
							  64 * (k + odd)));
	for (size_t i = 0; i < 2; i++) {
		if (g->groups % 2 != 0)
			shift[i][0] = _mm512_dpbusd_epi32(
				shift[i][0], half,
				_mm512_load_si512(w[i] + 64 * (g->groups - 1)));
		start[i] = _mm512_sub_epi32(
			_mm512_loadu_si512(g->rq->bias + o[i]),
			_mm512_add_epi32(shift[i][0], shift[i][1]));
	}
}

/* Outputs o0 .. o0 + 16 * blocks - 1 of all pixels. A block alone is computed
 * twice and stored once. */
INLINE void blocks_s8(const struct k_gemm *g, size_t o0, size_t blocks)
{
	const size_t o[2] = { o0, o0 + 16 * (blocks - 1) };
	const int8_t *w[2];
	__m512i start[2];
	struct requant16 q[2];
	size_t tile;

	for (size_t i = 0; i < 2; i++) {
		w[i] = g->weights + o[i] * g->groups * FGM_K_GROUP;
		q[i] = load_requant16(g->rq, o[i], SUMS_IN_ORDER);
	}
	start_s8(g, w, o, start);
	for (size_t p = 0; p < g->pixels; p += tile) {
		const int8_t *in = (const int8_t *)g->in + p * g->in_step;
		__m512i sums[TILE_S8][2];

		tile = g->pixels - p >= TILE_S8 ? TILE_S8 : 1;
		if (tile == 1)
			sums_s8(g, in, w, start, 1, sums);
		else
			sums_s8(g, in, w, start, TILE_S8, sums);
		for (size_t t = 0; t < tile; t++)
			for (size_t i = 0; i < blocks; i++) {
				__m512 y = _mm512_cvtepi32_ps(sums[t][i]);

				store16(g, &q[i], p + t, o[i],
					_mm512_castps512_ps256(y),
					_mm512_extractf32x8_ps(y, 1),
					SUMS_IN_ORDER);
			}
	}
}

static void gemm_s8(const struct k_gemm *g)
{
	for (size_t o0 = 0; o0 < g->channels; o0 += 32)
		blocks_s8(g, o0, g->channels - o0 > 16 ? 2 : 1);
}

INLINE __m512i widen32(const int8_t *w)
{
	return _mm512_cvtepi8_epi16(
		_mm256_load_si256((const __m256i *)(const void *)w));
}

/* Lanes 2i and 2i + 1 of lo and hi are the two partial sums of output i. */
INLINE __m512i join(__m512i lo, __m512i hi)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16,
					       18, 20, 22, 24, 26, 28, 30);
	const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19,
					      21, 23, 25, 27, 29, 31);

	return _mm512_add_epi32(_mm512_permutex2var_epi32(lo, even, hi),
				_mm512_permutex2var_epi32(lo, odd, hi));
}

/* A vector holds 8 outputs x 4 inputs as pairs: two vectors a plane. */
INLINE void block_s16(const struct k_gemm *g, const struct requant16 *q,
		      size_t p, size_t o0, const int8_t *w, int tile, int wide)
{
	const int16_t *in = (const int16_t *)g->in + p * g->in_step;
	int vectors = wide ? 4 : 2;
	__m512i acc[TILE][4];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < vectors; i++)
			acc[t][i] = _mm512_setzero_si512();
	for (size_t k = 0; k < g->groups; k++, w += 32 * vectors) {
		__m512i b[4];

		for (int i = 0; i < vectors; i++)
			b[i] = widen32(w + 32 * i);
		for (int t = 0; t < tile; t++) {
			long long v;

			memcpy(&v, in + (size_t)t * g->in_step + 4 * k,
			       sizeof(v));
			for (int i = 0; i < vectors; i++)
				acc[t][i] = _mm512_dpwssd_epi32(
					acc[t][i], _mm512_set1_epi64(v), b[i]);
		}
	}
	for (int t = 0; t < tile; t++) {
		__m512i high;

		if (wide)
			high = join(acc[t][2], acc[t][3]);
		store(g, q, p + (size_t)t, o0, join(acc[t][0], acc[t][1]),
		      wide ? &high : NULL);
	}
}

INLINE void planes_s16(const struct k_gemm *g, int wide)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels;
	     o0 += 16, w += g->groups * (wide ? 128 : 64)) {
		const struct requant16 q = load_requant16(g->rq, o0,
							  SUMS_IN_ORDER);
		size_t p = 0;

		for (; p + TILE <= g->pixels; p += TILE)
			block_s16(g, &q, p, o0, w, TILE, wide);
		for (; p < g->pixels; p++)
			block_s16(g, &q, p, o0, w, 1, wide);
	}
}

static void gemm_s16(const struct k_gemm *g)
{
	if (g->wide)
		planes_s16(g, 1);
	else
		planes_s16(g, 0);
}

INLINE void block_f32(const struct k_gemm_f32 *g, size_t p, size_t o0,
		      const float *w, int tile)
{
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;
	__mmask16 keep = (__mmask16)((1u << n) - 1);
	__m512 acc[TILE_F32];

	for (int t = 0; t < tile; t++)
		acc[t] = _mm512_loadu_ps(g->bias + o0);
	for (size_t k = 0; k < g->k; k++, w += 16) {
		__m512 b = _mm512_loadu_ps(w);

		for (int t = 0; t < tile; t++)
			acc[t] = _mm512_add_ps(
				acc[t],
				_mm512_mul_ps(_mm512_set1_ps(
						      g->in[(p + (size_t)t) *
								    g->in_step +
							    k]),
					      b));
	}
	for (int t = 0; t < tile; t++) {
		__m512 y = acc[t];

		if (g->slope != NULL)
			y = _mm512_mask_mul_ps(
				y,
				_mm512_cmp_ps_mask(y, _mm512_setzero_ps(),
						   _CMP_LT_OQ),
				y, _mm512_loadu_ps(g->slope + o0));
		_mm512_mask_storeu_ps(
			g->out + (p + (size_t)t) * g->out_step + o0, keep, y);
	}
}

static void gemm_f32(const struct k_gemm_f32 *g)
{
	const float *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->k * 16) {
		size_t p = 0;

		for (; p + TILE_F32 <= g->pixels; p += TILE_F32)
			block_f32(g, p, o0, w, TILE_F32);
		for (; p < g->pixels; p++)
			block_f32(g, p, o0, w, 1);
	}
}

const struct k_table k_table_avx512vnni = {
	.name = "avx512vnni",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.gemm_f32 = gemm_f32,
	.depthwise_s8 = k_depthwise_s8_avx2,
	.maxpool_s16 = k_maxpool_s16_avx2,
	.maxpool_f32 = k_maxpool_f32_avx2,
	.dot_rows_s8 = k_dot_rows_s8_avx2,
	.add_rows_u8 = k_add_rows_u8_avx2,
};
