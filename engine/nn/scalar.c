/* The reference kernels: plain loops that say what every level computes. */
#include "nn/kernels.h"
#include "nn/requant.h"

/* Stores `count` sums as outputs o0 .. of pixel p. */
static void store_block(const struct k_gemm *g, size_t p, size_t o0,
			size_t count, const float *sum)
{
	const struct k_requant *rq = g->rq;
	size_t at = p * g->out_step + o0;

	if (rq->out_type == FGM_F32) {
		float *out = (float *)g->out + at;

		for (size_t i = 0; i < count; i++)
			out[i] = rq_scale(rq, o0 + i, sum[i]);
	} else if (rq->out_type == FGM_S8) {
		const int8_t *res = g->residual;
		int8_t *out = (int8_t *)g->out + at;

		for (size_t i = 0; i < count; i++) {
			float y = rq_scale(rq, o0 + i, sum[i]);

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
			float y = rq_scale(rq, o0 + i, sum[i]);

			if (res != NULL)
				y += (float)(res[p * g->residual_step + o0 +
						 i] -
					     rq->res_zero) *
				     rq->res_scale;
			out[i] = (int16_t)rq_round(rq, y);
		}
	}
}

/* Sixteen sums over one plane of weights; groups lie step bytes apart. Both
 * widths of input share one body. */
#define DEFINE_SUM(NAME, TYPE)                                                 \
	static void NAME(const TYPE *in, size_t groups, const int8_t *w,       \
			 size_t step, int32_t *acc)                            \
	{                                                                      \
		for (size_t k = 0; k < groups; k++, in += 4, w += step)        \
			for (size_t o = 0; o < FGM_OUT_BLOCK; o++)             \
				acc[o] += in[0] * w[4 * o] +                   \
					  in[1] * w[4 * o + 1] +               \
					  in[2] * w[4 * o + 2] +               \
					  in[3] * w[4 * o + 3];                \
	}

DEFINE_SUM(sum_s8, int8_t)
DEFINE_SUM(sum_s16, int16_t)

static void gemm_block(const struct k_gemm *g, size_t p, size_t o0,
		       const int8_t *w, int is_s16)
{
	size_t step = g->wide ? 128 : 64;
	size_t n = g->channels - o0;
	int32_t low[FGM_OUT_BLOCK], high[FGM_OUT_BLOCK] = { 0 };
	float sum[FGM_OUT_BLOCK];

	for (size_t o = 0; o < FGM_OUT_BLOCK; o++)
		low[o] = g->rq->bias[o0 + o];
	if (is_s16) {
		const int16_t *in = (const int16_t *)g->in + p * g->in_step;

		sum_s16(in, g->groups, w, step, low);
		if (g->wide)
			sum_s16(in, g->groups, w + 64, step, high);
	} else {
		sum_s8((const int8_t *)g->in + p * g->in_step, g->groups, w,
		       step, low);
	}
	for (size_t o = 0; o < FGM_OUT_BLOCK; o++) {
		sum[o] = (float)low[o];
		if (g->wide)
			sum[o] = (float)high[o] * 256.0f + sum[o];
	}
	store_block(g, p, o0, n < FGM_OUT_BLOCK ? n : FGM_OUT_BLOCK, sum);
}

static void gemm(const struct k_gemm *g, int is_s16)
{
	size_t block_bytes = g->groups * (g->wide ? 128 : 64);

	for (size_t p = 0; p < g->pixels; p++)
		for (size_t o0 = 0; o0 < g->channels; o0 += FGM_OUT_BLOCK)
			gemm_block(g, p, o0,
				   g->weights +
					   o0 / FGM_OUT_BLOCK * block_bytes,
				   is_s16);
}

static void gemm_s8(const struct k_gemm *g)
{
	gemm(g, 0);
}

static void gemm_s16(const struct k_gemm *g)
{
	gemm(g, 1);
}

static int32_t window_sum(const struct k_depthwise *d, size_t x, size_t c)
{
	const int8_t *w = d->weights + c;
	int32_t sum = d->rq->bias[c];

	for (size_t ky = 0; ky < d->kernel_h; ky++) {
		const int8_t *in = d->rows[ky] + x * d->in_step + c;

		for (size_t kx = 0; kx < d->kernel_w; kx++) {
			sum += in[kx * d->pixel_step] * *w;
			w += d->weight_step;
		}
	}
	return sum;
}

static void depthwise_s8(const struct k_depthwise *d)
{
	for (size_t x = 0; x < d->out_pixels; x++)
		for (size_t c = 0; c < d->channels; c++) {
			float sum = (float)window_sum(d, x, c);

			d->out[x * d->out_step + c] = (int8_t)rq_round(
				d->rq, rq_scale(d->rq, c, sum));
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

static void gemm_f32(const struct k_gemm_f32 *g)
{
	for (size_t p = 0; p < g->pixels; p++) {
		for (size_t o = 0; o < g->channels; o++) {
			const float *w = g->weights +
					 o / FGM_OUT_BLOCK * g->k *
						 FGM_OUT_BLOCK +
					 o % FGM_OUT_BLOCK;
			const float *in = g->in + p * g->in_step;
			float sum = g->bias[o];

			for (size_t k = 0; k < g->k; k++)
				sum += in[k] * w[k * FGM_OUT_BLOCK];
			if (g->slope != NULL && sum < 0.0f)
				sum *= g->slope[o];
			g->out[p * g->out_step + o] = sum;
		}
	}
}

static void maxpool_f32(const float *const *taps, size_t tap_count,
			size_t channels, float *out)
{
	for (size_t c = 0; c < channels; c++) {
		float top = taps[0][c];

		for (size_t t = 1; t < tap_count; t++)
			if (taps[t][c] > top)
				top = taps[t][c];
		out[c] = top;
	}
}

static void dot_rows_s8(const int8_t (*rows)[TEMPLATE_DIM],
			const int8_t probe[TEMPLATE_DIM], size_t n,
			int32_t *sums)
{
	for (size_t i = 0; i < n; i++) {
		int32_t sum = 0;

		for (size_t j = 0; j < TEMPLATE_DIM; j++)
			sum += rows[i][j] * probe[j];
		sums[i] = sum;
	}
}

static void add_rows_u8(uint32_t *sums, const uint8_t *rows, size_t step,
			size_t count, size_t n)
{
	for (size_t r = 0; r < count; r++, rows += step)
		for (size_t i = 0; i < n; i++)
			sums[i] += rows[i];
}

const struct k_table k_table_scalar = {
	.name = "scalar",
	.gemm_s8 = gemm_s8,
	.gemm_s16 = gemm_s16,
	.gemm_f32 = gemm_f32,
	.depthwise_s8 = depthwise_s8,
	.maxpool_s16 = maxpool_s16,
	.maxpool_f32 = maxpool_f32,
	.dot_rows_s8 = dot_rows_s8,
	.add_rows_u8 = add_rows_u8,
};
