/* Row by row through a planned net. */
#include <string.h>

#include "nn/nn.h"
#include "nn/tile.h"

#define KERNEL_MAX 16 /* rows or columns of a window: the loader's bound */

/* One row of one layer. */
struct row_run {
	const struct fgm_layer *l;
	const uint8_t *file;
	const struct k_table *k;
	/* The rows of the window, each from its leftmost padding on; fewer
	 * than kernel_h where a pooling window hangs over the edge. */
	const uint8_t *rows[KERNEL_MAX];
	unsigned row_count;
	uint32_t in_width, out_width;
	size_t in_pixel, out_pixel; /* bytes */
	uint8_t *dst, *scratch;
	const uint8_t *residual;
};

static uint8_t *row_start(const struct nn_run *r, unsigned t, uint32_t y)
{
	const struct nn_tensor *x = &r->plan->tensor[t];

	return r->area + x->offset + y % x->rows * x->row_bytes;
}

static uint8_t *row_pixels(const struct nn_run *r, unsigned t, uint32_t y)
{
	const struct nn_tensor *x = &r->plan->tensor[t];

	return row_start(r, t, y) + (size_t)x->left * x->pixel_bytes;
}

/* Integers only: f32 layers have no padding. */
static void fill(uint8_t *dst, size_t bytes, unsigned type, int16_t value)
{
	if (type == FGM_S8) {
		memset(dst, value, bytes);
	} else {
		for (size_t i = 0; i < bytes; i += sizeof(value))
			memcpy(dst + i, &value, sizeof(value));
	}
}

/* The windows of n output pixels from x, side by side, each in the order (ky,
 * kx, channel) with zeros up to the group's end. Spans are copied in whole
 * sixteens; what is too much is overwritten by the next one. */
static void gather(const struct row_run *r, size_t x, size_t n)
{
	size_t step = r->l->stride * r->in_pixel;
	size_t span = r->l->kernel_w * r->in_pixel;
	size_t window = fgm_k_padded(r->l) * fgm_type_bytes(r->l->in_type);
	size_t used = r->row_count * span;
	uint8_t *dst = r->scratch;

	for (size_t p = x; p < x + n; p++, dst += window) {
		for (unsigned ky = 0; ky < r->row_count; ky++) {
			const uint8_t *src = r->rows[ky] + p * step;

			for (size_t i = 0; i < span; i += NN_OVERRUN)
				memcpy(dst + ky * span + i, src + i,
				       NN_OVERRUN);
		}
		memset(dst + used, 0, window - used);
	}
}

/* What a conv reads for n output pixels from x on. */
static const void *conv_input(const struct row_run *r, size_t x, size_t n)
{
	if (nn_reads_in_place(r->l))
		return r->rows[0];
	gather(r, x, n);
	return r->scratch;
}

static size_t tile_pixels(const struct row_run *r)
{
	return nn_reads_in_place(r->l) ? r->out_width : nn_tile_pixels(r->l);
}

static struct k_requant requant(const struct row_run *r)
{
	const struct fgm_layer *l = r->l;

	return (struct k_requant){
		.bias = fgm_bias(r->file, l),
		.scale = fgm_scale(r->file, l),
		.slope = l->flags & FGM_FLAG_SLOPE ? fgm_slope(r->file, l)
						   : NULL,
		.slope_unit = l->slope_unit,
		.out_type = (enum fgm_type)l->out_type,
		.out_zero = l->out_zero,
		.out_min = l->out_min,
		.out_max = l->out_max,
		.res_zero = l->res_zero,
		.res_scale = l->res_scale,
	};
}

static void run_conv(const struct row_run *r)
{
	const struct fgm_layer *l = r->l;
	const struct k_requant rq = requant(r);
	size_t tile = tile_pixels(r);
	void (*gemm)(const struct k_gemm *) = l->in_type == FGM_S8
						      ? r->k->gemm_s8
						      : r->k->gemm_s16;
	struct k_gemm g = {
		.in_step = fgm_k_padded(l),
		.groups = fgm_k_padded(l) / FGM_K_GROUP,
		.weights = fgm_weights(r->file, l),
		.wide = (l->flags & FGM_FLAG_WIDE) != 0,
		.channels = l->out_channels,
		.out_step = l->out_channels,
		.residual_step = l->out_channels,
		.rq = &rq,
	};

	for (size_t x = 0; x < r->out_width; x += tile) {
		g.pixels = r->out_width - x < tile ? r->out_width - x : tile;
		g.in = conv_input(r, x, g.pixels);
		g.out = r->dst + x * r->out_pixel;
		g.residual = r->residual ? r->residual + x * r->out_pixel
					 : NULL;
		gemm(&g);
	}
}

static void run_conv_f32(const struct row_run *r)
{
	const struct fgm_layer *l = r->l;
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

	for (size_t x = 0; x < r->out_width; x += tile) {
		g.pixels = r->out_width - x < tile ? r->out_width - x : tile;
		g.in = conv_input(r, x, g.pixels);
		r->k->gemm_f32(&g);
		g.out += g.pixels * l->out_channels;
	}
}

static void run_depthwise(const struct row_run *r)
{
	const struct fgm_layer *l = r->l;
	const struct k_requant rq = requant(r);
	const struct k_depthwise d = {
		.rows = (const int8_t *const *)r->rows,
		.kernel_h = l->kernel_h,
		.kernel_w = l->kernel_w,
		.pixel_step = l->in_channels,
		.in_step = (size_t)l->stride * l->in_channels,
		.out_pixels = r->out_width,
		.weights = fgm_weights(r->file, l),
		.weight_step = fgm_channels_padded(l),
		.channels = l->in_channels,
		.out = (int8_t *)r->dst,
		.out_step = l->in_channels,
		.rq = &rq,
	};

	r->k->depthwise_s8(&d);
}

