/* Values of JSON objects that several routes know, and what ids and names may
 * be. Getters leave *out alone when the member is missing; what they refuse is
 * ST_BAD_REQUEST. */
#ifndef FACEGATE_DOCVALUE_H
#define FACEGATE_DOCVALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db.h"

/* True for ids of 1 to 64 characters of [A-Za-z0-9._:@-]. */
bool docvalue_id_ok(const char *id);
/* True for UTF-8 of at most PERSON_NAME_MAX bytes without control characters.
 */
bool docvalue_name_ok(const char *name);

/* A list of groups, as the store keeps it. */
enum status docvalue_groups(const json_t *o, char out[GROUPS_TEXT],
			    struct errinfo *err) MUST_CHECK;
/* A time; 0 for null. */
enum status docvalue_time(const json_t *o, const char *name, int64_t *out,
			  struct errinfo *err) MUST_CHECK;
/* A number within limits; NaN for null. */
enum status docvalue_real(const json_t *o, const char *name, double min,
			  double max, double *out,
			  struct errinfo *err) MUST_CHECK;
/* A text of at most cap - 1 bytes; "" for null. */
enum status docvalue_text(const json_t *o, const char *name, char *out,
			  size_t cap, struct errinfo *err) MUST_CHECK;

/* The stored list as JSON. */
json_t *docvalue_groups_json(const char *groups);
/* Whether one group is in both lists. */
bool docvalue_groups_meet(const char *a, const char *b);

#endif
