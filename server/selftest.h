/* A built-in face through the whole pipeline: finds a damaged model file, a
 * miscompiled kernel or bad memory before a door does. */
#ifndef FACEGATE_SELFTEST_H
#define FACEGATE_SELFTEST_H

#include "engine.h"

/* Decodes, detects and embeds the built-in picture on a slot and compares the
 * template with the known one of this model (or, for a model it does not know,
 * only that one face is found). ST_NOT_READY with the reason when it differs.
 * score is the cosine, 1 when all is well. */
enum status selftest_run(struct engine *e, unsigned slot, float *score,
			 struct errinfo *err) MUST_CHECK;

#endif
