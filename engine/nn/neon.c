/* The integer kernels on NEON: every 64-bit ARM has it, and 32-bit ones that
 * say so. */
#include "nn/levels.h"
#include "nn/store_neon.h"

/* Pixels at a time: 64-bit ARM has 32 vector registers, 32-bit ARM 16. */
#ifdef __aarch64__
#define TILE_S8	      2
#define TILE_S16      4
#define TILE_S16_WIDE 2
#else
#define TILE_S8	      1
#define TILE_S16      2
#define TILE_S16_WIDE 1
#endif

#define DEPTHWISE_TAPS_MAX 256 /* what the loader lets through */

INLINE int16x8_t mull_high(int8x16_t a, int8x16_t b)
{
#ifdef __aarch64__
	return vmull_high_s8(a, b);
#else
	return vmull_s8(vget_high_s8(a), vget_high_s8(b));
#endif
}

INLINE int16x8_t mlal_high(int16x8_t sum, int8x16_t a, int8x16_t b)
{
#ifdef __aarch64__
	return vmlal_high_s8(sum, a, b);
#else
	return vmlal_s8(sum, vget_high_s8(a), vget_high_s8(b));
#endif
}

INLINE int32x4_t add_pairs(int32x4_t a, int32x4_t b)
{
#ifdef __aarch64__
	return vpaddq_s32(a, b);
#else
	return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)),
			    vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
#endif
}

/* Four inputs, four times over. */
INLINE int8x16_t spread4(const int8_t *in)
{
	int32_t v;

	memcpy(&v, in, sizeof(v));
	return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

/* A vector holds 4 outputs x 4 inputs. Two groups are multiplied in 16 bits,
 * where two products fit since no weight is -128; neighbours are then added
 * into 32 bits, which leaves two partial sums an output, joined at the end. */
INLINE void block_s8(const struct k_gemm *g, const struct requant16 *q,
		     size_t p, size_t o0, const int8_t *w, int tile)
{
	const int8_t *in = (const int8_t *)g->in + p * g->in_step;
	int32x4_t acc[TILE_S8][8];
	size_t k = 0;

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 8; i++)
			acc[t][i] = vdupq_n_s32(0);
	for (; k + 2 <= g->groups; k += 2, w += 128) {
		int8x16_t a0[TILE_S8], a1[TILE_S8];

		for (int t = 0; t < tile; t++) {
			const int8_t *a = in + (size_t)t * g->in_step + 4 * k;

			a0[t] = spread4(a);
			a1[t] = spread4(a + 4);
		}
		for (int i = 0; i < 4; i++) {
			int8x16_t b0 = vld1q_s8(w + 16 * i);
			int8x16_t b1 = vld1q_s8(w + 64 + 16 * i);

			for (int t = 0; t < tile; t++) {
				int32x4_t *s = &acc[t][2 * i];
				int16x8_t lo = vmull_s8(vget_low_s8(a0[t]),
							vget_low_s8(b0));
				int16x8_t hi = mull_high(a0[t], b0);

				lo = vmlal_s8(lo, vget_low_s8(a1[t]),
					      vget_low_s8(b1));
				hi = mlal_high(hi, a1[t], b1);
				s[0] = vpadalq_s16(s[0], lo);
				s[1] = vpadalq_s16(s[1], hi);
			}
		}
	}
	if (k < g->groups)
		for (int t = 0; t < tile; t++) {
			int8x16_t a = spread4(in + (size_t)t * g->in_step +
					      4 * k);

			for (int i = 0; i < 4; i++) {
				int8x16_t b = vld1q_s8(w + 16 * i);
				int32x4_t *s = &acc[t][2 * i];

				s[0] = vpadalq_s16(s[0],
						   vmull_s8(vget_low_s8(a),
							    vget_low_s8(b)));
				s[1] = vpadalq_s16(s[1], mull_high(a, b));
			}
		}
	for (int t = 0; t < tile; t++) {
		int32x4_t low[4];

		for (int i = 0; i < 4; i++)
			low[i] = add_pairs(acc[t][2 * i], acc[t][2 * i + 1]);
		store_sums(g, q, p + (size_t)t, o0, low, NULL);
	}
}

static void gemm_s8(const struct k_gemm *g)
{
	const int8_t *w = g->weights;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += g->groups * 64) {
		const struct requant16 q = load_requant16(g->rq, o0);
		size_t p = 0;

		for (; p + TILE_S8 <= g->pixels; p += TILE_S8)
			block_s8(g, &q, p, o0, w, TILE_S8);
		for (; p < g->pixels; p++)
			block_s8(g, &q, p, o0, w, 1);
	}
}

/* sum + w * a[lane] */
INLINE int32x4_t mlal_lane(int32x4_t sum, int16x4_t w, int16x4_t a, int lane)
{
	switch (lane) {
	case 0:
		return vmlal_lane_s16(sum, w, a, 0);
	case 1:
		return vmlal_lane_s16(sum, w, a, 1);
	case 2:
		return vmlal_lane_s16(sum, w, a, 2);
	default:
		return vmlal_lane_s16(sum, w, a, 3);
	}
}

