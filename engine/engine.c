/* Start-up in order: models, budget, one block; then nothing moves. */
#include "engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "checked.h"
#include "face/align.h"
#include "face/embed.h"
#include "face/gallery_mem.h"
#include "face/mtcnn.h"
#include "image/jpeg.h"
#include "mem/arena.h"
#include "model/model.h"
#include "model/tables.h"

/* The smallest working picture that is worth starting for. */
#define PICTURE_BYTES_MIN ((size_t)320 * 240 * IMAGE_CHANNELS)

struct worker {
	struct jpeg_decoder *decoder;
	struct arena pool;    /* what the decoder's own state leaves of it */
	struct image picture; /* head of the pool, while has_picture */
	struct picture_info info;
	bool has_picture;
	size_t own_bytes; /* decoder state, part of the pool's size */
	struct engine_receipt receipt;
};

struct engine {
	struct model detector_model, embedder_model;
	struct mtcnn mtcnn;
	struct embedder embedder;
	struct engine_info info;
	struct jpeg_limits jpeg;
	uint64_t (*now_us)(void);
	struct gallery *gallery;
	size_t keep_bytes;
	void *block;
	size_t block_bytes;
	size_t gallery_max;
	unsigned pools;	  /* to be opened */
	unsigned workers; /* opened */
	struct worker worker[ENGINE_WORKERS_MAX];
};

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What detection and embedding need beside the working picture. */
static size_t keep_bytes(const struct engine *e)
{
	return max_size(e->mtcnn.scratch_bytes,
			align_up(e->embedder.plan.total_bytes, ARENA_ALIGN));
}

const char *engine_isa(void)
{
	const struct k_table *k = k_select(getenv("FACEGATE_ISA"));

	return k ? k->name : NULL;
}

static enum status open_models(struct engine *e,
			       const struct engine_options *opt,
			       struct errinfo *err)
{
	const char *isa = getenv("FACEGATE_ISA");
	const struct k_table *k = k_select(isa);
	enum status st;

	if (opt->workers < 1 || opt->workers > ENGINE_WORKERS_MAX ||
	    opt->gallery_max < 1)
		return err_set(err, ST_BAD_CONFIG, "engine options");
	if (opt->min_face_px > 0 && opt->min_face_px < 12)
		return err_set(err, ST_BAD_CONFIG,
			       "min_face_px: %u is not 0, nor 12 or more",
			       opt->min_face_px);
	if (k == NULL)
		return err_set(err, ST_BAD_CONFIG,
			       "FACEGATE_ISA: this processor has no level %s",
			       isa);
	st = model_open(&e->detector_model, opt->detector_path, err);
	if (st == ST_OK)
		st = model_open(&e->embedder_model, opt->embedder_path, err);
	if (st == ST_OK)
		st = mtcnn_open(&e->mtcnn, &e->detector_model, k,
				opt->min_face_px, err);
	if (st == ST_OK)
		st = embed_open(&e->embedder, &e->embedder_model, k, err);
	if (st != ST_OK)
		return st;
	e->keep_bytes = keep_bytes(e);
	snprintf(e->info.embedder_id, sizeof(e->info.embedder_id), "%s",
		 e->embedder_model.id);
	embed_use(&e->embedder, opt->transform);
	snprintf(e->info.model_id, sizeof(e->info.model_id), "%.36s%s%s",
		 e->embedder_model.id, opt->transform ? "~" : "",
		 opt->transform ? opt->transform->id : "");
	snprintf(e->info.detector_id, sizeof(e->info.detector_id), "%s",
		 e->detector_model.id);
	e->info.isa = k->name;
	e->info.pool_bytes = opt->pool_bytes;
	e->gallery_max = opt->gallery_max;
	e->pools = opt->workers;
	e->info.min_face_px = opt->min_face_px;
	e->info.pool_needed_bytes = jpeg_decoder_bytes() + PICTURE_BYTES_MIN +
				    e->keep_bytes;
	return ST_OK;
}

static enum status check_pool(const struct engine *e, struct errinfo *err)
{
	size_t given = e->info.pool_bytes, need = e->info.pool_needed_bytes;

