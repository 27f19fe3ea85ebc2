/* Shapes and places of a net's tensors. */
#include <string.h>

#include "checked.h"
#include "mem/arena.h"
#include "nn/nn.h"
#include "nn/tile.h"

#define TENSOR_BYTES_MAX (256u << 20)

static enum status bad(struct errinfo *err, unsigned layer, const char *what)
{
	return err_set(err, ST_BAD_MODEL, "model layer %u: %s", layer, what);
}

/* Output length of one dimension; 0 when the window does not fit. Max pool
 * rounds up as Caffe does, so its last window may hang over the edge. */
static uint32_t out_length(uint32_t in, unsigned kernel, unsigned stride,
			   unsigned pad, int round_up)
{
	uint32_t padded = in + pad;

	if (padded < kernel)
		return 0;
	return (padded - kernel + (round_up ? stride - 1 : 0)) / stride + 1;
}

static enum status set_shape(struct nn_tensor *t, uint32_t height,
			     uint32_t width, uint32_t channels, unsigned type,
			     unsigned layer, struct errinfo *err)
{
	size_t n;

	if (height == 0 || width == 0)
		return bad(err, layer, "input too small");
	if (!size_mul(height, width, &n) || !size_mul(n, channels, &n) ||
	    !size_mul(n, fgm_type_bytes(type), &n) || n > TENSOR_BYTES_MAX)
		return bad(err, layer, "tensor too large");
	t->height = height;
	t->width = width;
	t->channels = channels;
	t->bytes = n;
	return ST_OK;
}

static enum status plan_shapes(struct nn_plan *p, const struct fgm_layer *ls,
			       const struct fgm_net *net, struct errinfo *err)
{
	for (unsigned i = 0; i < p->layer_count; i++) {
		const struct fgm_layer *l = &ls[i];
		const struct nn_tensor *in;
		unsigned in_type;
		int up = l->op == FGM_MAXPOOL;
		enum status st;

		if (l->input > i)
			return bad(err, i, "input is not computed yet");
		in = &p->tensor[l->input];
		in_type = l->input == 0 ? net->in_type
					: ls[l->input - 1].out_type;
		if (in->channels != l->in_channels || in_type != l->in_type)
			return bad(err, i, "input does not fit");
		st = set_shape(
			&p->tensor[i + 1],
			out_length(in->height, l->kernel_h, l->stride,
				   (unsigned)l->pad_top + l->pad_bottom, up),
			out_length(in->width, l->kernel_w, l->stride,
				   (unsigned)l->pad_left + l->pad_right, up),
			l->out_channels, l->out_type, i, err);
		if (st != ST_OK)
			return st;
		if (l->residual != FGM_NO_TENSOR) {
			const struct nn_tensor *r;

			if (l->residual == 0 || l->residual > i)
				return bad(err, i, "residual is not computed");
			r = &p->tensor[l->residual];
			if (r->height != p->tensor[i + 1].height ||
			    r->width != p->tensor[i + 1].width ||
			    r->channels != l->out_channels ||
			    ls[l->residual - 1].out_type != l->out_type)
				return bad(err, i, "residual does not fit");
		}
	}
	return ST_OK;
}

/* The last layer that reads tensor t. */
static unsigned last_use(const struct fgm_layer *ls, unsigned count, unsigned t)
{
	unsigned last = t == 0 ? 0 : t - 1;

	for (unsigned i = 0; i < count; i++)
		if (ls[i].input == t || ls[i].residual == t)
			last = i;
	/* The output of the net outlives its last layer. */
	return t == count ? count : last;
}

/* First fit in order of computation: each tensor goes to the lowest place
 * where no tensor alive at the same time lies. A tensor t is alive from layer
 * t - 1, which writes it, to last_use, which reads it. */
static void plan_places(struct nn_plan *p, const struct fgm_layer *ls)
{
	unsigned last[NN_LAYERS_MAX + 1];

	p->scratch_offset = 0;
	for (unsigned t = 0; t <= p->layer_count; t++) {
		unsigned born = t == 0 ? 0 : t - 1;
		size_t bytes = align_up(p->tensor[t].bytes, ARENA_ALIGN);
		size_t at = 0;
		int moved = 1;

		last[t] = last_use(ls, p->layer_count, t);
		while (moved) {
			moved = 0;
			for (unsigned o = 0; o < t; o++) {
				const struct nn_tensor *x = &p->tensor[o];
				size_t end = align_up(x->offset + x->bytes,
						      ARENA_ALIGN);

				if (last[o] < born || at >= end ||
				    at + bytes <= x->offset)
					continue;
				at = end;
				moved = 1;
			}
		}
		p->tensor[t].offset = at;
		if (at + bytes > p->scratch_offset)
			p->scratch_offset = at + bytes;
	}
}

enum status nn_plan_make(struct nn_plan *plan, const struct model *m,
			 const struct fgm_net *net, uint32_t height,
			 uint32_t width, struct errinfo *err)
{
	const struct fgm_layer *ls = m->layers + net->first_layer;
	enum status st;

	memset(plan, 0, sizeof(*plan));
	plan->layer_count = net->layer_count;
	if ((net->in_height && net->in_height != height) ||
	    (net->in_width && net->in_width != width))
		return err_set(err, ST_BAD_MODEL, "net %s has a fixed input",
			       net->name);
	st = set_shape(&plan->tensor[0], height, width, net->in_channels,
		       net->in_type, 0, err);
	if (st == ST_OK)
		st = plan_shapes(plan, ls, net, err);
	if (st != ST_OK)
		return st;
	plan_places(plan, ls);
	for (unsigned i = 0; i < plan->layer_count; i++) {
		size_t n = nn_scratch_bytes(&ls[i],
					    plan->tensor[ls[i].input].width);

		if (n > plan->scratch_bytes)
			plan->scratch_bytes = n;
	}
	plan->total_bytes = plan->scratch_offset + plan->scratch_bytes;
	return ST_OK;
}

uint64_t nn_macs(const struct nn_plan *plan, const struct model *m,
		 const struct fgm_net *net)
{
	uint64_t macs = 0;

	for (unsigned i = 0; i < plan->layer_count; i++) {
		const struct fgm_layer *l = &m->layers[net->first_layer + i];
		const struct nn_tensor *o = &plan->tensor[i + 1];
		uint64_t window = (uint64_t)l->kernel_h * l->kernel_w;

		if (l->op == FGM_MAXPOOL)
			continue;
		if (l->op == FGM_CONV)
			window *= l->in_channels;
		macs += window * o->height * o->width * o->channels;
	}
	return macs;
}
