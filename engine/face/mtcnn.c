#include "face/mtcnn.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "checked.h"
#include "face/refine.h"
#include "face/shrink.h"

#define CELL	       12 /* P-Net's receptive field, and its step */
#define CELL_STEP      2
#define PYRAMID_FACTOR 0.709
#define PNET_OUTPUTS   6 /* logits of not-face and face, four shifts */
#define RNET_OUTPUTS   6
#define ONET_OUTPUTS   16 /* ... and ten landmark coordinates */
#define SCORE_P	       0.6f
#define OVERLAP_LEVEL  0.5f
#define CANDIDATES_MAX 2048
#define LEVELS_MAX     16 /* 1280 pixels from 12 on have 14 */
/* A face that ends the search has this score, and this many times the width of
 * what P-Net sees at once on the next level: of 1,673 photographs' largest
 * faces one in a thousand became wider than twice the window it began as. */
#define SURE	0.95f
#define WINDOWS 2.0f
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

/* Makes room when the array is full: suppression first, and if that frees
 * too little, the weakest quarter of this level goes. Bounded work whatever
 * the picture shows. */
static void make_room(struct mtcnn_run *r, size_t level0)
{
	size_t n = r->count - level0;
	size_t kept = nms_run(r->c + level0, n, OVERLAP_LEVEL, NMS_UNION,
			      r->order);

	if (kept > n - n / 4)
		kept = n - n / 4;
	r->count = level0 + kept;
}

/* Turns P-Net's outputs of row y, columns from x0 on, into candidates. */
static void collect(struct mtcnn_run *r, const float *out, uint32_t y,
		    uint32_t x0, uint32_t cols, float scale, size_t level0)
{
	for (uint32_t x = x0; x < x0 + cols; x++, out += PNET_OUTPUTS) {
		struct candidate *c;
		float score;

		if (out[1] <= out[0]) /* below one half */
			continue;
		score = refine_score(out);
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
static enum status run_strip(struct mtcnn_run *r, const struct shrink *level,
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
static enum status strip_columns(const struct mtcnn_run *r, uint32_t height,
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
static enum status run_level(struct mtcnn_run *r, double scale,
			     struct errinfo *err)
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

/* The pyramid's scales, the finest first; returns how many. */
static size_t list_scales(const struct mtcnn_run *r, double scale[LEVELS_MAX])
{
	double s = (double)CELL / min_face_px(r->d, r->img);
	size_t n = 0;

	for (; short_side(r->img) * s >= CELL; s *= PYRAMID_FACTOR)
		scale[n++] = s;
	return n;
}

static enum status find_all(struct mtcnn_run *r, refine_marks *marks,
			    struct errinfo *err)
{
	double scale[LEVELS_MAX];
	size_t n = list_scales(r, scale);

	r->count = 0;
	for (size_t i = 0; i < n; i++) {
		enum status st = run_level(r, scale[i], err);

		if (st != ST_OK)
			return st;
	}
	r->count = nms_run(r->c, r->count, REFINE_OVERLAP, NMS_UNION, r->order);
	refine_pnet(r, 0);
	refine_look(r, 0);
	refine_rnet(r);
	refine_onet(r, marks);
	return ST_OK;
}

static float area_of(const struct candidate *c)
{
	return (c->x2 - c->x1) * (c->y2 - c->y1);
}

/* Whether the largest face among what R-Net left so far is certain and at
 * least that wide. If so, the run ends with the faces among them; if not, it is
 * as it was: all happens to a copy. */
static bool ends_here(struct mtcnn_run *r, float width_px, refine_marks *marks)
{
	struct mtcnn_run copy = *r;
	const struct candidate *largest;

	if (2 * r->count > RNET_MAX)
		return false;
	largest = copy.c = r->c + r->count;
	memcpy(copy.c, r->c, r->count * sizeof(*r->c));
	refine_rnet(&copy);
	if (!refine_glance(&copy, width_px, SURE))
		return false;
	refine_onet(&copy, marks);
	for (size_t i = 1; i < copy.count; i++)
		if (area_of(&copy.c[i]) > area_of(largest))
			largest = &copy.c[i];
	if (copy.count == 0 || largest->score < SURE ||
	    largest->x2 - largest->x1 < width_px)
		return false;
	*r = copy;
	return true;
}

/* From the coarsest level, whose faces are the largest, to the finest. Without
 * a face to end at it finds what find_all does: P-Net's boxes of two levels
 * never overlap enough to suppress each other, so R-Net may look at a level's
 * before the next is there. */
static enum status find_largest(struct mtcnn_run *r, refine_marks *marks,
				struct errinfo *err)
{
	double scale[LEVELS_MAX];
	size_t n = list_scales(r, scale), looks = 0;

	while (n-- > 0) {
		size_t level0 = r->count;
		enum status st = run_level(r, scale[n], err);

		if (st != ST_OK)
			return st;
		/* Too many to look at all: the best are chosen among all. */
		looks += r->count - level0;
		if (looks > RNET_MAX)
			return find_all(r, marks, err);
		refine_pnet(r, level0);
		refine_look(r, level0);
		if (n > 0 &&
		    ends_here(r, WINDOWS * (float)(CELL / scale[n - 1]), marks))
			return ST_OK;
	}
	refine_rnet(r);
	refine_onet(r, marks);
	return ST_OK;
}

/* Largest box first; of the same size the most certain, which came first. */
static void sort_by_area(struct candidate *c, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		const struct candidate v = c[i];
		size_t j = i;

		for (; j > 0 && area_of(&c[j - 1]) < area_of(&v); j--)
			c[j] = c[j - 1];
		c[j] = v;
	}
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
static bool take_memory(struct mtcnn_run *r, struct arena *pool)
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
	r->nets = (uint8_t *)r->c + REFINED_BYTES;
	return true;
}

enum status mtcnn_run(const struct mtcnn *d, struct arena *pool,
		      const struct image *img, enum mtcnn_goal goal,
		      struct face *faces, size_t cap, size_t *count,
		      struct errinfo *err)
{
	struct arena_mark mark = arena_get_mark(pool);
	refine_marks marks[ONET_MAX];
	struct mtcnn_run r = { .d = d, .img = img };
	enum status st;

	*count = 0;
	if (img->width_px > MTCNN_SIDE_MAX_PX ||
	    img->height_px > MTCNN_SIDE_MAX_PX || !take_memory(&r, pool)) {
		st = err_set(err, ST_INTERNAL, "no room for the detector");
		goto done;
	}
	st = goal == MTCNN_LARGEST ? find_largest(&r, marks, err)
				   : find_all(&r, marks, err);
	if (st != ST_OK)
		goto done;
	sort_by_area(r.c, r.count);
	for (size_t i = 0; i < r.count && *count < cap; i++)
		store_face(&r.c[i], marks[(size_t)r.c[i].shift[0]],
			   &faces[(*count)++]);
done:
	arena_release(pool, mark);
	return st;
}