	if (given >= need)
		return ST_OK;
	return err_limit(err, ST_POOL_TOO_SMALL, (int64_t)given, (int64_t)need,
			 "the pool has %zu bytes, these models need %zu", given,
			 need);
}

/* The one place where the engine takes memory. */
static enum status reserve(struct engine *e, const struct engine_options *opt,
			   struct errinfo *err)
{
	size_t pool = align_up(opt->pool_bytes, ARENA_ALIGN);
	size_t gallery = gallery_bytes(opt->gallery_max);
	size_t total;
	uint8_t *at;

	if (!size_mul(pool, opt->workers, &total) ||
	    !size_add(total, gallery, &total))
		return err_set(err, ST_NO_MEMORY, "budget overflows");
	e->block = mmap(NULL, total, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->block == MAP_FAILED) {
		e->block = NULL;
		return err_limit(err, ST_NO_MEMORY, ERR_NO_NUMBER,
				 (int64_t)total, "cannot reserve %zu bytes",
				 total);
	}
	e->block_bytes = total;
	at = e->block;
	e->gallery = gallery_open(at, opt->gallery_max, e->mtcnn.k);
	at += gallery;
	for (unsigned i = 0; i < opt->workers; i++, at += pool) {
		struct worker *w = &e->worker[i];
		enum status st;

		/* Touched now, so that a machine with too little memory fails
		 * here and not in the middle of a night. */
		memset(at, 0, pool);
		w->own_bytes = jpeg_decoder_bytes();
		st = jpeg_decoder_open(at, opt->picture_planes, &w->decoder,
				       err);
		if (st != ST_OK)
			return st;
		arena_init(&w->pool, at + w->own_bytes, pool - w->own_bytes);
		e->workers = i + 1;
	}
	return ST_OK;
}

/* The engine's own struct is the only thing outside the block; it is static
 * in size, and calloc'ed here, before the freeze. */
enum status engine_open(const struct engine_options *opt, struct engine **out,
			struct errinfo *err)
{
	struct engine *e;
	enum status st;

	*out = NULL;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory to start");
	e->jpeg = opt->jpeg;
	e->now_us = opt->now_us;
	st = open_models(e, opt, err);
	if (st == ST_OK)
		st = check_pool(e, err);
	if (st == ST_OK)
		st = reserve(e, opt, err);
	if (st != ST_OK) {
		engine_close(e);
		return st;
	}
	*out = e;
	return ST_OK;
}

void engine_close(struct engine *e)
{
	if (e == NULL)
		return;
	for (unsigned i = 0; i < e->workers; i++)
		jpeg_decoder_close(e->worker[i].decoder);
	if (e->gallery != NULL)
		gallery_close(e->gallery);
	if (e->block != NULL)
		munmap(e->block, e->block_bytes);
	model_close(&e->detector_model);
	model_close(&e->embedder_model);
	explicit_bzero(&e->embedder.transform, sizeof(e->embedder.transform));
	free(e);
}

void engine_begin(struct engine *e, unsigned slot)
{
	struct worker *w = &e->worker[slot];

	arena_release(&w->pool, (struct arena_mark){ 0, 0 });
	arena_reset_peak(&w->pool);
	w->has_picture = false;
	memset(&w->receipt, 0, sizeof(w->receipt));
}

enum status engine_decode(struct engine *e, unsigned slot,
			  const struct byte_source *src,
			  struct picture_info *info, struct errinfo *err)
{
	struct worker *w = &e->worker[slot];
	uint64_t start = e->now_us();
	enum status st;

	arena_release(&w->pool, (struct arena_mark){ 0, 0 });
	w->has_picture = false;
	st = jpeg_decode(w->decoder, &w->pool, e->keep_bytes, MTCNN_SIDE_MAX_PX,
			 &e->jpeg, src, &w->picture, &w->info, err);
	w->has_picture = st == ST_OK;
	*info = w->info;
	w->receipt.decode_us += e->now_us() - start;
	return st;
}

/* Working pixels to full-size pixels and back: pixel centres stay centres. */
static float to_full(float v, uint32_t full, uint32_t work)
{
	float ratio = (float)full / (float)work;

	return (v + 0.5f) * ratio - 0.5f;
}

