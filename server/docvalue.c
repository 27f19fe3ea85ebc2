#include "docvalue.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "timetext.h"

bool docvalue_id_ok(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789._:@-");

	return n >= 1 && n <= PERSON_ID_MAX && id[n] == '\0' &&
	       strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

bool docvalue_name_ok(const char *name)
{
	if (strlen(name) > PERSON_NAME_MAX)
		return false;
	/* Those of C1 too, two bytes each: some terminals act on them. */
	for (const unsigned char *c = (const void *)name; *c; c++)
		if (*c < 0x20 || *c == 0x7f ||
		    (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f))
			return false;
	return true;
}

static bool group_ok(const json_t *item)
{
	const char *id = json_string_value(item);

	return id != NULL && strlen(id) <= GROUP_ID_MAX && docvalue_id_ok(id);
}

enum status docvalue_groups(const json_t *o, char out[GROUPS_TEXT],
			    struct errinfo *err)
{
	const json_t *list = json_object_get(o, "groups");
	size_t n = 0;

	if (list == NULL)
		return ST_OK;
	out[0] = '\0';
	if (json_is_null(list))
		return ST_OK;
	if (!json_is_array(list) || json_array_size(list) > GROUPS_MAX)
		goto bad;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!group_ok(item) ||
		    docvalue_groups_meet(out, json_string_value(item)))
			goto bad;
		n += (size_t)snprintf(out + n, GROUPS_TEXT - n, "%s%s",
				      i > 0 ? " " : "",
				      json_string_value(item));
	}
	return ST_OK;
bad:
	return err_set(err, ST_BAD_REQUEST,
		       "groups must be null or a list of at most %d different "
		       "ids of at most %d characters of A-Z a-z 0-9 . _ : @ -",
		       GROUPS_MAX, GROUP_ID_MAX);
}

enum status docvalue_time(const json_t *o, const char *name, int64_t *out,
			  struct errinfo *err)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	*out = 0;
	if (json_is_null(v))
		return ST_OK;
	if (!json_is_string(v) || !timetext_parse(json_string_value(v), out) ||
	    *out < 1)
		return err_set(err, ST_BAD_REQUEST,
			       "%s must be a time like 2026-01-31T12:34:56Z, "
			       "or null",
			       name);
	return ST_OK;
}

enum status docvalue_real(const json_t *o, const char *name, double min,
			  double max, double *out, struct errinfo *err)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	*out = json_is_number(v) ? json_number_value(v) : (double)NAN;
	if (json_is_null(v) || (*out >= min && *out <= max))
		return ST_OK;
	return err_set(err, ST_BAD_REQUEST,
		       "%s must be a number within %g and %g, or null", name,
		       min, max);
}

enum status docvalue_text(const json_t *o, const char *name, char *out,
			  size_t cap, struct errinfo *err)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	out[0] = '\0';
	if (json_is_null(v))
		return ST_OK;
	if (!json_is_string(v) || json_string_length(v) >= cap)
		return err_set(err, ST_BAD_REQUEST,
			       "%s must be a string of at most %zu bytes, or "
			       "null",
			       name, cap - 1);
	(void)snprintf(out, cap, "%s", json_string_value(v));
	return ST_OK;
}

json_t *docvalue_groups_json(const char *groups)
{
	json_t *list = json_array();

	while (*groups != '\0') {
		size_t n = strcspn(groups, " ");

		json_array_append_new(list, json_stringn(groups, n));
		groups += n;
		groups += strspn(groups, " ");
	}
	return list;
}

bool docvalue_groups_meet(const char *a, const char *b)
{
	while (*a != '\0') {
		size_t n = strcspn(a, " ");

		for (const char *p = b; *p != '\0'; p += strspn(p, " ")) {
			size_t m = strcspn(p, " ");

			if (m == n && memcmp(a, p, n) == 0)
				return true;
			p += m;
		}
		a += n;
		a += strspn(a, " ");
	}
	return false;
}
