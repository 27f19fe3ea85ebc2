#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "embedded.h"
#include "facequality.h"
#include "router.h"

#define RETRY_SECONDS 1u

int reply_http_status(enum status st)
{
	switch (st) {
	case ST_OK:
		return 200;
	case ST_BAD_REQUEST:
	case ST_UNKNOWN_PARAMETER:
	case ST_BAD_JSON:
		return 400;
	case ST_NO_KEY:
	case ST_BAD_SIGNATURE:
	case ST_STALE_REQUEST:
	case ST_REPLAYED_REQUEST:
		return 401;
	case ST_WRONG_ROLE:
		return 403;
	case ST_NO_SUCH_ROUTE:
	case ST_NO_SUCH_PERSON:
	case ST_NO_SUCH_TEMPLATE:
	case ST_NO_SUCH_DOOR:
		return 404;
	case ST_METHOD_NOT_ALLOWED:
		return 405;
	case ST_TIMEOUT:
		return 408;
	case ST_PERSON_EXISTS:
	case ST_DUPLICATE_FACE:
		return 409;
	case ST_LENGTH_REQUIRED:
		return 411;
	case ST_CHANGED_MEANWHILE:
		return 412;
	case ST_BODY_TOO_LARGE:
		return 413;
	case ST_URI_TOO_LONG:
		return 414;
	case ST_NOT_JSON:
	case ST_NOT_A_JPEG:
	case ST_UNSUPPORTED_JPEG:
		return 415;
	case ST_EXPECTATION_FAILED:
		return 417;
	case ST_CORRUPT_JPEG:
	case ST_PICTURE_TOO_LARGE:
	case ST_NO_FACE:
	case ST_SEVERAL_FACES:
	case ST_FACE_TOO_SMALL:
	case ST_LOW_QUALITY:
		return 422;
	case ST_LOCKED_OUT:
		return 429;
	case ST_NOT_IMPLEMENTED:
		return 501;
	case ST_BUSY:
	case ST_NOT_READY:
	case ST_VERIFY_ONLY:
	case ST_DATABASE_BUSY:
	case ST_NO_MEMORY:
		return 503;
	case ST_GALLERY_FULL:
	case ST_STORE_FULL:
	case ST_DISK_FULL:
		return 507;
	default:
		return 500;
	}
}

static void keep(struct request *r, int http_status, struct MHD_Response *resp,
		 const char *type, const char *cache)
{
	r->response = resp;
	r->http_status = http_status;
	if (type != NULL)
		MHD_add_response_header(resp, MHD_HTTP_HEADER_CONTENT_TYPE,
					type);
	MHD_add_response_header(resp, "X-Request-Id", r->id);
	MHD_add_response_header(resp, "Cache-Control", cache);
	MHD_add_response_header(resp, "X-Content-Type-Options", "nosniff");
}

static void set_answer(struct request *r, int http_status, char *text,
		       const char *type)
{
	struct MHD_Response *resp;

	if (r->response != NULL) {
		free(text);
		return;
	}
	resp = MHD_create_response_from_buffer(text ? strlen(text) : 0, text,
					       MHD_RESPMEM_MUST_FREE);
	if (resp == NULL) {
		free(text);
		return; /* the connection is closed without an answer */
	}
	keep(r, http_status, resp, type, "no-store");
}

void reply_stream(struct request *r, struct MHD_Response *resp,
		  const char *type)
{
	keep(r, 200, resp, type, "no-store");
}

static void answer_json(struct request *r, int http_status, json_t *body,
			size_t digits)
{
	char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(
								    digits))
			  : NULL;

	json_decref(body);
	if (text == NULL)
		reply_error(r, ST_NO_MEMORY, "no memory for the answer");
	else
		set_answer(r, http_status, text, "application/json");
}

