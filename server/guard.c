#include "guard.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "srv.h"
#include "router.h"

#define URI_BYTES_MAX 4096

enum status guard_uri(const char *uri)
{
	size_t n = 0;

	for (const char *p = uri; *p != '\0'; p++, n++) {
		if (*p == '%') {
			if (!isxdigit((unsigned char)p[1]) ||
			    !isxdigit((unsigned char)p[2]) ||
			    (p[1] == '0' && p[2] == '0'))
				return ST_BAD_REQUEST;
		} else if ((unsigned char)*p <= 0x20 ||
			   (unsigned char)*p >= 0x7f) {
			return ST_BAD_REQUEST;
		}
	}
	return n > URI_BYTES_MAX ? ST_URI_TOO_LONG : ST_OK;
}

struct headers {
	unsigned lengths, encodings, hosts, types, expects, bearers, keys;
	bool chunked, continues, nul;
};

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind,
			    const char *name, size_t name_size,
			    const char *value, size_t value_size)
{
	struct headers *h = ctx;

	(void)kind;
	if (value == NULL)
		value = "";
	if (memchr(name, 0, name_size) || memchr(value, 0, value_size))
		h->nul = true;
	if (strcasecmp(name, "Content-Length") == 0)
		h->lengths++;
	if (strcasecmp(name, "Host") == 0)
		h->hosts++;
	if (strcasecmp(name, "Authorization") == 0)
		h->bearers++;
	if (strcasecmp(name, "X-Api-Key") == 0)
		h->keys++;
	if (strcasecmp(name, "Content-Type") == 0)
		h->types++;
	if (strcasecmp(name, "Transfer-Encoding") == 0) {
		h->encodings++;
		h->chunked = strcasecmp(value, "chunked") == 0;
	}
	if (strcasecmp(name, "Expect") == 0) {
		h->expects++;
		h->continues = strcasecmp(value, "100-continue") == 0;
	}
	return MHD_YES;
}

enum status guard_headers(struct request *r)
{
	struct headers h = { 0 };

	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look, &h);
	if (h.nul)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "a header contains a NUL");
	if (h.lengths > 1)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "Content-Length is given more than once");
	if (h.lengths && h.encodings)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "Content-Length and Transfer-Encoding are both "
			       "given");
	if (h.hosts > 1 || h.types > 1 || h.encodings > 1 || h.expects > 1 ||
	    h.bearers > 1 || h.keys > 1)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "a header is given more than once");
	if (h.encodings && !h.chunked)
		return err_set(&r->err, ST_NOT_IMPLEMENTED,
			       "the only transfer encoding is chunked");
	if (h.expects && !h.continues)
		return err_set(&r->err, ST_EXPECTATION_FAILED,
			       "the only expectation is 100-continue");
	return ST_OK;
}

enum status guard_body(struct request *r)
{
	const char *text = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Length");
	unsigned long long max = request_body_max(r), length = 0;
	bool chunked = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Transfer-Encoding");

	if (text != NULL)
		length = strtoull(text, NULL, 10);
	if (r->route->body == BODY_NONE) {
		if (length > 0 || chunked)
			return err_set(&r->err, ST_BAD_REQUEST,
				       "this route takes no body");
		return ST_OK;
	}
	if (text == NULL && !chunked)
		return err_set(&r->err, ST_LENGTH_REQUIRED,
			       "Content-Length or chunked encoding is needed");
	if (length > max)
		return err_limit(&r->err, ST_BODY_TOO_LARGE, (int64_t)max,
				 length > INT64_MAX ? INT64_MAX
						    : (int64_t)length,
				 "the body has %llu bytes, %llu are allowed",
				 length, max);
	return ST_OK;
}
