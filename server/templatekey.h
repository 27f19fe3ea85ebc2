/* From template_key_file to the rotation of templates that it stands for. */
#ifndef FACEGATE_TEMPLATEKEY_H
#define FACEGATE_TEMPLATEKEY_H

#include "config.h"
#include "transform.h"

/* Reads the key. ST_BAD_CONFIG when it cannot be read, others may read it, or
 * it has fewer than 32 characters. */
enum status templatekey_load(const struct config *cfg, struct transform *out,
			     struct errinfo *err) MUST_CHECK;

#endif