/* The ETag of what a body tells. false: no memory. */
static bool tag_of(const json_t *body, char tag[static REPLY_TAG_BYTES])
{
	char *text = json_dumps(body, JSON_COMPACT);
	struct sha256_ctx hash;
	uint8_t digest[8];

	if (text == NULL)
		return false;
	sha256_init(&hash);
	sha256_update(&hash, strlen(text), (const uint8_t *)text);
	sha256_digest(&hash, sizeof(digest), digest);
	free(text);
	*tag++ = '"';
	for (size_t i = 0; i < sizeof(digest); i++, tag += 2)
		(void)snprintf(tag, 3, "%02x", digest[i]);
	memcpy(tag, "\"", 2);
	return true;
}

void reply_tagged(struct request *r, int http_status, json_t *body)
{
	char tag[REPLY_TAG_BYTES];
	bool tagged = tag_of(body, tag);

	reply_kept(r, http_status, body);
	if (tagged)
		reply_header(r, "ETag", tag);
}

enum status reply_unchanged(struct request *r, json_t *now)
{
	char tag[REPLY_TAG_BYTES] = "";
	bool fits = now ? !r->if_absent : r->if_match[0] == '\0';

	if (fits && now != NULL && r->if_match[0] != '\0' &&
	    strcmp(r->if_match, "*") != 0)
		fits = tag_of(now, tag) && strstr(r->if_match, tag) != NULL;
	json_decref(now);
	return fits ? ST_OK
		    : err_set(&r->err, ST_CHANGED_MEANWHILE,
			      "somebody has changed it since it was read; "
			      "nothing was done");
}

void reply_json(struct request *r, int http_status, json_t *body)
{
	answer_json(r, http_status, body, 7);
}

void reply_kept(struct request *r, int http_status, json_t *body)
{
	answer_json(r, http_status, body, 15);
}

void reply_page(struct request *r, enum status st,
		const struct reply_rows *rows)
{
	json_t *list, *next = NULL;

	if (st != ST_OK) {
		free(rows->page);
		reply_problem(r, NULL);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < rows->n; i++)
		json_array_append_new(list,
				      rows->tell((const char *)rows->page +
						 i * rows->row_bytes));
	/* A full page may have a successor. */
	if (rows->n == (size_t)rows->limit)
		next = json_object_get(
			json_array_get(list, json_array_size(list) - 1),
			rows->cursor);
	reply_kept(r, 200,
		   json_pack("{s:o, s:O}", rows->name, list, "next",
			     next ? next : json_null()));
	free(rows->page);
}

void reply_plain(struct request *r, char *text, const char *type)
{
	set_answer(r, 200, text, type);
}

/* Whether the client says that it has the file already. */
static bool has_file(const struct request *r, const struct embedded *file)
{
	const char *tags = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "If-None-Match");

	return tags != NULL &&
	       (strcmp(tags, "*") == 0 || strstr(tags, file->etag) != NULL);
}

void reply_file(struct request *r, const struct embedded *file)
{
	bool known = has_file(r, file);
	/* The library does not write to memory that is persistent. */
	struct MHD_Response *resp = MHD_create_response_from_buffer(
		known ? 0 : file->size, (void *)(uintptr_t)file->bytes,
		MHD_RESPMEM_PERSISTENT);

	if (resp == NULL)
		return; /* the connection is closed without an answer */
	/* The next version has other files under the same names. */
	keep(r, known ? 304 : 200, resp, known ? NULL : file->type, "no-cache");
	reply_header(r, "ETag", file->etag);
	if (!known && file->encoding != NULL)
		reply_header(r, "Content-Encoding", file->encoding);
}

void reply_empty(struct request *r, int http_status)
{
	set_answer(r, http_status, NULL, NULL);
}

void reply_header(struct request *r, const char *name, const char *value)
{
	if (r->response != NULL)
		MHD_add_response_header(r->response, name, value);
}

