#include "document.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "jsonmembers.h"
#include "timetext.h"

#define DEPTH_MAX 8

/* jansson's own limit is far deeper than a worker's stack. */
static bool too_deep(const char *s, size_t n)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == '{' || s[i] == '['))
			depth++;
		else if (!quoted && (s[i] == '}' || s[i] == ']'))
			depth--;
		if (depth > DEPTH_MAX)
			return true;
	}
	return false;
}

static bool listed(const char *const *members, const char *name)
{
	for (; *members != NULL; members++)
		if (strcmp(*members, name) == 0)
			return true;
	return false;
}

enum status document_read(struct request *r, const char *const *members,
			  json_t **out)
{
	enum status st = upload_drain(r->upload, &r->err);
	const char *text, *name;
	json_t *root, *value;
	size_t n;

	*out = NULL;
	if (st == ST_OK)
		st = request_check_params(r);
	if (st != ST_OK)
		return st;
	text = upload_document(r->upload, &n);
	if (memchr(text, '\0', n) != NULL || too_deep(text, n))
		return err_set(&r->err, ST_BAD_JSON,
			       "the body contains a NUL or is nested deeper "
			       "than %d",
			       DEPTH_MAX);
	root = jsonmembers_load(text, n, &r->err);
	if (root == NULL)
		return r->err.status;
	if (!json_is_object(root))
		st = err_set(&r->err, ST_BAD_JSON,
			     "the body must be one JSON object");
	json_object_foreach(root, name, value)
	{
		if (!listed(members, name))
			st = err_set(&r->err, ST_UNKNOWN_PARAMETER,
				     "this route has no member \"%.40s\"",
				     name);
	}
	if (st == ST_OK)
		*out = root;
	else
		json_decref(root);
	return st;
}

static bool group_ok(const json_t *item)
{
	const char *id = json_string_value(item);

	return id != NULL && strlen(id) <= GROUP_ID_MAX && request_id_ok(id);
}

enum status document_groups(struct request *r, const json_t *o,
			    char out[GROUPS_TEXT])
{
	const json_t *list = json_object_get(o, "groups");
	size_t n = 0;

	if (list == NULL)
		return ST_OK;
	out[0] = '\0';
	if (!json_is_array(list) || json_array_size(list) > GROUPS_MAX)
		goto bad;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!group_ok(item) ||
		    document_groups_meet(out, json_string_value(item)))
			goto bad;
		n += (size_t)snprintf(out + n, GROUPS_TEXT - n, "%s%s",
				      i > 0 ? " " : "",
				      json_string_value(item));
	}
	return ST_OK;
bad:
	return err_set(&r->err, ST_BAD_REQUEST,
		       "groups must be a list of at most %d different ids of "
		       "at most %d characters of A-Z a-z 0-9 . _ : @ -",
		       GROUPS_MAX, GROUP_ID_MAX);
}

enum status document_time(struct request *r, const json_t *o, const char *name,
			  int64_t *out)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	*out = 0;
	if (json_is_null(v))
		return ST_OK;
	if (!json_is_string(v) || !timetext_parse(json_string_value(v), out) ||
	    *out < 1)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be a time like 2026-01-31T12:34:56Z, "
			       "or null",
			       name);
	return ST_OK;
}

enum status document_real(struct request *r, const json_t *o, const char *name,
			  double min, double max, double *out)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	*out = json_is_number(v) ? json_number_value(v) : (double)NAN;
	if (json_is_null(v) || (*out >= min && *out <= max))
		return ST_OK;
	return err_set(&r->err, ST_BAD_REQUEST,
		       "%s must be a number within %g and %g, or null", name,
		       min, max);
}

enum status document_text(struct request *r, const json_t *o, const char *name,
			  char *out, size_t cap)
{
	const json_t *v = json_object_get(o, name);

	if (v == NULL)
		return ST_OK;
	out[0] = '\0';
	if (json_is_null(v))
		return ST_OK;
	if (!json_is_string(v) || json_string_length(v) >= cap)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be a string of at most %zu bytes, or "
			       "null",
			       name, cap - 1);
	(void)snprintf(out, cap, "%s", json_string_value(v));
	return ST_OK;
}

json_t *document_groups_json(const char *groups)
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

bool document_groups_meet(const char *a, const char *b)
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
