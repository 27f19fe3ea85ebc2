#include "face/refine.h"

#include <math.h>
#include <string.h>

#include "face/shrink.h"

#define SCORE_R 0.7f
#define SCORE_O 0.7f
/* O-Net's boxes are narrower than the squares it is given: 0.7 to 0.8. */
#define FACE_ASPECT 0.8f

float refine_score(const float *logits)
{
	return 1.0f / (1.0f + expf(logits[0] - logits[1]));
}

/* Grows the shorter side so that the box is square around its centre. */
static void make_square(struct candidate *c)
{
	float w = c->x2 - c->x1, h = c->y2 - c->y1;
	float side = w > h ? w : h;

	c->x1 += w * 0.5f - side * 0.5f;
	c->y1 += h * 0.5f - side * 0.5f;
	c->x2 = c->x1 + side;
	c->y2 = c->y1 + side;
}

/* Applies the shifts, which are in units of the box's (unpadded) size. */
static void refine(struct candidate *c, float extra)
{
	float w = c->x2 - c->x1 + extra, h = c->y2 - c->y1 + extra;

	c->x1 += c->shift[0] * w;
	c->y1 += c->shift[1] * h;
	c->x2 += c->shift[2] * w;
	c->y2 += c->shift[3] * h;
}

void refine_pnet(struct mtcnn_run *r, size_t from)
{
	for (size_t i = from; i < r->count; i++) {
		refine(&r->c[i], 0.0f);
		make_square(&r->c[i]);
	}
}

/* The pixels a candidate covers: from its 1-based, truncated corners. False
 * when none of them is in the picture. */
static int candidate_window(const struct image *img, const struct candidate *c,
			    struct window *win)
{
	long x1, y1, x2, y2;

	/* Also turns away what an int could not hold. */
	if (!(c->x1 > -30000.0f && c->y1 > -30000.0f && c->x2 < 30000.0f &&
	      c->y2 < 30000.0f))
		return 0;
	x1 = (long)c->x1 - 1;
	y1 = (long)c->y1 - 1;
	x2 = (long)c->x2;
	y2 = (long)c->y2;
	if (x2 <= x1 || y2 <= y1 || x2 <= 0 || y2 <= 0 ||
	    x1 >= (long)img->width_px || y1 >= (long)img->height_px)
		return 0;
	win->x = x1;
	win->y = y1;
	win->width = (uint32_t)(x2 - x1);
	win->height = (uint32_t)(y2 - y1);
	return 1;
}

/* Runs a refining net on one candidate; NULL when it lies outside. */
static const float *look_at(struct mtcnn_run *r, const struct candidate *c,
			    const struct fgm_net *net,
			    const struct nn_plan *plan, uint32_t side)
{
	struct shrink in = {
		.img = r->img,
		.width = side,
		.height = side,
		.cols = side,
		.type = FGM_S16,
		.k = r->d->k,
		.sums = r->sums,
	};
	const struct nn_source source = { shrink_row, &in };
	struct nn_run run;

	if (!candidate_window(r->img, c, &in.win))
		return NULL;
	nn_start(&run, plan, r->d->model, net, r->d->k, source, r->nets);
	return nn_output(&run);
}

static const float *rnet(struct mtcnn_run *r, const struct candidate *c)
{
	return look_at(r, c, r->d->rnet, &r->d->rplan, RNET_SIDE);
}

static const float *onet(struct mtcnn_run *r, const struct candidate *c)
{
	return look_at(r, c, r->d->onet, &r->d->oplan, ONET_SIDE);
}

void refine_look(struct mtcnn_run *r, size_t from)
{
	size_t n = r->count < RNET_MAX ? r->count : RNET_MAX;
	size_t kept = from;

	for (size_t i = from; i < n; i++) {
		struct candidate c = r->c[i];
		const float *out = rnet(r, &c);

		if (out == NULL)
			continue;
		c.score = refine_score(out);
		if (!(c.score > SCORE_R))
			continue;
		memcpy(c.shift, out + 2, sizeof(c.shift));
		r->c[kept++] = c;
	}
	r->count = kept;
}

void refine_rnet(struct mtcnn_run *r)
{
	r->count = nms_run(r->c, r->count, REFINE_OVERLAP, NMS_UNION, r->order);
	for (size_t i = 0; i < r->count; i++) {
		refine(&r->c[i], 1.0f);
		make_square(&r->c[i]);
	}
}

bool refine_glance(struct mtcnn_run *r, float width_px, float score)
{
	const float *out;
	struct candidate c;
	size_t i = 0;

	while (i < r->count &&
	       FACE_ASPECT * (r->c[i].x2 - r->c[i].x1) < width_px)
		i++;
	if (i == r->count)
		return false;
	c = r->c[i];
	out = onet(r, &c);
	if (out == NULL || refine_score(out) < score)
		return false;
	memcpy(c.shift, out + 2, sizeof(c.shift));
	refine(&c, 1.0f);
	return c.x2 - c.x1 >= width_px;
}

/* O-Net also places the landmarks. They are kept beside the candidates, in
 * marks[], and found again after suppression through shift[0], which is free
 * once the box is refined. */
void refine_onet(struct mtcnn_run *r, refine_marks *marks)
{
	size_t n = r->count < ONET_MAX ? r->count : ONET_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct candidate c = r->c[i];
		const float *out = onet(r, &c);
		float w = c.x2 - c.x1 + 1.0f, h = c.y2 - c.y1 + 1.0f;

		if (out == NULL)
			continue;
		c.score = refine_score(out);
		if (!(c.score > SCORE_O))
			continue;
		for (int j = 0; j < 5; j++) {
			marks[kept][2 * j] = c.x1 + w * out[6 + j] - 1.0f;
			marks[kept][2 * j + 1] = c.y1 + h * out[11 + j] - 1.0f;
		}
		memcpy(c.shift, out + 2, sizeof(c.shift));
		refine(&c, 1.0f);
		c.shift[0] = (float)kept;
		r->c[kept++] = c;
	}
	r->count = nms_run(r->c, kept, REFINE_OVERLAP, NMS_MINIMUM, r->order);
}
