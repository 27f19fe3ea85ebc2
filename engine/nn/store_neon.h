/* Sums to outputs, sixteen at a time: the rule of requant.h on NEON vectors of
 * both ARM architectures, for the levels from NEON up.
 *
 * ARMv7's vectors flush numbers below 2^-126 to zero. That cannot change an
 * integer output: whatever is flushed here would still be below 2^-60 after
 * every later multiplication, so it rounds away. A float output could change,
 * so those, found only in a net's last layer, take the scalar rule. */
#ifndef FACEGATE_STORE_NEON_H
#define FACEGATE_STORE_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "nn/kernels.h"
#include "nn/requant.h"

#define INLINE static inline __attribute__((always_inline))

/* What requantises outputs o .. o + 15, loaded once for many pixels. */
struct requant16 {
	int32x4_t bias[4];
	float32x4_t scale[4], slope[4];
	float32x4_t lo, hi; /* bounds before the zero point is added */
	int32x4_t zero;	    /* less the bits of ROUND_MAGIC */
	int has_slope;
};

INLINE struct requant16 load_requant16(const struct k_requant *rq, size_t o)
{
	const float32x4_t magic = vdupq_n_f32(ROUND_MAGIC);
	struct requant16 q = {
		.lo = vdupq_n_f32((float)(rq->out_min - rq->out_zero)),
		.hi = vdupq_n_f32((float)(rq->out_max - rq->out_zero)),
		.zero = vsubq_s32(vdupq_n_s32(rq->out_zero),
				  vreinterpretq_s32_f32(magic)),
		.has_slope = rq->slope != NULL,
	};

	for (size_t i = 0; i < 4; i++, o += 4) {
		q.bias[i] = vld1q_s32(rq->bias + o);
		q.scale[i] = vreinterpretq_f32_u32(
			vshlq_n_u32(vmovl_u16(vld1_u16(rq->scale + o)), 16));
		if (q.has_slope)
			q.slope[i] = vmulq_n_f32(
				vcvtq_f32_s32(
					vmovl_s16(vld1_s16(rq->slope + o))),
				rq->slope_unit);
	}
	return q;
}

/* Whether v < 0: its bits are above those of -0. A comparison of floats would
 * be of another mind on ARMv7 about numbers below 2^-126. */
INLINE uint32x4_t is_negative(float32x4_t v)
{
	return vcgtq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x80000000));
}

/* Quarter i of sixteen sums as real values, slope applied. */
INLINE float32x4_t scale4(const struct requant16 *q, int i, float32x4_t sum)
{
	float32x4_t y = vmulq_f32(sum, q->scale[i]);

	if (q->has_slope)
		y = vbslq_f32(is_negative(sum), vmulq_f32(y, q->slope[i]), y);
	return y;
}

/* After the magic number is added, the low bits of the float are the integer,
 * rounded half to even. */
INLINE int32x4_t round4(const struct requant16 *q, float32x4_t y)
{
	y = vminq_f32(vmaxq_f32(y, q->lo), q->hi);
	y = vaddq_f32(y, vdupq_n_f32(ROUND_MAGIC));
	return vaddq_s32(vreinterpretq_s32_f32(y), q->zero);
}

INLINE int16x8_t round8(const struct requant16 *q, float32x4_t y0,
			float32x4_t y1)
{
	return vcombine_s16(vmovn_s32(round4(q, y0)), vmovn_s32(round4(q, y1)));
}

INLINE int8x16_t pack16(int16x8_t lo, int16x8_t hi)
{
	return vcombine_s8(vmovn_s16(lo), vmovn_s16(hi));
}

INLINE float32x4_t add_residual4(const struct k_requant *rq, float32x4_t y,
				 int16x4_t r)
{
	int32x4_t v = vsubq_s32(vmovl_s16(r), vdupq_n_s32(rq->res_zero));

	return vaddq_f32(y, vmulq_n_f32(vcvtq_f32_s32(v), rq->res_scale));
}

/* Stores float outputs o0 .. o0 + n - 1 of pixel p. */
static inline void store_f32(const struct k_gemm *g, size_t p, size_t o0,
			     size_t n, const float32x4_t sum[4])
{
	float *out = (float *)g->out + p * g->out_step + o0;
	float s[16];

	for (size_t i = 0; i < 4; i++)
		vst1q_f32(s + 4 * i, sum[i]);
	for (size_t i = 0; i < n; i++)
		out[i] = rq_scale(g->rq, o0 + i, s[i]);
}

/* Stores sums of outputs o0 .. o0 + 15 of pixel p; those past the layer's
 * last channel are dropped, and no residual past it is read. */
INLINE void store16(const struct k_gemm *g, const struct requant16 *q, size_t p,
		    size_t o0, const float32x4_t sum[4])
{
	size_t n = g->channels - o0 < 16 ? g->channels - o0 : 16;
	size_t elem = g->rq->out_type == FGM_S8 ? 1 : 2;
	uint8_t *out = (uint8_t *)g->out + (p * g->out_step + o0) * elem;
	uint8_t whole[32], part[32] = { 0 };
	uint8_t *dst = n == 16 ? out : whole;
	float32x4_t y[4];
	int16x8_t v[2];

	if (g->rq->out_type == FGM_F32) {
		store_f32(g, p, o0, n, sum);
		return;
	}
	for (int i = 0; i < 4; i++)
		y[i] = scale4(q, i, sum[i]);
	if (g->residual != NULL) {
		const uint8_t *res = (const uint8_t *)g->residual +
				     (p * g->residual_step + o0) * elem;

		if (n < 16) {
			memcpy(part, res, n * elem);
			res = part;
		}
		for (int i = 0; i < 2; i++) {
			int16x8_t r = elem == 1 ? vmovl_s8(vreinterpret_s8_u8(
							  vld1_u8(res + 8 * i)))
						: vreinterpretq_s16_u8(vld1q_u8(
							  res + 16 * i));

			y[2 * i] = add_residual4(g->rq, y[2 * i],
						 vget_low_s16(r));
			y[2 * i + 1] = add_residual4(g->rq, y[2 * i + 1],
						     vget_high_s16(r));
		}
	}
	v[0] = round8(q, y[0], y[1]);
	v[1] = round8(q, y[2], y[3]);
	if (elem == 1) {
		vst1q_u8(dst, vreinterpretq_u8_s8(pack16(v[0], v[1])));
	} else {
		vst1q_u8(dst, vreinterpretq_u8_s16(v[0]));
		vst1q_u8(dst + 16, vreinterpretq_u8_s16(v[1]));
	}
	if (n < 16)
		memcpy(out, whole, n * elem);
}

/* The same from integer sums without their bias; with high, the sum is
 * low + 256 * high. */
INLINE void store_sums(const struct k_gemm *g, const struct requant16 *q,
		       size_t p, size_t o0, const int32x4_t low[4],
		       const int32x4_t *high)
{
	float32x4_t sum[4];

	for (int i = 0; i < 4; i++) {
		sum[i] = vcvtq_f32_s32(vaddq_s32(low[i], q->bias[i]));
		if (high != NULL)
			sum[i] = vaddq_f32(
				vmulq_n_f32(vcvtq_f32_s32(high[i]), 256.0f),
				sum[i]);
	}
	store16(g, q, p, o0, sum);
}

#endif
