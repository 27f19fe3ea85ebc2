#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "router.h"

const char *request_param(struct request *r, const char *name)
{
	if (r->upload != NULL)
		return upload_param(r->upload, name);
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND,
					   name);
}

enum status request_int(struct request *r, const char *name, int64_t min,
			int64_t max, int64_t preset, int64_t *out)
{
	const char *text = request_param(r, name);
	char *end;

	*out = preset;
	if (text == NULL)
		return ST_OK;
	*out = strtoll(text, &end, 10);
	/* Digits alone: strtoll takes spaces and a plus as well. */
	if (end == text || *end != '\0' ||
	    text[strspn(text, "-0123456789")] != '\0' || strlen(text) > 18 ||
	    *out < min || *out > max)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be a whole number within %lld and "
			       "%lld",
			       name, (long long)min, (long long)max);
	return ST_OK;
}

bool request_id_ok(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789._:@-");

	return n >= 1 && n <= PERSON_ID_MAX && id[n] == '\0' &&
	       strcmp(id, ".") != 0 && strcmp(id, "..") != 0;
}

static enum status id_param(struct request *r, const char *name,
			    const char **out)
{
	if (!request_id_ok(*out))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be 1 to %d characters of A-Z a-z 0-9 . "
			       "_ : @ -",
			       name, PERSON_ID_MAX);
	return ST_OK;
}

enum status request_person(struct request *r, const char **out)
{
	*out = request_param(r, "person_id");
	if (*out == NULL)
		return err_set(&r->err, ST_BAD_REQUEST, "person_id is missing");
	return id_param(r, "person_id", out);
}

enum status request_door(struct request *r, const char **out)
{
	*out = request_param(r, "door_id");
	if (*out == NULL) {
		*out = "";
		return ST_OK;
	}
	return id_param(r, "door_id", out);
}

static bool known(const struct route *route, const char *name)
{
	for (const char *const *p = route->params; *p != NULL; p++)
		if (strcmp(*p, name) == 0)
			return true;
	return false;
}

static enum status unknown(struct request *r, const char *name)
{
	return err_set(&r->err, ST_UNKNOWN_PARAMETER,
		       "this route has no parameter \"%.40s\"", name);
}

struct walk {
	struct request *r;
	const char *seen[32];
	size_t count;
	enum status st;
};

static enum MHD_Result check_one(void *ctx, enum MHD_ValueKind kind,
				 const char *name, const char *value)
{
	struct walk *w = ctx;

	(void)kind;
	(void)value;
	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->seen[i], name) == 0)
			w->st = err_set(&w->r->err, ST_BAD_REQUEST,
					"parameter \"%.40s\" is given twice",
					name);
	if (w->st == ST_OK && !known(w->r->route, name))
		w->st = unknown(w->r, name);
	if (w->count < 32)
		w->seen[w->count++] = name;
	return w->st == ST_OK ? MHD_YES : MHD_NO;
}

enum status request_check_params(struct request *r)
{
	struct walk w = { .r = r, .st = ST_OK };

	if (r->upload == NULL) {
		MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND,
					  check_one, &w);
		return w.st;
	}
	for (size_t i = 0; i < upload_param_count(r->upload); i++) {
		const char *name = upload_param_name(r->upload, i);

		if (!known(r->route, name))
			return unknown(r, name);
	}
	return ST_OK;
}
