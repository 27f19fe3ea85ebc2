#include "scan.h"

#include "parallel.h"

/* Scores at a time: few enough for the stack. */
#define SCORES_MAX 1024

struct scan {
	const struct engine *e;
	const struct face_template *t;
	size_t count;
	scan_fn *fn;
	void *ctx;
};

static enum status row(void *ctx, unsigned thread, size_t i,
		       struct errinfo *err)
{
	const struct scan *s = ctx;
	float scores[SCORES_MAX];

	(void)err;
	for (size_t j = i + 1; j < s->count; j += SCORES_MAX) {
		size_t n = s->count - j < SCORES_MAX ? s->count - j
						     : SCORES_MAX;

		engine_cosines(s->e, &s->t[i], &s->t[j], n, scores);
		s->fn(s->ctx, thread, i, j, scores, n);
	}
	return ST_OK;
}

enum status scan_all(const struct engine *e, const struct face_template *t,
		     size_t count, unsigned threads, scan_fn *fn, void *ctx,
		     struct errinfo *err)
{
	struct scan s = { e, t, count, fn, ctx };

	return parallel_run("comparing", count, threads, row, &s, err);
}
