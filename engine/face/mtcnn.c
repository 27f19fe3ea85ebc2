#include "face/mtcnn.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "checked.h"
#include "face/nms.h"
#include "face/shrink.h"

#define CELL	       12 /* P-Net's receptive field, and its step */
#define CELL_STEP      2
#define PYRAMID_FACTOR 0.709
#define PNET_OUTPUTS   6 /* logits of not-face and face, four shifts */
#define RNET_OUTPUTS   6
#define ONET_OUTPUTS   16 /* ... and ten landmark coordinates */
#define RNET_SIDE      24
#define ONET_SIDE      48
#define SCORE_P	       0.6f
#define SCORE_R	       0.7f
#define SCORE_O	       0.7f
#define OVERLAP_LEVEL  0.5f
#define OVERLAP	       0.7f
#define CANDIDATES_MAX 2048
#define RNET_MAX       768 /* best candidates that R-Net looks at */
#define ONET_MAX       128
/* Output columns of P-Net computed at a time: fewer where memory is short. */
#define STRIP_MAX 160
#define STRIP_MIN 16
#define CANDIDATES_BYTES                                                       \
	(CANDIDATES_MAX * sizeof(struct candidate)) /* whole cache lines */
#define REFINED_BYTES (RNET_MAX * sizeof(struct candidate))
#define SUMS_BYTES    (SHRINK_SUMS * sizeof(uint32_t))
_Static_assert(CANDIDATES_BYTES % ARENA_ALIGN == 0 &&
		       REFINED_BYTES % ARENA_ALIGN == 0,
	       "nets' areas begin on cache lines");
_Static_assert(CANDIDATES_MAX * sizeof(uint16_t) <= SUMS_BYTES,
	       "the order of all candidates fits where sums do");

/* What a run works with: all of it from the arena's tail. */
struct run {
	const struct mtcnn *d;
	const struct image *img;
	struct candidate *c;
	size_t count;
	/* Of the nets. R- and O-Net's begins after the RNET_MAX candidates that
	 * are left when it is their turn. */
	uint8_t *area;
	size_t area_bytes;
	/* Sums of columns; and between rows, when there are none, the order of
	 * the candidates. */
	uint32_t *sums;
	uint16_t *order;
};

/* What P-Net must see for that many outputs in a row or column. */
static uint32_t cells_length(uint32_t outputs)
{
	return CELL_STEP * outputs + CELL - CELL_STEP;
}

static uint32_t level_length(uint32_t px, double scale)
{
	return (uint32_t)(px * scale + 1.0);
}

static enum status want_shape(const struct mtcnn *d, const struct fgm_net *net,
			      enum fgm_type in_type, uint32_t side,
			      uint32_t outputs, struct nn_plan *plan,
			      struct errinfo *err)
{
	enum status st = nn_plan_make(plan, d->model, net, side, side, NN_ROWS,
				      err);

	if (st != ST_OK)
		return st;
	if (net->in_type != in_type || net->in_channels != IMAGE_CHANNELS ||
	    plan->tensor[plan->layer_count].height != 1 ||
	    plan->tensor[plan->layer_count].bytes != outputs * sizeof(float))
		return err_set(err, ST_BAD_MODEL,
			       "net %s is not the one of MTCNN", net->name);
	return ST_OK;
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What P-Net takes for a strip of the highest picture. */
static enum status strip_bytes(const struct mtcnn *d, uint32_t columns,
			       size_t *bytes, struct errinfo *err)
{
	struct nn_plan plan;
	enum status st = nn_plan_make(&plan, d->model, d->pnet,
				      MTCNN_SIDE_MAX_PX, cells_length(columns),
				      NN_ROWS, err);

	*bytes = align_up(plan.total_bytes, ARENA_ALIGN);
	return st;
}

enum status mtcnn_open(struct mtcnn *d, const struct model *m,
		       const struct k_table *k, unsigned min_face_px,
		       struct errinfo *err)
{
	struct nn_plan plan;
	size_t strip = 0, nets;
	enum status st;

