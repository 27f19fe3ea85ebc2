#include "document.h"

#include <string.h>

#include "jsonmembers.h"

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
