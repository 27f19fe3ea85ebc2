/* x86-64 with AVX2. Products are taken in 16 bits after widening, because the
 * 8-bit multiply-add saturates where the reference does not. */
#include "nn/gemm_avx2.h"
#include "nn/levels.h"

#define TILE_F32 4

#define DEPTHWISE_TAPS_MAX 256 /* what the loader lets through */

/* Inputs widened at a time, in a quarter of the L1 cache. */
#define WIDENED 4096

INLINE void widen_all(int16_t *dst, const int8_t *src, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		_mm256_storeu_si256((__m256i *)(void *)(dst + i),
				    widen(src + i));
	for (; i < n; i++)
		dst[i] = src[i];
}

/* A pixel too long for the buffer is widened as it is read. */
static void gemm_s8_long(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		const struct requant16 q = load_requant16(g->rq, o0,
							  SUMS_IN_PAIRS);
		const int8_t *in = g->in;

		for (size_t p = 0; p < g->pixels; p++, in += g->in_step)
			block(g, &q, in, p, o0, w, 1, 0, 0);
	}
}

/* Inputs are widened once for all blocks of outputs. */
static void gemm_s8(const struct k_gemm *g)
{
	_Alignas(32) int16_t in[WIDENED];
	struct k_gemm part = *g;
	size_t k = 4 * g->groups, n;

	if (k > WIDENED) {
		gemm_s8_long(g);
		return;
	}
	part.in_step = k;
	for (size_t p = 0; p < g->pixels; p += n) {
		const int8_t *src = (const int8_t *)g->in + p * g->in_step;

		n = g->pixels - p < WIDENED / k ? g->pixels - p : WIDENED / k;
		for (size_t x = 0; x < n; x++, src += g->in_step)
			widen_all(in + x * k, src, k);
		narrow_tiles(&part, in, p, n);
	}
}

/* A pair of taps of 16 channels, interleaved: what multiply-add wants. */
struct taps16 {
	__m256i lo, hi;
};

INLINE struct taps16 interleave(__m256i a, __m256i b)
{
	return (struct taps16){ _mm256_unpacklo_epi16(a, b),
				_mm256_unpackhi_epi16(a, b) };
}

INLINE struct taps16 pair_taps(const int8_t *a, const int8_t *b)
{
	return interleave(widen(a), widen(b));
}

INLINE void add_taps(struct taps16 *sum, struct taps16 in, struct taps16 w)
{
	sum->lo = _mm256_add_epi32(sum->lo, _mm256_madd_epi16(in.lo, w.lo));
	sum->hi = _mm256_add_epi32(sum->hi, _mm256_madd_epi16(in.hi, w.hi));
	/* Adding in this order, not as a tree, leaves registers for inputs. */
	__asm__("" : "+x"(sum->lo), "+x"(sum->hi));
}

INLINE __m128i finish_taps(struct taps16 sum, const struct requant16 *q)
{
	return round_s8(q, scale8(q, 0, _mm256_cvtepi32_ps(sum.lo)),
			scale8(q, 1, _mm256_cvtepi32_ps(sum.hi)),
			SUMS_IN_HALVES);
}

/* 16 channels of a row under a 3x3 window, its weights at hand. Columns of the
 * two upper rows make pairs, and neighbours in the lowest one; with stride 1
 * (slide) all but the last are those of the pixel before. */
INLINE void depthwise3x3(const struct k_depthwise *d, size_t c, int slide)
{
	const struct requant16 q = load_requant16(d->rq, c, SUMS_IN_HALVES);
	const __m256i zero = _mm256_setzero_si256();
	const size_t p = d->pixel_step, ws = d->weight_step;
	const int8_t *w = d->weights + c;
	const int8_t *r0 = d->rows[0] + c, *r1 = d->rows[1] + c,
		     *r2 = d->rows[2] + c;
	const struct taps16 w0 = pair_taps(w, w + 3 * ws),
			    w1 = pair_taps(w + ws, w + 4 * ws),
			    w2 = pair_taps(w + 2 * ws, w + 5 * ws),
			    w3 = pair_taps(w + 6 * ws, w + 7 * ws),
			    w4 = interleave(zero, widen(w + 8 * ws));
	struct taps16 left = pair_taps(r0, r1), mid = pair_taps(r0 + p, r1 + p);
	struct taps16 low = pair_taps(r2, r2 + p);
	__m256i low_mid = widen(r2 + p);
	int8_t *out = d->out + c;

	for (size_t x = 0;;) {
		struct taps16 right = pair_taps(r0 + 2 * p, r1 + 2 * p);
		__m256i low_right = widen(r2 + 2 * p);
		struct taps16 low2 = interleave(low_mid, low_right);
		struct taps16 sum = { q.bias[0], q.bias[1] };

		add_taps(&sum, left, w0);
		add_taps(&sum, mid, w1);
		add_taps(&sum, right, w2);
		add_taps(&sum, low, w3);
		add_taps(&sum, low2, w4);
		_mm_storeu_si128((__m128i *)(void *)out, finish_taps(sum, &q));
		if (++x == d->out_pixels)
			return;
		r0 += d->in_step;
		r1 += d->in_step;
		r2 += d->in_step;
		out += d->out_step;
		left = slide ? mid : pair_taps(r0, r1);
		mid = slide ? right : pair_taps(r0 + p, r1 + p);
		low = slide ? low2 : pair_taps(r2, r2 + p);
		low_mid = slide ? low_right : widen(r2 + p);
	}
}