/* What a kiosk can show, and what an admin may know. */
static void add_advice(const struct request *r, json_t *o, enum status st)
{
	const char *hint = facequality_hint(st, r->failed_checks);

	if (st == ST_LOW_QUALITY)
		json_object_set_new(o, "failed",
				    reply_checks(r->failed_checks));
	if (hint != NULL)
		json_object_set_new(o, "hint", json_string(hint));
	if (st == ST_DUPLICATE_FACE && r->role == ROLE_ADMIN)
		json_object_set_new(o, "person_id", json_string(r->held_by));
}

json_t *reply_checks(unsigned checks)
{
	json_t *list = json_array();

	for (; checks != 0; checks &= checks - 1)
		json_array_append_new(list,
				      json_string(facequality_word(checks)));
	return list;
}

/* What went wrong as a sentence; one that quotes a client may not be UTF-8,
 * then the title has to do. */
static json_t *detail_json(const struct request *r, enum status st)
{
	json_t *detail = r->err.text[0] ? json_string(r->err.text) : NULL;

	return detail ? detail : json_string(status_title(st));
}

/* Headers that go with some errors. */
static void advise(struct request *r, int http)
{
	char seconds[12];

	if (http == 503 || http == 429) {
		snprintf(seconds, sizeof(seconds), "%u",
			 r->retry_s ? r->retry_s : RETRY_SECONDS);
		reply_header(r, "Retry-After", seconds);
	}
	if (http == 401)
		reply_header(r, "WWW-Authenticate", "Bearer");
}

/* The same for a client of DeepStack, which knows 400 for whatever was wrong
 * with what it sent. */
static json_t *form_problem(struct request *r, enum status st)
{
	int http = r->http_status;

	if (http == 404 || http == 409 || http == 415 || http == 422)
		r->http_status = 400;
	return json_pack("{s:b, s:o, s:s}", "success", 0, "error",
			 detail_json(r, st), "code", status_code(st));
}

static json_t *problem(struct request *r, enum status st)
{
	char type[64];
	json_t *o;

	snprintf(type, sizeof(type), "/errors/%s", status_code(st));
	for (char *c = type; *c; c++)
		if (*c == '_')
			*c = '-';
	o = json_pack("{s:s, s:s, s:i, s:s, s:o, s:s}", "type", type, "title",
		      status_title(st), "status", r->http_status, "code",
		      status_code(st), "detail", detail_json(r, st),
		      "request_id", r->id);
	if (o != NULL && r->err.limit != ERR_NO_NUMBER)
		json_object_set_new(o, "limit", json_integer(r->err.limit));
	if (o != NULL && r->err.found != ERR_NO_NUMBER)
		json_object_set_new(o, "found", json_integer(r->err.found));
	return o;
}

char *reply_problem_text(struct request *r, const char *part, const char **type)
{
	enum status st = r->err.status == ST_OK ? ST_INTERNAL : r->err.status;
	bool form = r->route != NULL && r->route->body == BODY_FORM;
	char *text;
	json_t *o;

	r->problem = st;
	r->http_status = reply_http_status(st);
	*type = form ? "application/json" : "application/problem+json";
	o = form ? form_problem(r, st) : problem(r, st);
	if (o != NULL && part != NULL && part[0] != '\0')
		json_object_set_new(o, "part", json_string(part));
	if (o != NULL && !form)
		add_advice(r, o, st);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

void reply_problem(struct request *r, const char *part)
{
	const char *type;
	char *text;

	if (r->response != NULL)
		return;
	text = reply_problem_text(r, part, &type);
	set_answer(r, r->http_status, text, type);
	advise(r, r->http_status);
}

void reply_error(struct request *r, enum status st, const char *text)
{
	err_clear(&r->err);
	err_set(&r->err, st, "%s", text);
	reply_problem(r, NULL);
}

json_t *reply_text(const char *s)
{
	return s != NULL && s[0] != '\0' ? json_string(s) : json_null();
}
