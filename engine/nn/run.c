/* Layer by layer through a planned net. */
#include <string.h>

#include "nn/nn.h"
#include "nn/tile.h"

struct layer_run {
	const struct fgm_layer *l;
	const struct nn_tensor *in, *out;
	const uint8_t *src;
	uint8_t *dst, *scratch;
	const uint8_t *residual;
	const int8_t *weights;
	const struct k_table *k;
	struct k_requant rq;
};

static void fill_zero_point(const struct fgm_layer *l, uint8_t *dst, size_t n)
{
	if (l->in_type == FGM_S8) {
		memset(dst, l->in_zero, n);
	} else {
		int16_t *d = (int16_t *)(void *)dst;

		for (size_t i = 0; i < n; i++)
			d[i] = l->in_zero;
	}
}

/* Gathers the window of output pixel (oy, ox) in the order (ky, kx, channel),
 * with in_zero outside the picture and zeros up to the group's end. */
static void gather(const struct layer_run *r, uint32_t oy, uint32_t ox,
		   uint8_t *dst)
{
	const struct fgm_layer *l = r->l;
	size_t elem = fgm_type_bytes(l->in_type);
	size_t pixel = l->in_channels * elem;
	long x0 = (long)ox * l->stride - l->pad_left;
	long y0 = (long)oy * l->stride - l->pad_top;
	long left = x0 < 0 ? -x0 : 0;
	long right = x0 + l->kernel_w - (long)r->in->width;
	size_t k = (size_t)l->kernel_h * l->kernel_w * l->in_channels;

	if (right < 0)
		right = 0;
	for (long ky = 0; ky < l->kernel_h; ky++) {
		long y = y0 + ky, inside = l->kernel_w - left - right;
		size_t span = (size_t)l->kernel_w * pixel;

		if (y < 0 || y >= (long)r->in->height || inside <= 0) {
			fill_zero_point(l, dst, span / elem);
		} else {
			const uint8_t *row = r->src +
					     (size_t)y * r->in->width * pixel;

			fill_zero_point(l, dst, (size_t)left * l->in_channels);
			memcpy(dst + (size_t)left * pixel,
			       row + (size_t)(x0 + left) * pixel,
			       (size_t)inside * pixel);
			fill_zero_point(l,
					dst + (size_t)(left + inside) * pixel,
					(size_t)right * l->in_channels);
		}
		dst += span;
	}
	memset(dst, 0, (fgm_k_padded(l) - k) * elem);
}

static void run_conv(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t elem = fgm_type_bytes(l->in_type);
	size_t out_elem = fgm_type_bytes(l->out_type);
	size_t k_padded = fgm_k_padded(l);
	size_t pixels = (size_t)r->out->height * r->out->width;
	int in_place = nn_reads_in_place(l);
	size_t tile = in_place ? pixels : nn_tile_pixels(l);
	void (*gemm)(const struct k_gemm *) = l->in_type == FGM_S8
						      ? r->k->gemm_s8
						      : r->k->gemm_s16;
	struct k_gemm g = {
		.in_step = k_padded,
		.groups = k_padded / FGM_K_GROUP,
		.weights = r->weights,
		.wide = (l->flags & FGM_FLAG_WIDE) != 0,
		.channels = l->out_channels,
		.out_step = l->out_channels,
		.residual_step = l->out_channels,
		.rq = &r->rq,
	};

	for (size_t p = 0; p < pixels; p += tile) {
		size_t n = pixels - p < tile ? pixels - p : tile;
		size_t at = p * l->out_channels * out_elem;

		if (!in_place)
			for (size_t i = 0; i < n; i++)
				gather(r, (uint32_t)((p + i) / r->out->width),
				       (uint32_t)((p + i) % r->out->width),
				       r->scratch + i * k_padded * elem);
		g.in = in_place ? r->src : r->scratch;
		g.pixels = n;
		g.out = r->dst + at;
		g.residual = r->residual ? r->residual + at : NULL;
		gemm(&g);
	}
}

