/* The one rounding rule, in plain C: docs/model-format.md, "Arithmetic".
 * Compiled without contraction into fused multiply-adds, so that every
 * processor gives the same bits. */
#ifndef FACEGATE_REQUANT_H
#define FACEGATE_REQUANT_H

#include "model/model.h"
#include "nn/kernels.h"

/* 1.5 x 2^23: adding it to |y| < 2^22 leaves no room for a fraction, so the
 * processor's round-half-even does the rounding; the same trick works on
 * vectors everywhere, ARMv7 included. */
#define ROUND_MAGIC 12582912.0f

/* Sum to real value in units of the output's scale, slope applied. */
static inline float rq_scale(const struct k_requant *rq, size_t o, float sum)
{
	float y = sum * bf16_to_float(rq->scale[o]);

	if (rq->slope != NULL && sum < 0.0f)
		y *= (float)rq->slope[o] * rq->slope_unit;
	return y;
}

/* Clamp, round half to even, add the zero point. The clamp comes first: it
 * keeps y within +-2^17, where the magic number rounds exactly. */
static inline int32_t rq_round(const struct k_requant *rq, float y)
{
	float lo = (float)(rq->out_min - rq->out_zero);
	float hi = (float)(rq->out_max - rq->out_zero);

	y = y < lo ? lo : y;
	y = y > hi ? hi : y;
	y = (y + ROUND_MAGIC) - ROUND_MAGIC;
	return (int32_t)y + rq->out_zero;
}

#endif