/* The load takes a group of weights apart: one vector for each input, of its
 * weights for the sixteen outputs. */
INLINE void block_s16(const struct k_gemm *g, const struct requant16 *q,
		      size_t p, size_t o0, const int8_t *w, int tile,
		      int planes)
{
	const int16_t *in = (const int16_t *)g->in + p * g->in_step;
	int32x4_t acc[TILE_S16][2][4];

	for (int t = 0; t < tile; t++)
		for (int i = 0; i < 4 * planes; i++)
			acc[t][i / 4][i % 4] = vdupq_n_s32(0);
	for (size_t k = 0; k < g->groups; k++) {
		int16x4_t a[TILE_S16];

		for (int t = 0; t < tile; t++)
			a[t] = vld1_s16(in + (size_t)t * g->in_step + 4 * k);
		for (int plane = 0; plane < planes; plane++, w += 64) {
			int8x16x4_t b = vld4q_s8(w);

			for (int j = 0; j < 4; j++) {
				int16x8_t lo = vmovl_s8(vget_low_s8(b.val[j]));
				int16x8_t hi = vmovl_s8(vget_high_s8(b.val[j]));

				for (int t = 0; t < tile; t++) {
					int32x4_t *s = acc[t][plane];

					s[0] = mlal_lane(s[0], vget_low_s16(lo),
							 a[t], j);
					s[1] = mlal_lane(s[1],
							 vget_high_s16(lo),
							 a[t], j);
					s[2] = mlal_lane(s[2], vget_low_s16(hi),
							 a[t], j);
					s[3] = mlal_lane(s[3],
							 vget_high_s16(hi),
							 a[t], j);
				}
			}
		}
	}
	for (int t = 0; t < tile; t++)
		store_sums(g, q, p + (size_t)t, o0, acc[t][0],
			   planes == 2 ? acc[t][1] : NULL);
}

INLINE void planes_s16(const struct k_gemm *g, int tile, int planes)
{
	const int8_t *w = g->weights;
	size_t block_bytes = g->groups * 64 * (size_t)planes;

	for (size_t o0 = 0; o0 < g->channels; o0 += 16, w += block_bytes) {
		const struct requant16 q = load_requant16(g->rq, o0);
		size_t p = 0;

		for (; p + (size_t)tile <= g->pixels; p += (size_t)tile)
			block_s16(g, &q, p, o0, w, tile, planes);
		for (; p < g->pixels; p++)
			block_s16(g, &q, p, o0, w, 1, planes);
	}
}

void k_gemm_s16_neon(const struct k_gemm *g)
{
	if (g->wide)
		planes_s16(g, TILE_S16_WIDE, 2);
	else
		planes_s16(g, TILE_S16, 1);
}

/* Adds the products of one or two taps (in1 NULL) of sixteen channels. Two
 * fit 16 bits, since no weight is -128. */
INLINE void add_taps(int32x4_t acc[4], const int8_t *in0, int8x16_t w0,
		     const int8_t *in1, int8x16_t w1)
{
	int8x16_t a = vld1q_s8(in0);
	int16x8_t lo = vmull_s8(vget_low_s8(a), vget_low_s8(w0));
	int16x8_t hi = mull_high(a, w0);

	if (in1 != NULL) {
		a = vld1q_s8(in1);
		lo = vmlal_s8(lo, vget_low_s8(a), vget_low_s8(w1));
		hi = mlal_high(hi, a, w1);
	}
	acc[0] = vaddw_s16(acc[0], vget_low_s16(lo));
	acc[1] = vaddw_s16(acc[1], vget_high_s16(lo));
	acc[2] = vaddw_s16(acc[2], vget_low_s16(hi));
	acc[3] = vaddw_s16(acc[3], vget_high_s16(hi));
}

/* Channels c .. c + 15 of a row. */
INLINE void depthwise16(const struct k_depthwise *d, size_t c, size_t kernel_h,
			size_t kernel_w)
{
	const struct requant16 q = load_requant16(d->rq, c);
	int8x16_t w[DEPTHWISE_TAPS_MAX];

	for (size_t t = 0; t < kernel_h * kernel_w; t++)
		w[t] = vld1q_s8(d->weights + t * d->weight_step + c);
	for (size_t x = 0; x < d->out_pixels; x++) {
		int32x4_t acc[4] = { q.bias[0], q.bias[1], q.bias[2],
				     q.bias[3] };
		float32x4_t y[4];

		for (size_t ky = 0; ky < kernel_h; ky++) {
			const int8_t *in = d->rows[ky] + x * d->in_step + c;
			const int8x16_t *v = w + ky * kernel_w;
			size_t kx = 0;

			for (; kx + 2 <= kernel_w; kx += 2)
				add_taps(acc, in + kx * d->pixel_step, v[kx],
					 in + (kx + 1) * d->pixel_step,
					 v[kx + 1]);
			if (kx < kernel_w)
				add_taps(acc, in + kx * d->pixel_step, v[kx],
					 NULL, v[kx]);
		}
		for (int i = 0; i < 4; i++)
			y[i] = scale4(&q, i, vcvtq_f32_s32(acc[i]));
		vst1q_s8(
			d->out + x * d->out_step + c,
			pack16(round8(&q, y[0], y[1]), round8(&q, y[2], y[3])));
	}
}