/* 16 channels of one output pixel under any window, whose rows begin at
 * rows[ky] + at. */
INLINE __m128i depthwise_pixel(const struct k_depthwise *d,
			       const struct requant16 *q,
			       const int8_t *const *rows, size_t at,
			       size_t pixel_step, size_t c)
{
	const __m256i zero = _mm256_setzero_si256();
	struct taps16 sum = { q->bias[0], q->bias[1] };
	const int8_t *w = d->weights + c;

	for (size_t ky = 0; ky < d->kernel_h; ky++) {
		const int8_t *in = rows[ky] + at;
		size_t kx = 0;

		for (; kx + 2 <= d->kernel_w; kx += 2) {
			add_taps(&sum, pair_taps(in, in + pixel_step),
				 pair_taps(w, w + d->weight_step));
			in += 2 * pixel_step;
			w += 2 * d->weight_step;
		}
		if (kx < d->kernel_w) {
			add_taps(&sum, interleave(widen(in), zero),
				 interleave(widen(w), zero));
			w += d->weight_step;
		}
	}
	return finish_taps(sum, q);
}

/* The last few channels: windows are copied, so as not to read past them. */
static void depthwise_rest(const struct k_depthwise *d, size_t c)
{
	const struct requant16 q = load_requant16(d->rq, c, SUMS_IN_HALVES);
	size_t n = d->channels - c;
	int8_t copy[DEPTHWISE_TAPS_MAX][16] = { { 0 } }, whole[16];
	const int8_t *rows[DEPTHWISE_TAPS_MAX];

	for (size_t x = 0; x < d->out_pixels; x++) {
		for (size_t ky = 0; ky < d->kernel_h; ky++) {
			const int8_t *in = d->rows[ky] + x * d->in_step + c;

			rows[ky] = copy[ky * d->kernel_w];
			for (size_t kx = 0; kx < d->kernel_w; kx++)
				memcpy(copy[ky * d->kernel_w + kx],
				       in + kx * d->pixel_step, n);
		}
		_mm_storeu_si128((__m128i *)(void *)whole,
				 depthwise_pixel(d, &q, rows, 0, 16, c));
		memcpy(d->out + x * d->out_step + c, whole, n);
	}
}

void k_depthwise_s8_avx2(const struct k_depthwise *d)
{
	size_t c = 0;

	for (; c + 16 <= d->channels; c += 16) {
		if (d->kernel_h == 3 && d->kernel_w == 3) {
			if (d->in_step == d->pixel_step)
				depthwise3x3(d, c, 1);
			else
				depthwise3x3(d, c, 0);
			continue;
		}
		const struct requant16 q = load_requant16(d->rq, c,
							  SUMS_IN_HALVES);

		for (size_t x = 0; x < d->out_pixels; x++)
			_mm_storeu_si128((__m128i *)(void *)(d->out +
							     x * d->out_step +
							     c),
					 depthwise_pixel(d, &q, d->rows,
							 x * d->in_step + c,
							 d->pixel_step, c));
	}
	if (c < d->channels)
		depthwise_rest(d, c);
}

void k_maxpool_s16_avx2(const int16_t *const *taps, size_t tap_count,
			size_t channels, int16_t *out)
{
	size_t c = 0;

	for (; c + 16 <= channels; c += 16) {
		__m256i top = _mm256_loadu_si256(
			(const __m256i *)(const void *)(taps[0] + c));

		for (size_t t = 1; t < tap_count; t++)
			top = _mm256_max_epi16(
				top,
				_mm256_loadu_si256((
					const __m256i *)(const void *)(taps[t] +
								       c)));
		_mm256_storeu_si256((__m256i *)(void *)(out + c), top);
	}
	for (; c < channels; c++) {
		int16_t top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}

/* Sixteen outputs of `tile` pixels from p; each lane adds in the reference's
 * order, so its bits are the reference's. */
INLINE void block_f32(const struct k_gemm_f32 *g, size_t p, size_t o0,
		      const float *w, int tile)
{
	__m256 acc[TILE_F32][2];
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 2; i++)
			acc[t][i] = _mm256_loadu_ps(g->bias + o0 + 8 * i);
	for (size_t k = 0; k < g->k; k++, w += 16) {
		__m256 b0 = _mm256_loadu_ps(w), b1 = _mm256_loadu_ps(w + 8);

		for (int t = 0; t < tile; t++) {
			__m256 a = _mm256_broadcast_ss(
				g->in + (p + (size_t)t) * g->in_step + k);

			acc[t][0] = _mm256_add_ps(acc[t][0],
						  _mm256_mul_ps(a, b0));
			acc[t][1] = _mm256_add_ps(acc[t][1],
						  _mm256_mul_ps(a, b1));
		}
	}
	for (int t = 0; t < tile; t++) {
		float *out = g->out + (p + (size_t)t) * g->out_step + o0;
		float whole[16];

		for (int i = 0; i < 2; i++) {
			__m256 y = acc[t][i];

			if (g->slope != NULL) {
				__m256 s = _mm256_loadu_ps(g->slope + o0 +
							   8 * i);
				__m256 low = _mm256_cmp_ps(
					y, _mm256_setzero_ps(), _CMP_LT_OQ);

				y = _mm256_blendv_ps(y, _mm256_mul_ps(y, s),
						     low);
			}
			_mm256_storeu_ps((n == 16 ? out : whole) + 8 * i, y);
		}
		if (n < 16)
			memcpy(out, whole, n * sizeof(float));
	}
}

