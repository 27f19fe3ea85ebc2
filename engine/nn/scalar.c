/* The reference kernels: plain loops that say what every level computes. */
#include "nn/kernels.h"
#include "nn/requant.h"

/* Stores `count` sums as outputs o0 .. of pixel p. */
static void store_block(const struct k_gemm *g, size_t p, size_t o0,
			size_t count, const int32_t *acc)
{
	const struct k_requant *rq = g->rq;
	size_t at = p * g->out_step + o0;

	if (rq->out_type == FGM_F32) {
		float *out = (float *)g->out + at;

		for (size_t i = 0; i < count; i++)
			out[i] = rq_scale(rq, o0 + i, acc[i]);
	} else if (rq->out_type == FGM_S8) {
		const int8_t *res = g->residual;
		int8_t *out = (int8_t *)g->out + at;

		for (size_t i = 0; i < count; i++) {
			float y = rq_scale(rq, o0 + i, acc[i]);

			if (res != NULL)
				y += (float)(res[p * g->residual_step + o0 +
						 i] -
					     rq->res_zero) *
				     rq->res_scale;
			out[i] = (int8_t)rq_round(rq, y);
		}
	} else {
		const int16_t *res = g->residual;
		int16_t *out = (int16_t *)g->out + at;

		for (size_t i = 0; i < count; i++) {
			float y = rq_scale(rq, o0 + i, acc[i]);

			if (res != NULL)
				y += (float)(res[p * g->residual_step + o0 +
						 i] -
					     rq->res_zero) *
				     rq->res_scale;
			out[i] = (int16_t)rq_round(rq, y);
		}
	}
}

/* Both widths of input share one body. */
#define DEFINE_GEMM(NAME, TYPE)                                                \
	static void NAME(const struct k_gemm *g)                               \
	{                                                                      \
		size_t block_bytes = g->groups * FGM_K_GROUP * FGM_OUT_BLOCK;  \
                                                                               \
		for (size_t p = 0; p < g->pixels; p++) {                       \
			const TYPE *in = (const TYPE *)g->in + p * g->in_step; \
                                                                               \
			for (size_t o0 = 0; o0 < g->channels;                  \
			     o0 += FGM_OUT_BLOCK) {                            \
				const int8_t *w = g->weights +                 \
						  o0 / FGM_OUT_BLOCK *         \
							  block_bytes;         \
				int32_t acc[FGM_OUT_BLOCK];                    \
				size_t n = g->channels - o0;                   \
                                                                               \
				for (size_t o = 0; o < FGM_OUT_BLOCK; o++)     \
					acc[o] = g->rq->bias[o0 + o];          \
				for (size_t k = 0; k < g->groups; k++) {       \
					const TYPE *a = in + 4 * k;            \
					const int8_t *b = w + 64 * k;          \
                                                                               \
					for (size_t o = 0; o < FGM_OUT_BLOCK;  \
					     o++)                              \
						acc[o] += a[0] * b[4 * o] +    \
							  a[1] * b[4 * o + 1] + \
							  a[2] * b[4 * o + 2] + \
							  a[3] * b[4 * o + 3]; \
				}                                              \
				store_block(g, p, o0,                          \
					    n < FGM_OUT_BLOCK ? n              \
							      : FGM_OUT_BLOCK, \
					    acc);                              \
			}                                                      \
		}                                                              \
	}

DEFINE_GEMM(gemm_s8, int8_t)
DEFINE_GEMM(gemm_s16, int16_t)

static void depthwise_s8(const struct k_depthwise *d)
{
	for (size_t c = 0; c < d->channels; c++) {
		int32_t acc = d->rq->bias[c];

		for (size_t t = 0; t < d->tap_count; t++)
			acc += d->taps[t][c] * d->weights[t * d->weight_step + c];
		d->out[c] = (int8_t)rq_round(d->rq, rq_scale(d->rq, c, acc));
	}
}

static void maxpool_s16(const int16_t *const *taps, size_t tap_count,
			size_t channels, int16_t *out)
{
	for (size_t c = 0; c < channels; c++) {
		int16_t top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}

static int32_t dot_s8(const int8_t *a, const int8_t *b, size_t n)
{
	int32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void add_row_u8(uint32_t *sums, const uint8_t *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sums[i] += row[i];
}

const struct k_table k_table_scalar = {
	.name = "scalar",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.depthwise_s8 = depthwise_s8,
	.maxpool_s16 = maxpool_s16,
	.dot_s8 = dot_s8,
	.add_row_u8 = add_row_u8,
};