/* The last few channels, from c on, as the reference does them. */
static void depthwise_rest(const struct k_depthwise *d, size_t c)
{
	const int8_t *rows[DEPTHWISE_TAPS_MAX];
	struct k_depthwise rest = *d;
	struct k_requant rq = *d->rq;

	for (size_t ky = 0; ky < d->kernel_h; ky++)
		rows[ky] = d->rows[ky] + c;
	rq.bias += c;
	rq.scale += c;
	if (rq.slope != NULL)
		rq.slope += c;
	rest.rows = rows;
	rest.weights += c;
	rest.channels -= c;
	rest.out += c;
	rest.rq = &rq;
	k_table_scalar.depthwise_s8(&rest);
}

void k_depthwise_s8_neon(const struct k_depthwise *d)
{
	size_t c = 0;

	for (; c + 16 <= d->channels; c += 16)
		if (d->kernel_h == 3 && d->kernel_w == 3)
			depthwise16(d, c, 3, 3);
		else
			depthwise16(d, c, d->kernel_h, d->kernel_w);
	if (c < d->channels)
		depthwise_rest(d, c);
}

void k_maxpool_s16_neon(const int16_t *const *taps, size_t tap_count,
			size_t channels, int16_t *out)
{
	size_t c = 0;

	for (; c + 8 <= channels; c += 8) {
		int16x8_t top = vld1q_s16(taps[0] + c);

		for (size_t t = 1; t < tap_count; t++)
			top = vmaxq_s16(top, vld1q_s16(taps[t] + c));
		vst1q_s16(out + c, top);
	}
	for (; c < channels; c++) {
		int16_t top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}

/* One product at a time in 16 bits: here both sides may be -128. */
static int32_t dot_s8(const int8_t *a, const int8_t *b)
{
	int32x4_t sum[2] = { vdupq_n_s32(0), vdupq_n_s32(0) };
	int32x2_t s;

	for (size_t i = 0; i < TEMPLATE_DIM; i += 16) {
		int8x16_t x = vld1q_s8(a + i), y = vld1q_s8(b + i);

		sum[0] = vpadalq_s16(sum[0],
				     vmull_s8(vget_low_s8(x), vget_low_s8(y)));
		sum[1] = vpadalq_s16(sum[1], mull_high(x, y));
	}
	sum[0] = vaddq_s32(sum[0], sum[1]);
	s = vadd_s32(vget_low_s32(sum[0]), vget_high_s32(sum[0]));
	return vget_lane_s32(vpadd_s32(s, s), 0);
}

static void dot_rows_s8(const int8_t (*rows)[TEMPLATE_DIM],
			const int8_t probe[TEMPLATE_DIM], size_t n,
			int32_t *sums)
{
	for (size_t i = 0; i < n; i++) {
		k_fetch_rows_ahead(rows + i, 1);
		sums[i] = dot_s8(rows[i], probe);
	}
}

/* At most K_ROWS_U16 of them. */
static void add_few_rows(uint32_t *sums, const uint8_t *rows, size_t step,
			 size_t count, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint16x8_t sum = vdupq_n_u16(0);

		for (size_t r = 0; r < count; r++)
			sum = vaddw_u8(sum, vld1_u8(rows + r * step + i));
		vst1q_u32(sums + i,
			  vaddw_u16(vld1q_u32(sums + i), vget_low_u16(sum)));
		vst1q_u32(sums + i + 4, vaddw_u16(vld1q_u32(sums + i + 4),
						  vget_high_u16(sum)));
	}
	for (; i < n; i++)
		for (size_t r = 0; r < count; r++)
			sums[i] += rows[r * step + i];
}

void k_add_rows_u8_neon(uint32_t *sums, const uint8_t *rows, size_t step,
			size_t count, size_t n)
{
	k_add_in_parts(add_few_rows, sums, rows, step, count, n);
}

const struct k_table k_table_neon = {
	.name = "neon",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = k_gemm_s16_neon,
	.gemm_f32 = k_gemm_f32_neon,
	.depthwise_s8 = k_depthwise_s8_neon,
	.maxpool_s16 = k_maxpool_s16_neon,
	.maxpool_f32 = k_maxpool_f32_neon,
	.dot_rows_s8 = dot_rows_s8,
	.add_rows_u8 = k_add_rows_u8_neon,
};