void k_gemm_f32_avx2(const struct k_gemm_f32 *g)
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

void k_maxpool_f32_avx2(const float *const *taps, size_t tap_count,
			size_t channels, float *out)
{
	size_t c = 0;

	for (; c + 8 <= channels; c += 8) {
		__m256 top = _mm256_loadu_ps(taps[0] + c);

		for (size_t t = 1; t < tap_count; t++)
			top = _mm256_max_ps(_mm256_loadu_ps(taps[t] + c), top);
		_mm256_storeu_ps(out + c, top);
	}
	for (; c < channels; c++) {
		float top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}

#define DIM_STEPS (TEMPLATE_DIM / 16)

/* Eight partial sums of one row; the probe is widened already. */
INLINE __m256i dot_row(const int8_t *row, const __m256i *probe)
{
	__m256i sum = _mm256_madd_epi16(widen(row), probe[0]);

	for (int i = 1; i < DIM_STEPS; i++)
		sum = _mm256_add_epi32(
			sum, _mm256_madd_epi16(widen(row + 16 * i), probe[i]));
	return sum;
}

void k_dot_rows_s8_avx2(const int8_t (*rows)[TEMPLATE_DIM],
			const int8_t probe[TEMPLATE_DIM], size_t n,
			int32_t *sums)
{
	__m256i p[DIM_STEPS];
	size_t i = 0;

	for (int j = 0; j < DIM_STEPS; j++)
		p[j] = widen(probe + 16 * j);
	for (; i + 4 <= n; i += 4) {
		__m256i s;

		k_fetch_rows_ahead(rows + i, 4);
		s = _mm256_hadd_epi32(
			_mm256_hadd_epi32(dot_row(rows[i], p),
					  dot_row(rows[i + 1], p)),
			_mm256_hadd_epi32(dot_row(rows[i + 2], p),
					  dot_row(rows[i + 3], p)));

		_mm_storeu_si128((__m128i *)(void *)(sums + i),
				 _mm_add_epi32(_mm256_castsi256_si128(s),
					       _mm256_extracti128_si256(s, 1)));
	}
	for (; i < n; i++) {
		__m256i v = dot_row(rows[i], p);
		__m128i s = _mm_add_epi32(_mm256_castsi256_si128(v),
					  _mm256_extracti128_si256(v, 1));

		s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
		s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1));
		sums[i] = _mm_cvtsi128_si32(s);
	}
}

INLINE __m256i load16_u8(const uint8_t *p)
{
	return _mm256_cvtepu8_epi16(
		_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE void add_to(uint32_t *sums, __m128i v)
{
	__m256i *s = (__m256i *)(void *)sums;

	_mm256_storeu_si256(s, _mm256_add_epi32(_mm256_loadu_si256(s),
						_mm256_cvtepu16_epi32(v)));
}

/* At most K_ROWS_U16 of them. */
static void add_few_rows(uint32_t *sums, const uint8_t *rows, size_t step,
			 size_t count, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		const uint8_t *row = rows + i;
		__m256i sum = _mm256_setzero_si256();

		for (size_t r = 0; r < count; r++, row += step)
			sum = _mm256_add_epi16(sum, load16_u8(row));
		add_to(sums + i, _mm256_castsi256_si128(sum));
		add_to(sums + i + 8, _mm256_extracti128_si256(sum, 1));
	}
	for (; i < n; i++)
		for (size_t r = 0; r < count; r++)
			sums[i] += rows[r * step + i];
}

void k_add_rows_u8_avx2(uint32_t *sums, const uint8_t *rows, size_t step,
			size_t count, size_t n)
{
	k_add_in_parts(add_few_rows, sums, rows, step, count, n);
}

const struct k_table k_table_avx2 = {
	.name = "avx2",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.gemm_f32 = k_gemm_f32_avx2,
	.depthwise_s8 = k_depthwise_s8_avx2,
	.maxpool_s16 = k_maxpool_s16_avx2,
	.maxpool_f32 = k_maxpool_f32_avx2,
	.dot_rows_s8 = k_dot_rows_s8_avx2,
	.add_rows_u8 = k_add_rows_u8_avx2,
};
