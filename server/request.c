#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "docvalue.h"
#include "engine_setup.h"
#include "router.h"
#include "srv.h"

const char *request_param(struct request *r, const char *name)
{
	return upload_param(r->upload, name);
}

struct db_by request_by(const struct request *r)
{
	return (struct db_by){ r->key_id, srv_wall_ms() };
}

bool request_sees_scores(const struct request *r)
{
	return r->role == ROLE_ADMIN || r->role == ROLE_AUDITOR;
}

enum status request_int(struct request *r, const char *name, int64_t min,
			int64_t max, int64_t preset, int64_t *out)
{
	const char *text = request_param(r, name);
	char *end;

	*out = preset;
	if (text == NULL)
		return ST_OK;
	errno = 0;
	*out = strtoll(text, &end, 10);
	/* Digits alone: strtoll takes spaces and a plus as well. */
	if (end == text || *end != '\0' ||
	    text[strspn(text, "-0123456789")] != '\0' || errno != 0 ||
	    *out < min || *out > max)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be a whole number within %lld and "
			       "%lld",
			       name, (long long)min, (long long)max);
	return ST_OK;
}

static enum status id_param(struct request *r, const char *name,
			    const char **out)
{
	if (!docvalue_id_ok(*out))
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

void *request_page(struct request *r, int64_t rows, size_t row_bytes)
{
	void *page = calloc((size_t)rows, row_bytes);

	if (page == NULL)
		err_set(&r->err, ST_NO_MEMORY, "no memory for a page");
	return page;
}

uint64_t request_body_max(const struct request *r)
{
	if (r->route->body == BODY_DOCUMENT)
		return REQUEST_DOCUMENT_BYTES;
	if (r->route->body == BODY_FORM)
		return (uint64_t)r->srv->cfg.deepstack_kib * 1024;
	return (uint64_t)r->srv->cfg.body_max_kib * 1024;
}

/* The first parameter is one too many. */
static enum MHD_Result refuse_one(void *ctx, enum MHD_ValueKind kind,
				  const char *name, const char *value)
{
	struct request *r = ctx;

	(void)kind;
	(void)value;
	err_set(&r->err, ST_UNKNOWN_PARAMETER,
		"this route has no parameter \"%.40s\"", name);
	return MHD_NO;
}

enum status request_no_params(struct request *r)
{
	MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND,
				  refuse_one, r);
	return r->err.status;
}
