#include "face/embed.h"

#include <math.h>
#include <string.h>

#include "face/align.h"

enum status embed_open(struct embedder *e, const struct model *m,
		       const struct k_table *k, struct errinfo *err)
{
	const struct nn_tensor *in, *out;
	enum status st;

	e->model = m;
	e->k = k;
	e->rotates = false;
	e->net = model_net(m, "embed");
	if (e->net == NULL)
		return err_set(err, ST_BAD_MODEL, "%s has no embedder", m->id);
	if (m->header->cut_count == 0)
		return err_set(err, ST_BAD_MODEL, "%s has no threshold table",
			       m->id);
	if (m->header->quality_count == 0)
		return err_set(err, ST_BAD_MODEL, "%s has no quality table",
			       m->id);
	st = nn_plan_make(&e->plan, m, e->net, ALIGN_SIDE_PX, ALIGN_SIDE_PX,
			  NN_ROWS, err);
	if (st != ST_OK)
		return st;
	in = &e->plan.tensor[0];
	out = &e->plan.tensor[e->plan.layer_count];
	if (e->net->in_type != FGM_S8 || in->channels != 3 ||
	    out->height != 1 || out->bytes != TEMPLATE_DIM * sizeof(float))
		return err_set(err, ST_BAD_MODEL,
			       "%s does not map 112x112x3 to %d numbers", m->id,
			       TEMPLATE_DIM);
	return ST_OK;
}

int embed_quantise(const float *v, struct face_template *out)
{
	float top = 0.0f, sum = 0.0f;
	int32_t dot = 0;

	for (int i = 0; i < TEMPLATE_DIM; i++) {
		float m = fabsf(v[i]);

		if (!(m < 1e15f))
			return 0;
		top = m > top ? m : top;
		sum += v[i] * v[i];
	}
	if (!(top > 1e-12f))
		return 0;
	for (int i = 0; i < TEMPLATE_DIM; i++) {
		long q = lrintf(v[i] / top * 127.0f);

		out->v[i] = (int8_t)q;
		dot += (int32_t)(q * q);
	}
	out->scale = 1.0f / sqrtf((float)dot);
	out->length = sqrtf(sum);
	return 1;
}

void embed_use(struct embedder *e, const struct transform *t)
{
	e->rotates = t != NULL;
	if (t != NULL)
		e->transform = *t;
}

int embed_finish(const struct embedder *e, const float *v,
		 struct face_template *out)
{
	float w[TEMPLATE_DIM];

	memcpy(w, v, sizeof(w));
	if (e->rotates)
		transform_rotate(&e->transform, w);
	return embed_quantise(w, out);
}

struct crop {
	const uint8_t *rgb;
	bool mirror;
};

static void crop_row(void *ctx, uint32_t y, void *dst)
{
	const struct crop *c = ctx;
	const uint8_t *row = c->rgb + (size_t)y * ALIGN_SIDE_PX * 3;
	int8_t *out = dst;

	for (size_t x = 0; x < ALIGN_SIDE_PX; x++) {
		size_t from = c->mirror ? ALIGN_SIDE_PX - 1 - x : x;

		for (size_t ch = 0; ch < 3; ch++)
			*out++ = (int8_t)(row[from * 3 + ch] - 128);
	}
}

/* The net's output lies in area until the next run. */
static const float *run_net(const struct embedder *e, const uint8_t *rgb,
			    bool mirror, uint8_t *area)
{
	struct crop crop = { rgb, mirror };
	const struct nn_source source = { crop_row, &crop };
	struct nn_run run;

	nn_start(&run, &e->plan, e->model, e->net, e->k, source, area);
	return nn_output(&run);
}

enum status embed_run(const struct embedder *e, struct arena *pool,
		      const uint8_t *rgb, bool mirror,
		      struct face_template *out, struct errinfo *err)
{
	struct arena_mark mark = arena_get_mark(pool);
	uint8_t *area = arena_tail(pool, e->plan.total_bytes);
	float sum[TEMPLATE_DIM];
	int good;

	if (area == NULL)
		return err_set(err, ST_INTERNAL, "no room for the embedder");
	memcpy(sum, run_net(e, rgb, false, area), sizeof(sum));
	good = embed_finish(e, sum, out);
	if (good && mirror) {
		const float *v = run_net(e, rgb, true, area);
		float length = out->length;

		for (int i = 0; i < TEMPLATE_DIM; i++)
			sum[i] += v[i];
		good = embed_finish(e, sum, out);
		out->length = length;
	}
	arena_release(pool, mark);
	return good ? ST_OK
		    : err_set(err, ST_NO_FACE, "the crop has no features");
}
