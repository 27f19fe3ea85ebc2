/* Every two of many templates, compared once, on several threads. */
#ifndef FACEGATE_SCAN_H
#define FACEGATE_SCAN_H

#include <stddef.h>

#include "engine.h"
#include "facetypes.h"
#include "status.h"

/* Takes the scores of template i with templates first .. first + n - 1, where
 * first > i, and may change them. thread counts from 0; a thread makes one
 * call at a time. */
typedef void scan_fn(void *ctx, unsigned thread, size_t i, size_t first,
		     float *scores, size_t n);

/* Compares the count templates of t with the kernels of e. */
enum status scan_all(const struct engine *e, const struct face_template *t,
		     size_t count, unsigned threads, scan_fn *fn, void *ctx,
		     struct errinfo *err) MUST_CHECK;

#endif
