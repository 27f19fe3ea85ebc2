/* Shapes and places of a net's tensors. */
#include <stdbool.h>
#include <string.h>

#include "checked.h"
#include "mem/arena.h"
#include "nn/nn.h"
#include "nn/tile.h"

#define TENSOR_BYTES_MAX (256u << 20) /* one, and all of a net */

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
	t->pixel_bytes = (uint32_t)(channels * fgm_type_bytes(type));
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

/* Padding left and right of every row, as the layers that read it need. */
static enum status plan_padding(struct nn_plan *p, const struct fgm_layer *ls,
				struct errinfo *err)
{
	for (unsigned i = 0; i < p->layer_count; i++) {
		const struct fgm_layer *l = &ls[i];
		struct nn_tensor *in = &p->tensor[l->input];

		if (l->pad_left == 0 && l->pad_right == 0)
			continue;
		if ((in->left || in->right) && in->zero != l->in_zero)
			return bad(err, i, "two paddings of one tensor");
		in->zero = l->in_zero;
		if (l->pad_left > in->left)
			in->left = l->pad_left;
		if (l->pad_right > in->right)
			in->right = l->pad_right;
	}
	return ST_OK;
}

/* When a tensor is needed. Whole tensors are computed one after the other; a
 * step is the number of the one under way (or the output's), and the rings
 * that lead to it live in its step alone. */
struct lives {
	unsigned born[NN_LAYERS_MAX + 1], last[NN_LAYERS_MAX + 1];
	unsigned readers[NN_LAYERS_MAX + 1];
};

static void plan_lives(struct nn_plan *p, const struct fgm_layer *ls,
		       enum nn_keep keep, struct lives *v)
{
	unsigned n = p->layer_count;

	memset(v, 0, sizeof(*v));
	for (unsigned i = 0; i < n; i++) {
		v->readers[ls[i].input]++;
		if (ls[i].residual == FGM_NO_TENSOR)
			continue;
		v->readers[ls[i].residual]++;
		p->tensor[ls[i].residual].whole = 1;
		p->tensor[i + 1].whole = 1;
	}
	for (unsigned t = n + 1; t-- > 0;) {
		struct nn_tensor *x = &p->tensor[t];

		if (keep == NN_WHOLE || v->readers[t] > 1)
			x->whole = 1;
		x->rows = x->whole ? x->height : 1;
		v->born[t] = v->last[t] = t;
	}
	for (unsigned i = n; i-- > 0;) {
		const struct fgm_layer *l = &ls[i];
		struct nn_tensor *in = &p->tensor[l->input];
		unsigned step = v->born[i + 1];

		if (!in->whole) {
			v->born[l->input] = v->last[l->input] = step;
			in->rows = l->kernel_h < in->height ? l->kernel_h
							    : in->height;
		} else if (step > v->last[l->input]) {
			v->last[l->input] = step;
		}
		if (l->residual != FGM_NO_TENSOR && step > v->last[l->residual])
			v->last[l->residual] = step;
	}
	v->last[n] = n + 1;
}

/* Whether the whole tensor t may overwrite its residual, row by row: the rows
 * it still needs of that, through the layers between, always lie below. A layer
 * that reads its own residual needs the very row. */
static int overwrites_residual(const struct nn_plan *p,
			       const struct fgm_layer *ls,
			       const struct lives *v, unsigned t)
{
	unsigned r = t == 0 ? FGM_NO_TENSOR : ls[t - 1].residual;
	const struct fgm_layer *l;

	if (r == FGM_NO_TENSOR || ls[t - 1].input == r || v->readers[r] != 2 ||
	    v->last[r] != v->born[t] ||
	    p->tensor[r].row_bytes != p->tensor[t].row_bytes ||
	    p->tensor[r].left != p->tensor[t].left)
		return 0;
	for (l = &ls[t - 1]; l->stride == 1; l = &ls[l->input - 1]) {
		if (l->input == r)
			return l->pad_top == 0;
		if (l->input == 0 || p->tensor[l->input].whole)
			return 0;
	}
	return 0;
}

/* Bytes that one tensor, or several which overwrite each other, live in. */
struct place {
	size_t offset, bytes;
	unsigned born, last;
};

/* Gives each tensor a place; returns how many there are. */
static unsigned share_places(const struct nn_plan *p,
			     const struct fgm_layer *ls, const struct lives *v,
			     struct place *places, unsigned *place_of)
{
	unsigned n = 0;

