/* Bodies that are one JSON object of moderate size. */
#ifndef FACEGATE_DOCUMENT_H
#define FACEGATE_DOCUMENT_H

#include <jansson.h>

#include "request.h"

/* Waits for the body and parses it; *out is the caller's. members are the names
 * it may have, NULL at the end. ST_BAD_JSON, ST_UNKNOWN_PARAMETER, or the
 * upload's error. */
enum status document_read(struct request *r, const char *const *members,
			  json_t **out) MUST_CHECK;

#endif
