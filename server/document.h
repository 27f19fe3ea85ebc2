/* Bodies that are one JSON object of moderate size, and the values in them
 * that several routes know. Getters leave *out alone when the member is
 * missing; what they refuse goes to r->err as ST_BAD_REQUEST. */
#ifndef FACEGATE_DOCUMENT_H
#define FACEGATE_DOCUMENT_H

#include <jansson.h>

#include "request.h"

/* Waits for the body and parses it; *out is the caller's. members are the names
 * it may have, NULL at the end. ST_BAD_JSON, ST_UNKNOWN_PARAMETER, or the
 * upload's error. */
enum status document_read(struct request *r, const char *const *members,
			  json_t **out) MUST_CHECK;

/* A list of groups, as the store keeps it. */
enum status document_groups(struct request *r, const json_t *o,
			    char out[GROUPS_TEXT]) MUST_CHECK;
/* A time; 0 for null. */
enum status document_time(struct request *r, const json_t *o, const char *name,
			  int64_t *out) MUST_CHECK;
/* A number within limits; NaN for null. */
enum status document_real(struct request *r, const json_t *o, const char *name,
			  double min, double max, double *out) MUST_CHECK;
/* A text of at most cap - 1 bytes; "" for null. */
enum status document_text(struct request *r, const json_t *o, const char *name,
			  char *out, size_t cap) MUST_CHECK;

/* The stored list as JSON. */
json_t *document_groups_json(const char *groups);
/* Whether one group is in both lists. */
bool document_groups_meet(const char *a, const char *b);

#endif