	for (unsigned t = 0; t <= p->layer_count; t++) {
		if (overwrites_residual(p, ls, v, t)) {
			place_of[t] = place_of[ls[t - 1].residual];
			places[place_of[t]].last = v->last[t];
			continue;
		}
		place_of[t] = n;
		places[n++] = (struct place){
			.bytes = align_up(p->tensor[t].bytes, ARENA_ALIGN),
			.born = v->born[t],
			.last = v->last[t],
		};
	}
	return n;
}

/* The lowest offset for q where none of the n others that live at the same
 * time lies. */
static size_t lowest_offset(const struct place *q,
			    const struct place *const *others, unsigned n)
{
	size_t at = 0;

	for (int moved = 1; moved;) {
		moved = 0;
		for (unsigned i = 0; i < n; i++) {
			const struct place *o = others[i];

			if (o->last < q->born || q->last < o->born ||
			    at >= o->offset + o->bytes ||
			    at + q->bytes <= o->offset)
				continue;
			at = o->offset + o->bytes;
			moved = 1;
		}
	}
	return at;
}

/* First fit, the largest first: small ones then fill what is left between. In
 * order of computation the embedder's area would be a fifth larger. */
static void plan_places(struct nn_plan *p, const struct fgm_layer *ls,
			const struct lives *v)
{
	struct place places[NN_LAYERS_MAX + 1];
	const struct place *placed[NN_LAYERS_MAX + 1];
	unsigned place_of[NN_LAYERS_MAX + 1];
	unsigned n = share_places(p, ls, v, places, place_of);
	int done[NN_LAYERS_MAX + 1] = { 0 };

	p->scratch_offset = 0;
	for (unsigned k = 0; k < n; k++) {
		struct place *q;
		unsigned largest = 0;

		while (done[largest])
			largest++;
		for (unsigned i = largest + 1; i < n; i++)
			if (!done[i] && places[i].bytes > places[largest].bytes)
				largest = i;
		q = &places[largest];
		q->offset = lowest_offset(q, placed, k);
		placed[k] = q;
		done[largest] = 1;
		if (q->offset + q->bytes > p->scratch_offset)
			p->scratch_offset = q->offset + q->bytes;
	}
	for (unsigned t = 0; t <= p->layer_count; t++)
		p->tensor[t].offset = places[place_of[t]].offset;
}

/* The scratch behind all tensors; copies of windows may run over its parts and
 * over the last row of a tensor by NN_OVERRUN bytes. */
static void plan_scratch(struct nn_plan *p, const struct fgm_layer *ls)
{
	size_t windows = 0, padding = 0;

	for (unsigned i = 0; i < p->layer_count; i++) {
		size_t n = nn_scratch_bytes(&ls[i]);
		size_t row = p->tensor[ls[i].input].row_bytes;

		if (n > windows)
			windows = n;
		if ((ls[i].pad_top || ls[i].pad_bottom) && row > padding)
			padding = row;
	}
	p->padding_offset = align_up(p->scratch_offset + windows + NN_OVERRUN,
				     ARENA_ALIGN);
	p->total_bytes = align_up(p->padding_offset + padding + NN_OVERRUN,
				  ARENA_ALIGN);
}

/* The bytes of each tensor; false if all of them are beyond what any size here
 * may be. */
static bool fill_bytes(struct nn_plan *p)
{
	uint64_t sum = 0;

	for (unsigned t = 0; t <= p->layer_count; t++) {
		struct nn_tensor *x = &p->tensor[t];
		uint64_t row = ((uint64_t)x->left + x->width + x->right) *
			       x->pixel_bytes;

		sum += row * x->rows;
		if (sum > TENSOR_BYTES_MAX)
			return false;
		x->row_bytes = (size_t)row;
		x->bytes = (size_t)row * x->rows;
	}
	return true;
}

enum status nn_plan_make(struct nn_plan *plan, const struct model *m,
			 const struct fgm_net *net, uint32_t height,
			 uint32_t width, enum nn_keep keep, struct errinfo *err)
{
	const struct fgm_layer *ls = m->layers + net->first_layer;
	struct lives lives;
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
	if (st == ST_OK)
		st = plan_padding(plan, ls, err);
	if (st != ST_OK)
		return st;
	plan_lives(plan, ls, keep, &lives);
	if (!fill_bytes(plan))
		return err_set(err, ST_BAD_MODEL,
			       "net %s needs too much memory", net->name);
	plan_places(plan, ls, &lives);
	plan_scratch(plan, ls);
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