	memset(d, 0, sizeof(*d));
	d->model = m;
	d->k = k;
	d->min_face_px = min_face_px;
	d->pnet = model_net(m, "pnet");
	d->rnet = model_net(m, "rnet");
	d->onet = model_net(m, "onet");
	if (!d->pnet || !d->rnet || !d->onet || d->pnet->in_height ||
	    d->pnet->in_width)
		return err_set(err, ST_BAD_MODEL, "%s is not a detector",
			       m->id);
	st = want_shape(d, d->pnet, FGM_F32, CELL, PNET_OUTPUTS, &plan, err);
	if (st == ST_OK)
		st = want_shape(d, d->rnet, FGM_S16, RNET_SIDE, RNET_OUTPUTS,
				&d->rplan, err);
	if (st == ST_OK)
		st = want_shape(d, d->onet, FGM_S16, ONET_SIDE, ONET_OUTPUTS,
				&d->oplan, err);
	if (st != ST_OK)
		return st;
	st = strip_bytes(d, STRIP_MAX, &d->strip_bytes_max, err);
	if (st == ST_OK)
		st = strip_bytes(d, STRIP_MIN, &strip, err);
	nets = max_size(d->rplan.total_bytes, d->oplan.total_bytes);
	d->scratch_bytes = SUMS_BYTES +
			   max_size(CANDIDATES_BYTES + strip,
				    REFINED_BYTES +
					    align_up(nets, ARENA_ALIGN));
	return st;
}

/* Softmax of two logits: the probability of a face. */
static float face_score(const float *logits)
{
	return 1.0f / (1.0f + expf(logits[0] - logits[1]));
}

/* Makes room when the array is full: suppression first, and if that frees
 * too little, the weakest quarter of this level goes. Bounded work whatever
 * the picture shows. */
static void make_room(struct run *r, size_t level0)
{
	size_t n = r->count - level0;
	size_t kept = nms_run(r->c + level0, n, OVERLAP_LEVEL, NMS_UNION,
			      r->order);

	if (kept > n - n / 4)
		kept = n - n / 4;
	r->count = level0 + kept;
}

/* Turns P-Net's outputs of row y, columns from x0 on, into candidates. */
static void collect(struct run *r, const float *out, uint32_t y, uint32_t x0,
		    uint32_t cols, float scale, size_t level0)
{
	for (uint32_t x = x0; x < x0 + cols; x++, out += PNET_OUTPUTS) {
		struct candidate *c;
		float score;

		if (out[1] <= out[0]) /* below one half */
			continue;
		score = face_score(out);
		if (!(score >= SCORE_P))
			continue;
		if (r->count == CANDIDATES_MAX) {
			/* Earlier levels hold it all: drop theirs. */
			if (r->count - level0 < 8)
				return;
			make_room(r, level0);
		}
		c = &r->c[r->count++];
		c->x1 = floorf((float)(CELL_STEP * x + 1) / scale);
		c->y1 = floorf((float)(CELL_STEP * y + 1) / scale);
		c->x2 = floorf((float)(CELL_STEP * x + CELL) / scale);
		c->y2 = floorf((float)(CELL_STEP * y + CELL) / scale);
		c->score = score;
		memcpy(c->shift, out + 2, sizeof(c->shift));
	}
}

/* Output columns [x, x + cols) of one pyramid level. */
static enum status run_strip(struct run *r, const struct shrink *level,
			     uint32_t x, uint32_t cols, float scale,
			     size_t level0, struct errinfo *err)
{
	const struct mtcnn *d = r->d;
	struct shrink in = *level;
	const struct nn_source source = { shrink_row, &in };
	struct nn_plan plan;
	struct nn_run run;
	const struct nn_tensor *out;
	enum status st;

	/* Pooling rounds odd sizes up: the last column may hang half over. */
	in.col0 = CELL_STEP * x;
	in.cols = cells_length(cols);
	if (in.col0 + in.cols > level->width)
		in.cols = level->width - in.col0;
	st = nn_plan_make(&plan, d->model, d->pnet, level->height, in.cols,
			  NN_ROWS, err);
	if (st != ST_OK)
		return st;
	if (plan.total_bytes > r->area_bytes)
		return err_set(err, ST_INTERNAL, "a strip does not fit");
	out = &plan.tensor[plan.layer_count];
	nn_start(&run, &plan, d->model, d->pnet, d->k, source, r->area);
	for (uint32_t y = 0; y < out->height; y++)
		collect(r, nn_row(&run, plan.layer_count, y), y, x, out->width,
			scale, level0);
	return ST_OK;
}

/* How many columns of that many to compute at a time: strips of about equal
 * width, as few as there is memory for. */
static enum status strip_columns(const struct run *r, uint32_t height,
				 uint32_t columns, uint32_t *step,
				 struct errinfo *err)
{
	uint32_t strips = (columns + STRIP_MAX - 1) / STRIP_MAX;
	struct nn_plan plan;
	enum status st;

