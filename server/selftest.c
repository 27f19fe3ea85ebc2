#include "selftest.h"

#include <string.h>

#include "selftest_face.h"

/* JPEG decoders may differ in the last bit of a pixel, and with it the
 * template: anything closer than this is the same face through a sound
 * pipeline. */
#define SCORE_MIN 0.98f

struct memory {
	size_t at;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = sizeof(selftest_jpeg) - m->at;

	if (n > cap)
		n = cap;
	memcpy(buf, selftest_jpeg + m->at, n);
	m->at += n;
	return (ssize_t)n;
}

static const struct selftest_known *known_for(const char *model_id)
{
	for (size_t i = 0; i < sizeof(selftest_known) / sizeof(*selftest_known);
	     i++)
		if (strcmp(selftest_known[i].model_id, model_id) == 0)
			return &selftest_known[i];
	return NULL;
}

/* The built-in face where detection finds it. */
static size_t known_face(struct face *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->landmarks, selftest_landmarks, sizeof(f->landmarks));
	return 1;
}

static float cosine(const struct engine *e, const struct face_template *t,
		    const int8_t *v)
{
	struct face_template known = { .scale = 0.0f }, other;

	memcpy(known.v, v, TEMPLATE_DIM);
	return engine_rotate(e, &known, &other) == ST_OK
		       ? template_cosine(t, &other)
		       : 0.0f;
}

enum status selftest_run(struct engine *e, unsigned slot, float *score,
			 struct errinfo *err)
{
	struct memory m = { 0 };
	struct byte_source src = { read_memory, &m };
	struct face faces[2];
	struct picture_info info;
	struct face_template t;
	const struct selftest_known *known = known_for(
		engine_info(e)->embedder_id);
	size_t n = 0;
	enum status st;

	engine_begin(e, slot);
	st = engine_decode(e, slot, &src, &info, err);
	if (st == ST_OK && engine_info(e)->min_face_px <= SELFTEST_MIN_FACE_PX)
		st = engine_detect(e, slot, faces, 2, &n, err);
	else if (st == ST_OK)
		n = known_face(&faces[0]); /* set to look for larger ones */
	if (st == ST_OK && n != 1)
		st = err_set(err, ST_NOT_READY,
			     "self-test: %zu faces found instead of 1", n);
	if (st == ST_OK)
		st = engine_embed(e, slot, &faces[0], &t, err);
	if (st != ST_OK)
		return st;
	*score = known ? cosine(e, &t, known->v) : 1.0f;
	if (*score < SCORE_MIN)
		return err_set(err, ST_NOT_READY,
			       "self-test: the known face scores %.3f",
			       (double)*score);
	return ST_OK;
}