/* The inputs of one pooling window. One that hangs over the edge is cut; its
 * first tap is always inside. */
static size_t pool_taps(const struct row_run *r, uint32_t ox,
			const uint8_t **taps)
{
	uint32_t x = ox * r->l->stride, end = x + r->l->kernel_w;
	size_t n = 0;

	if (end > r->in_width)
		end = r->in_width;
	for (unsigned ky = 0; ky < r->row_count; ky++)
		for (uint32_t i = x; i < end; i++)
			taps[n++] = r->rows[ky] + i * r->in_pixel;
	return n;
}

static void run_maxpool(const struct row_run *r)
{
	size_t ch = r->l->in_channels;
	const uint8_t *taps[KERNEL_MAX * KERNEL_MAX];
	const int16_t *narrow[KERNEL_MAX * KERNEL_MAX];
	const float *floats[KERNEL_MAX * KERNEL_MAX];
	uint8_t *dst = r->dst;

	for (uint32_t ox = 0; ox < r->out_width; ox++, dst += r->out_pixel) {
		size_t n = pool_taps(r, ox, taps);

		if (r->l->in_type == FGM_F32) {
			for (size_t t = 0; t < n; t++)
				floats[t] = (const void *)taps[t];
			r->k->maxpool_f32(floats, n, ch, (float *)(void *)dst);
		} else {
			for (size_t t = 0; t < n; t++)
				narrow[t] = (const void *)taps[t];
			r->k->maxpool_s16(narrow, n, ch,
					  (int16_t *)(void *)dst);
		}
	}
}

/* Row y of the tensor that layer i writes; the rows it reads are there. */
static void run_row(const struct nn_run *r, unsigned i, uint32_t y)
{
	const struct fgm_layer *l = &r->layers[i];
	const struct nn_tensor *in = &r->plan->tensor[l->input];
	const struct nn_tensor *out = &r->plan->tensor[i + 1];
	uint8_t *padding = r->area + r->plan->padding_offset;
	long top = (long)y * l->stride - l->pad_top;
	struct row_run row = {
		.l = l,
		.file = r->file,
		.k = r->k,
		.in_width = in->width,
		.out_width = out->width,
		.in_pixel = in->pixel_bytes,
		.out_pixel = out->pixel_bytes,
		.dst = row_pixels(r, i + 1, y),
		.scratch = r->area + r->plan->scratch_offset,
	};

	for (long ky = top; ky < top + l->kernel_h; ky++) {
		int inside = ky >= 0 && ky < (long)in->height;

		if (inside)
			row.rows[row.row_count++] =
				row_pixels(r, l->input, (uint32_t)ky) -
				(size_t)l->pad_left * in->pixel_bytes;
		else if (l->op != FGM_MAXPOOL)
			row.rows[row.row_count++] = padding;
		if (!inside && l->op != FGM_MAXPOOL)
			fill(padding, in->row_bytes, l->in_type, l->in_zero);
	}
	if (l->residual != FGM_NO_TENSOR)
		row.residual = row_pixels(r, l->residual, y);
	if (l->op == FGM_MAXPOOL)
		run_maxpool(&row);
	else if (l->in_type == FGM_F32)
		run_conv_f32(&row);
	else if (l->op == FGM_CONV)
		run_conv(&row);
	else
		run_depthwise(&row);
}

/* Computes rows of t up to `end`. The depth of the recursion is the number of
 * layers between whole tensors. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void make_rows(struct nn_run *r, unsigned t, uint32_t end)
{
	const struct nn_tensor *x = &r->plan->tensor[t];
	unsigned type = t == 0 ? r->layers[0].in_type
			       : r->layers[t - 1].out_type;

	for (; r->done[t] < end; r->done[t]++) {
		uint32_t y = r->done[t];
		uint8_t *row = row_start(r, t, y);

		if (t == 0) {
			r->source.row(r->source.ctx, y, row_pixels(r, 0, y));
		} else {
			const struct fgm_layer *l = &r->layers[t - 1];
			uint32_t in_rows = r->plan->tensor[l->input].height;
			uint32_t need = y * l->stride + l->kernel_h -
					l->pad_top;

			make_rows(r, l->input, need < in_rows ? need : in_rows);
			run_row(r, t - 1, y);
		}
		if (x->left)
			fill(row, (size_t)x->left * x->pixel_bytes, type,
			     x->zero);
		if (x->right)
			fill(row + (size_t)(x->left + x->width) *
					     x->pixel_bytes,
			     (size_t)x->right * x->pixel_bytes, type, x->zero);
	}
}

void nn_start(struct nn_run *r, const struct nn_plan *plan,
	      const struct model *m, const struct fgm_net *net,
	      const struct k_table *k, struct nn_source source, uint8_t *area)
{
	*r = (struct nn_run){
		.plan = plan,
		.layers = &m->layers[net->first_layer],
		.file = m->file,
		.k = k,
		.source = source,
		.area = area,
	};
}

const void *nn_row(struct nn_run *r, unsigned t, uint32_t y)
{
	/* Tensors that are kept come first, in order: the plan counts on it. */
	for (unsigned o = 0; o < t; o++)
		if (r->plan->tensor[o].whole)
			make_rows(r, o, r->plan->tensor[o].height);
	make_rows(r, t, y + 1);
	return row_pixels(r, t, y);
}

const void *nn_output(struct nn_run *r)
{
	return nn_row(r, r->plan->layer_count, 0);
}
