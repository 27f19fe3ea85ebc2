/* The embedder: an aligned crop to a template. */
#ifndef FACEGATE_EMBED_H
#define FACEGATE_EMBED_H

#include <stdbool.h>

#include "facetypes.h"
#include "mem/arena.h"
#include "nn/nn.h"
#include "status.h"
#include "transform.h"

struct embedder {
	const struct model *model;
	const struct fgm_net *net;
	const struct k_table *k;
	struct nn_plan plan;
	bool rotates;
	struct transform transform;
};

/* ST_BAD_MODEL unless the file has an `embed` net of 112x112x3 to 128 and
 * both tables. */
enum status embed_open(struct embedder *e, const struct model *m,
		       const struct k_table *k, struct errinfo *err) MUST_CHECK;

/* From now on templates are rotated; NULL: not. */
void embed_use(struct embedder *e, const struct transform *t);

/* Embeds rgb[112 * 112 * 3] with scratch from the arena's tail, released
 * again. Fills the template and its length. With mirror, the direction is that
 * of the sum of the crop's embedding and its mirror image's; the length stays
 * the crop's own. ST_NO_FACE when the crop has no features. */
enum status embed_run(const struct embedder *e, struct arena *pool,
		      const uint8_t *rgb, bool mirror,
		      struct face_template *out,
		      struct errinfo *err) MUST_CHECK;

/* What the net gave as a template, rotated; false when it has no direction. v
 * stays. */
int embed_finish(const struct embedder *e, const float *v,
		 struct face_template *out);
/* A float embedding as a template; false when it has no direction. */
int embed_quantise(const float *v, struct face_template *out);

#endif