	do {
		*step = (columns + strips - 1) / strips;
		strips++;
		st = nn_plan_make(&plan, r->d->model, r->d->pnet, height,
				  cells_length(*step), NN_ROWS, err);
	} while (st == ST_OK && plan.total_bytes > r->area_bytes && *step > 1);
	return st;
}

/* One pyramid level, strip by strip. Neighbours share 10 columns, which are
 * computed twice. */
static enum status run_level(struct run *r, double scale, struct errinfo *err)
{
	const struct image *img = r->img;
	const struct shrink level = {
		.img = img,
		.win = { 0, 0, img->width_px, img->height_px },
		.width = level_length(img->width_px, scale),
		.height = level_length(img->height_px, scale),
		.type = FGM_F32,
		.k = r->d->k,
		.sums = r->sums,
	};
	size_t level0 = r->count;
	uint32_t columns, step;
	enum status st;

	if (level.width < CELL || level.height < CELL)
		return ST_OK;
	columns = (level.width - CELL + 1) / CELL_STEP + 1;
	st = strip_columns(r, level.height, columns, &step, err);
	for (uint32_t x = 0; st == ST_OK && x < columns; x += step) {
		uint32_t n = columns - x < step ? columns - x : step;

		st = run_strip(r, &level, x, n, (float)scale, level0, err);
	}
	if (st != ST_OK)
		return st;
	r->count = level0 + nms_run(r->c + level0, r->count - level0,
				    OVERLAP_LEVEL, NMS_UNION, r->order);
	return ST_OK;
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

static uint32_t short_side(const struct image *img)
{
	return img->width_px < img->height_px ? img->width_px : img->height_px;
}

static unsigned min_face_px(const struct mtcnn *d, const struct image *img)
{
	uint32_t tenth = short_side(img) / 10;

	if (d->min_face_px > 0)
		return d->min_face_px;
	return tenth > MTCNN_FACE_MIN_PX ? tenth : MTCNN_FACE_MIN_PX;
}

static enum status run_pyramid(struct run *r, struct errinfo *err)
{
	double scale = (double)CELL / min_face_px(r->d, r->img);
	double side = short_side(r->img);