static float to_work(float v, uint32_t full, uint32_t work)
{
	float ratio = (float)work / (float)full;

	return (v + 0.5f) * ratio - 0.5f;
}

static void scale_face(const struct picture_info *p, struct face *f)
{
	float rx = (float)p->width_px / (float)p->work_width_px;
	float ry = (float)p->height_px / (float)p->work_height_px;
	float dx, dy;

	f->box[0] = to_full(f->box[0], p->width_px, p->work_width_px);
	f->box[1] = to_full(f->box[1], p->height_px, p->work_height_px);
	f->box[2] *= rx;
	f->box[3] *= ry;
	for (int i = 0; i < 5; i++) {
		f->landmarks[i][0] = to_full(f->landmarks[i][0], p->width_px,
					     p->work_width_px);
		f->landmarks[i][1] = to_full(f->landmarks[i][1], p->height_px,
					     p->work_height_px);
	}
	dx = f->landmarks[1][0] - f->landmarks[0][0];
	dy = f->landmarks[1][1] - f->landmarks[0][1];
	f->inter_eye_px = sqrtf(dx * dx + dy * dy);
}

static enum status detect(struct engine *e, unsigned slot, enum mtcnn_goal goal,
			  struct face *faces, size_t cap, size_t *count,
			  struct errinfo *err)
{
	struct worker *w = &e->worker[slot];
	uint64_t start = e->now_us();
	enum status st;

	*count = 0;
	if (!w->has_picture)
		return err_set(err, ST_INTERNAL, "no picture");
	st = mtcnn_run(&e->mtcnn, &w->pool, &w->picture, goal, faces, cap,
		       count, err);
	for (size_t i = 0; i < *count; i++)
		scale_face(&w->info, &faces[i]);
	w->receipt.detect_us += e->now_us() - start;
	return st;
}

enum status engine_detect(struct engine *e, unsigned slot, struct face *faces,
			  size_t cap, size_t *count, struct errinfo *err)
{
	return detect(e, slot, MTCNN_ALL, faces, cap, count, err);
}

enum status engine_detect_largest(struct engine *e, unsigned slot,
				  struct face *faces, size_t cap, size_t *count,
				  struct errinfo *err)
{
	return detect(e, slot, MTCNN_LARGEST, faces, cap, count, err);
}

_Static_assert(ENGINE_CROP_PX == ALIGN_SIDE_PX &&
		       ENGINE_CROP_MAX_PX == ALIGN_SIDE_MAX_PX,
	       "engine.h says what align.h does");

void engine_crop_landmarks(float out[5][2])
{
	memcpy(out, align_places, sizeof(align_places));
}

enum status engine_align(struct engine *e, unsigned slot,
			 const struct face *face, unsigned side_px,
			 uint8_t *rgb, struct errinfo *err)
{
	struct worker *w = &e->worker[slot];
	uint64_t start = e->now_us();
	float marks[5][2];
	enum status st;

	if (!w->has_picture)
		return err_set(err, ST_INTERNAL, "no picture");
	for (int i = 0; i < 5; i++) {
		marks[i][0] = to_work(face->landmarks[i][0], w->info.width_px,
				      w->info.work_width_px);
		marks[i][1] = to_work(face->landmarks[i][1], w->info.height_px,
				      w->info.work_height_px);
	}
	st = align_face(&w->picture, (const float(*)[2])marks, side_px, rgb,
			err);
	w->receipt.align_us += e->now_us() - start;
	return st;
}

static enum status embed_crop(struct engine *e, unsigned slot,
			      const uint8_t *rgb, bool mirror,
			      struct face_template *out, struct errinfo *err)
{
	struct worker *w = &e->worker[slot];
	uint64_t start = e->now_us();
	enum status st = embed_run(&e->embedder, &w->pool, rgb, mirror, out,
				   err);

	w->receipt.embed_us += e->now_us() - start;
	return st;
}

enum status engine_embed_crop(struct engine *e, unsigned slot,
			      const uint8_t *rgb, struct face_template *out,
			      struct errinfo *err)
{
	return embed_crop(e, slot, rgb, false, out, err);
}

