/* JSON values that daemon and tool write alike. */
#ifndef FACEGATE_JSONVALUE_H
#define FACEGATE_JSONVALUE_H

#include <jansson.h>
#include <stdint.h>

#include "facetypes.h"

/* A float rounded to so many decimals; null when it is not finite. */
json_t *jsonvalue_real(double v, int digits);

/* Unix milliseconds as "2026-01-31T12:34:56.789Z". */
json_t *jsonvalue_time(int64_t ms);

/* box, landmarks and confidence of a face, rounded to so many decimals. */
json_t *jsonvalue_face(const struct face *f, int pixel_digits,
		       int confidence_digits);

/* The quality object: overall (0 to 100, as engine_quality has it), the
 * distance of the eyes and the length of the embedding. overall is rounded
 * down, so that it never looks good enough when it is not. */
json_t *jsonvalue_quality(float overall, const struct face *f,
			  const struct face_template *t);

#endif