	for (; side * scale >= CELL; scale *= PYRAMID_FACTOR) {
		enum status st = run_level(r, scale, err);

		if (st != ST_OK)
			return st;
	}
	r->count = nms_run(r->c, r->count, OVERLAP, NMS_UNION, r->order);
	for (size_t i = 0; i < r->count; i++) {
		refine(&r->c[i], 0.0f);
		make_square(&r->c[i]);
	}
	return ST_OK;
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
static const float *look_at(struct run *r, const struct candidate *c,
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
	nn_start(&run, plan, r->d->model, net, r->d->k, source,
		 (uint8_t *)r->c + REFINED_BYTES);
	return nn_output(&run);
}

static void run_rnet(struct run *r)
{
	size_t n = r->count < RNET_MAX ? r->count : RNET_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct candidate c = r->c[i];
		const float *out = look_at(r, &c, r->d->rnet, &r->d->rplan,
					   RNET_SIDE);

		if (out == NULL)
			continue;
		c.score = face_score(out);
		if (!(c.score > SCORE_R))
			continue;
		memcpy(c.shift, out + 2, sizeof(c.shift));
		r->c[kept++] = c;
	}
	r->count = nms_run(r->c, kept, OVERLAP, NMS_UNION, r->order);
	for (size_t i = 0; i < r->count; i++) {
		refine(&r->c[i], 1.0f);
		make_square(&r->c[i]);
	}
}

/* O-Net also places the landmarks. They are kept beside the candidates, in
 * marks[], and found again after suppression through shift[0], which is free
 * once the box is refined. */
static void run_onet(struct run *r, float (*marks)[10])
{
	size_t n = r->count < ONET_MAX ? r->count : ONET_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct candidate c = r->c[i];
		const float *out = look_at(r, &c, r->d->onet, &r->d->oplan,
					   ONET_SIDE);
		float w = c.x2 - c.x1 + 1.0f, h = c.y2 - c.y1 + 1.0f;

		if (out == NULL)
			continue;
		c.score = face_score(out);
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
	r->count = nms_run(r->c, kept, OVERLAP, NMS_MINIMUM, r->order);
}

static void store_face(const struct candidate *c, const float *marks,
		       struct face *f)
{
	float dx, dy;

	f->box[0] = c->x1;
	f->box[1] = c->y1;
	f->box[2] = c->x2 - c->x1;
	f->box[3] = c->y2 - c->y1;
	f->confidence = c->score;
	memcpy(f->landmarks, marks, sizeof(f->landmarks));
	dx = f->landmarks[1][0] - f->landmarks[0][0];
	dy = f->landmarks[1][1] - f->landmarks[0][1];
	f->inter_eye_px = sqrtf(dx * dx + dy * dy);
}

/* Candidates and the nets' area in one piece, as large as is of use. */
static bool take_memory(struct run *r, struct arena *pool)
{
	size_t bytes = CANDIDATES_BYTES + r->d->strip_bytes_max;
	size_t room = arena_room(pool) / ARENA_ALIGN * ARENA_ALIGN;

	if (room < r->d->scratch_bytes)
		return false;
	room -= SUMS_BYTES;
	bytes = bytes < room ? bytes : room;
	r->sums = arena_tail(pool, SUMS_BYTES);
	r->order = (uint16_t *)(void *)r->sums;
	r->c = arena_tail(pool, bytes);
	r->area = (uint8_t *)r->c + CANDIDATES_BYTES;
	r->area_bytes = bytes - CANDIDATES_BYTES;
	return true;
}

enum status mtcnn_run(const struct mtcnn *d, struct arena *pool,
		      const struct image *img, struct face *faces, size_t cap,
		      size_t *count, struct errinfo *err)
{
	struct arena_mark mark = arena_get_mark(pool);
	float marks[ONET_MAX][10];
	struct run r = { .d = d, .img = img };
	enum status st;

	*count = 0;
	if (img->width_px > MTCNN_SIDE_MAX_PX ||
	    img->height_px > MTCNN_SIDE_MAX_PX || !take_memory(&r, pool)) {
		st = err_set(err, ST_INTERNAL, "no room for the detector");
		goto done;
	}
	st = run_pyramid(&r, err);
	if (st != ST_OK)
		goto done;
	run_rnet(&r);
	run_onet(&r, marks);
	for (size_t i = 0; i < r.count && *count < cap; i++)
		store_face(&r.c[i], marks[(size_t)r.c[i].shift[0]],
			   &faces[(*count)++]);
done:
	arena_release(pool, mark);
	return st;
}