static void run_depthwise(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t ch = l->in_channels;
	const int8_t *taps[16 * 16];
	struct k_depthwise d = {
		.taps = taps,
		.tap_count = (size_t)l->kernel_h * l->kernel_w,
		.weights = r->weights,
		.weight_step = fgm_channels_padded(l),
		.channels = ch,
		.out = (int8_t *)r->dst,
		.rq = &r->rq,
	};

	memset(r->scratch, l->in_zero, ch);
	for (uint32_t oy = 0; oy < r->out->height; oy++) {
		for (uint32_t ox = 0; ox < r->out->width; ox++) {
			const int8_t **tap = taps;

			for (long ky = 0; ky < l->kernel_h; ky++) {
				long y = (long)oy * l->stride - l->pad_top + ky;

				for (long kx = 0; kx < l->kernel_w; kx++) {
					long x = (long)ox * l->stride -
						 l->pad_left + kx;
					int inside = y >= 0 && x >= 0 &&
						     y < (long)r->in->height &&
						     x < (long)r->in->width;
					size_t at =
						inside ? ((size_t)y *
								  r->in->width +
							  (size_t)x) *
								 ch
						       : 0;

					*tap++ = inside ? (const int8_t
								   *)r->src +
								  at
							: (const int8_t *)
								  r->scratch;
				}
			}
			r->k->depthwise_s8(&d);
			d.out += ch;
		}
	}
}

static void run_maxpool(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t ch = l->in_channels;
	const int16_t *src = (const int16_t *)(const void *)r->src;
	int16_t *dst = (int16_t *)(void *)r->dst;
	const int16_t *taps[16 * 16];

	for (uint32_t oy = 0; oy < r->out->height; oy++) {
		for (uint32_t ox = 0; ox < r->out->width; ox++) {
			size_t n = 0;

			for (unsigned ky = 0; ky < l->kernel_h; ky++) {
				for (unsigned kx = 0; kx < l->kernel_w; kx++) {
					uint32_t y = oy * l->stride + ky;
					uint32_t x = ox * l->stride + kx;

					/* A window hanging over the edge is
					 * cut; its first tap is inside. */
					if (y >= r->in->height ||
					    x >= r->in->width)
						continue;
					taps[n++] = src +
						    ((size_t)y * r->in->width +
						     x) * ch;
				}
			}
			r->k->maxpool_s16(taps, n, ch, dst);
			dst += ch;
		}
	}
}

static void run_layer(const struct nn_plan *plan, const struct model *m,
		      const struct fgm_layer *l, unsigned i,
		      const struct k_table *k, uint8_t *area)
{
	struct layer_run r = {
		.l = l,
		.in = &plan->tensor[l->input],
		.out = &plan->tensor[i + 1],
		.src = area + plan->tensor[l->input].offset,
		.dst = area + plan->tensor[i + 1].offset,
		.scratch = area + plan->scratch_offset,
		.k = k,
	};

	if (l->op == FGM_MAXPOOL) {
		run_maxpool(&r);
		return;
	}
	if (l->residual != FGM_NO_TENSOR)
		r.residual = area + plan->tensor[l->residual].offset;
	r.weights = fgm_weights(m->file, l);
	r.rq = (struct k_requant){
		.bias = fgm_bias(m->file, l),
		.scale = fgm_scale(m->file, l),
		.slope = l->flags & FGM_FLAG_SLOPE ? fgm_slope(m->file, l)
						   : NULL,
		.slope_unit = l->slope_unit,
		.out_type = (enum fgm_type)l->out_type,
		.out_zero = l->out_zero,
		.out_min = l->out_min,
		.out_max = l->out_max,
		.res_zero = l->res_zero,
		.res_scale = l->res_scale,
	};
	if (l->op == FGM_CONV)
		run_conv(&r);
	else
		run_depthwise(&r);
}

const void *nn_run_upto(const struct nn_plan *plan, const struct model *m,
			const struct fgm_net *net, const struct k_table *k,
			uint8_t *area, unsigned upto)
{
	for (unsigned i = 0; i < upto; i++)
		run_layer(plan, m, &m->layers[net->first_layer + i], i, k,
			  area);
	return area + plan->tensor[upto].offset;
}

const void *nn_run(const struct nn_plan *plan, const struct model *m,
		   const struct fgm_net *net, const struct k_table *k,
		   uint8_t *area)
{
	return nn_run_upto(plan, m, net, k, area, plan->layer_count);
}