enum status engine_embed_enrolment(struct engine *e, unsigned slot,
				   const uint8_t *rgb,
				   struct face_template *out,
				   struct errinfo *err)
{
	return embed_crop(e, slot, rgb, true, out, err);
}

enum status engine_embed(struct engine *e, unsigned slot,
			 const struct face *face, struct face_template *out,
			 struct errinfo *err)
{
	uint8_t crop[ALIGN_SIDE_PX * ALIGN_SIDE_PX * IMAGE_CHANNELS];
	enum status st = engine_align(e, slot, face, ALIGN_SIDE_PX, crop, err);

	return st == ST_OK ? embed_crop(e, slot, crop, false, out, err) : st;
}

void engine_receipt(const struct engine *e, unsigned slot,
		    struct engine_receipt *out)
{
	const struct worker *w = &e->worker[slot];

	*out = w->receipt;
	out->pool_peak_bytes = w->own_bytes + w->pool.peak;
}

struct gallery *engine_gallery(struct engine *e)
{
	return e->gallery;
}

const struct engine_info *engine_info(const struct engine *e)
{
	return &e->info;
}

enum status engine_rotate(const struct engine *e,
			  const struct face_template *plain,
			  struct face_template *out)
{
	float v[TEMPLATE_DIM];

	for (int i = 0; i < TEMPLATE_DIM; i++)
		v[i] = (float)plain->v[i];
	return embed_finish(&e->embedder, v, out) ? ST_OK : ST_NO_FACE;
}

float engine_threshold(const struct engine *e, double fmr)
{
	return tables_cut(&e->embedder_model, fmr);
}

double engine_fmr(const struct engine *e, float threshold)
{
	return tables_fmr(&e->embedder_model, threshold);
}

float engine_quality(const struct engine *e, const struct face_template *t)
{
	return tables_quality(&e->embedder_model, t->length);
}

void engine_cosines(const struct engine *e, const struct face_template *probe,
		    const struct face_template *t, size_t n, float *scores)
{
	const struct k_table *k = e->embedder.k;

	for (size_t i = 0; i < n; i++) {
		int32_t dot;

		k->dot_rows_s8(&t[i].v, probe->v, 1, &dot);
		scores[i] = (float)dot * probe->scale * t[i].scale;
	}
}

size_t engine_budget_rows(const struct engine *e,
			  struct budget_row rows[ENGINE_BUDGET_ROWS])
{
	size_t pool = e->info.pool_bytes, own = jpeg_decoder_bytes();
	size_t left = pool > own ? pool - own : 0;
	const struct budget_row all[] = {
		{ "detector model", e->detector_model.bytes, true, false },
		{ "embedder model", e->embedder_model.bytes, true, false },
		{ "gallery", gallery_bytes(e->gallery_max), false, false },
		{ "worker pools", pool * e->pools, false, false },
		{ "one pool", pool, false, true },
		{ "decoder state", own, false, true },
		{ "working picture, at most",
		  left > e->keep_bytes ? left - e->keep_bytes : 0, false,
		  true },
		{ "detector, beside the picture", e->mtcnn.scratch_bytes, false,
		  true },
		{ "embedder, beside the picture", e->embedder.plan.total_bytes,
		  false, true },
		{ "smallest pool", e->info.pool_needed_bytes, false, true },
	};
	size_t n = sizeof(all) / sizeof(all[0]);

	_Static_assert(sizeof(all) / sizeof(all[0]) <= ENGINE_BUDGET_ROWS,
		       "the caller has room");
	memcpy(rows, all, sizeof(all));
	return n;
}

enum status engine_budget(const struct engine_options *opt,
			  struct budget_row rows[ENGINE_BUDGET_ROWS],
			  size_t *count, struct errinfo *err)
{
	struct engine *e = calloc(1, sizeof(*e));
	enum status st;

	*count = 0;
	if (e == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory");
	st = open_models(e, opt, err);
	if (st == ST_OK) {
		*count = engine_budget_rows(e, rows);
		st = check_pool(e, err);
	}
	engine_close(e);
	return st;
}
