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
	const uint8_t *file;
	const int8_t *weights;
	const struct k_table *k;
	struct k_requant rq;
};

static void fill_zero_point(const struct fgm_layer *l, uint8_t *dst, size_t n)
{
	if (n == 0)
		return; /* always so for f32, which has no padding */
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

/* What a conv reads for its next tile of n pixels from p: the input itself, or
 * their windows gathered side by side. */
static const void *tile_input(const struct layer_run *r, size_t p, size_t n)
{
	size_t window = fgm_k_padded(r->l) * fgm_type_bytes(r->l->in_type);

	if (nn_reads_in_place(r->l))
		return r->src;
	for (size_t i = 0; i < n; i++)
		gather(r, (uint32_t)((p + i) / r->out->width),
		       (uint32_t)((p + i) % r->out->width),
		       r->scratch + i * window);
	return r->scratch;
}

static size_t tile_pixels(const struct layer_run *r)
{
	return nn_reads_in_place(r->l) ? (size_t)r->out->height * r->out->width
				       : nn_tile_pixels(r->l);
}

static void run_conv(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t out_elem = fgm_type_bytes(l->out_type);
	size_t pixels = (size_t)r->out->height * r->out->width;
	size_t tile = tile_pixels(r);
	void (*gemm)(const struct k_gemm *) = l->in_type == FGM_S8
						      ? r->k->gemm_s8
						      : r->k->gemm_s16;
	struct k_gemm g = {
		.in_step = fgm_k_padded(l),
		.groups = fgm_k_padded(l) / FGM_K_GROUP,
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

		g.in = tile_input(r, p, n);
		g.pixels = n;
		g.out = r->dst + at;
		g.residual = r->residual ? r->residual + at : NULL;
		gemm(&g);
	}
}

static void run_conv_f32(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t pixels = (size_t)r->out->height * r->out->width;
	size_t tile = tile_pixels(r);
	struct k_gemm_f32 g = {
		.in_step = fgm_k_padded(l),
		.k = fgm_k_padded(l),
		.weights = fgm_weights_f32(r->file, l),
		.bias = fgm_bias_f32(r->file, l),
		.slope = l->flags & FGM_FLAG_SLOPE ? fgm_slope_f32(r->file, l)
						   : NULL,
		.channels = l->out_channels,
		.out = (float *)(void *)r->dst,
		.out_step = l->out_channels,
	};

	for (size_t p = 0; p < pixels; p += tile) {
		g.pixels = pixels - p < tile ? pixels - p : tile;
		g.in = tile_input(r, p, g.pixels);
		r->k->gemm_f32(&g);
		g.out += g.pixels * l->out_channels;
	}
}

/* Copies an input row into a row of scratch, between its padding. */
static void pad_row(const struct layer_run *r, long y, int8_t *dst)
{
	const struct fgm_layer *l = r->l;
	size_t ch = l->in_channels, bytes = r->in->width * ch;

	memset(dst, l->in_zero, nn_padded_width(l, r->in->width) * ch);
	if (y >= 0 && y < (long)r->in->height)
		memcpy(dst + l->pad_left * ch, r->src + (size_t)y * bytes,
		       bytes);
}

static void run_depthwise(const struct layer_run *r)
{
	const struct fgm_layer *l = r->l;
	size_t ch = l->in_channels;
	size_t step = nn_padded_width(l, r->in->width) * ch;
	const int8_t *rows[16];
	struct k_depthwise d = {
		.rows = rows,
		.kernel_h = l->kernel_h,
		.kernel_w = l->kernel_w,
		.pixel_step = ch,
		.in_step = l->stride * ch,
		.out_pixels = r->out->width,
		.weights = r->weights,
		.weight_step = fgm_channels_padded(l),
		.channels = ch,
		.out = (int8_t *)r->dst,
		.out_step = ch,
		.rq = &r->rq,
	};

	for (uint32_t oy = 0; oy < r->out->height; oy++) {
		for (long ky = 0; ky < l->kernel_h; ky++) {
			int8_t *row = (int8_t *)r->scratch + (size_t)ky * step;

			pad_row(r, (long)oy * l->stride - l->pad_top + ky, row);
			rows[ky] = row;
		}
		r->k->depthwise_s8(&d);
		d.out += r->out->width * ch;
	}
}

/* The inputs of one pooling window. One that hangs over the edge is cut; its
 * first tap is always inside. */
static size_t pool_taps(const struct layer_run *r, uint32_t oy, uint32_t ox,
			const uint8_t **taps)
{
	const struct fgm_layer *l = r->l;
	size_t pixel = l->in_channels * fgm_type_bytes(l->in_type), n = 0;

	for (unsigned ky = 0; ky < l->kernel_h; ky++) {
		for (unsigned kx = 0; kx < l->kernel_w; kx++) {
			uint32_t y = oy * l->stride + ky;
			uint32_t x = ox * l->stride + kx;

			if (y < r->in->height && x < r->in->width)
				taps[n++] = r->src + ((size_t)y * r->in->width +
						      x) * pixel;
		}
	}
	return n;
}

static void run_maxpool(const struct layer_run *r)
{
	size_t ch = r->l->in_channels;
	const uint8_t *taps[16 * 16];
	const int16_t *narrow[16 * 16];
	const float *floats[16 * 16];
	uint8_t *dst = r->dst;

	for (uint32_t oy = 0; oy < r->out->height; oy++) {
		for (uint32_t ox = 0; ox < r->out->width; ox++) {
			size_t n = pool_taps(r, oy, ox, taps);

			if (r->l->in_type == FGM_F32) {
				for (size_t t = 0; t < n; t++)
					floats[t] = (const void *)taps[t];
				r->k->maxpool_f32(floats, n, ch,
						  (float *)(void *)dst);
				dst += ch * sizeof(float);
			} else {
				for (size_t t = 0; t < n; t++)
					narrow[t] = (const void *)taps[t];
				r->k->maxpool_s16(narrow, n, ch,
						  (int16_t *)(void *)dst);
				dst += ch * sizeof(int16_t);
			}
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
		.file = m->file,
		.k = k,
	};

	if (l->op == FGM_MAXPOOL) {
		run_maxpool(&r);
		return;
	}
	if (l->in_type == FGM_F32) {
		run_conv_f32(&r);
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
