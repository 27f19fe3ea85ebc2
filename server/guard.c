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

/* The library of Debian 12 reads a header's value up to a NUL and drops what is
 * behind it, which another program on the way may have seen. It edits the head
 * where it lies: zeros take the place of colons and line ends. So if nothing
 * was dropped, each header begins right behind the end of the one before, and
 * the empty line ends the head. Folded lines, which are obsolete, break that
 * too. Newer versions refuse all this themselves and lie otherwise. */
static bool lies_in_place(void)
{
	return strcmp(MHD_get_version(), "0.9.75") == 0;
}

/* p is where a text ends; returns where the next line begins. */
static const char *next_line(const char *p)
{
	return p[1] == '\0' ? p + 2 : p + 1;
}

struct head {
	const char *at; /* where the next header must begin */
	bool whole;
};

static enum MHD_Result step(void *ctx, enum MHD_ValueKind kind,
			    const char *name, size_t name_size,
			    const char *value, size_t value_size)
{
	struct head *h = ctx;

	(void)kind;
	(void)name_size;
	/* Never looks beyond the head: what is not in its place is not read. */
	if (!h->whole || name != h->at || value == NULL) {
		h->whole = false;
		return MHD_NO;
	}
	h->at = next_line(value + value_size);
	return MHD_YES;
}

/* method, url and version are the texts in the head's first line. The space
 * behind each of the first two has become a NUL; more spaces may stand before
 * the address alone. */
static bool head_is_whole(const struct request *r, const char *method,
			  const char *url, const char *version)
{
	struct head h = { next_line(version + strlen(version)), true };
	const char *end = method + strlen(method) + 1;
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	if (info == NULL || !lies_in_place())
		return true;
	h.whole = end + strspn(end, " ") == url && r->uri_end + 1 == version;
	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, step, &h);
	/* A line end of one byte may have taken one of the empty line's. */
	return h.whole && h.at <= method + info->header_size &&
	       h.at + 2 >= method + info->header_size;
}

struct headers {
	unsigned lengths, encodings, hosts, types, expects, bearers, keys;
	bool chunked, continues, odd_name;
};

static enum MHD_Result look(void *ctx, enum MHD_ValueKind kind,
			    const char *name, size_t name_size,
			    const char *value, size_t value_size)
{
	struct headers *h = ctx;

	(void)kind;
	(void)value_size;
	if (value == NULL)
		value = "";
	/* A name with a space would be another one to whoever drops it. */
	if (strspn(name, "!#$%&'*+-.^_`|~0123456789"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "abcdefghijklmnopqrstuvwxyz") != name_size)
		h->odd_name = true;
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

enum status guard_headers(struct request *r, const char *method,
			  const char *url, const char *version)
{
	struct headers h = { 0 };

	if (!head_is_whole(r, method, url, version))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "a line of the head contains a NUL or is "
			       "folded");
	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look, &h);
	if (h.odd_name)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "a header's name is not valid");
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

enum status guard_address(struct request *r, const char **url)
{
	const char *host, *name;
	size_t n = r->srv->tls ? 8 : 7;

	if (strncasecmp(*url, r->srv->tls ? "https://" : "http://", n) != 0)
		return ST_OK;
	name = *url + n;
	n = strcspn(name, "/");
	host = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
					   "Host");
	/* RFC 9112 takes the address's for right; a client must send the same,
	 * and who is trusted by Host must not get in by another. */
	if (host == NULL || strncasecmp(host, name, n) != 0 || host[n] != '\0')
		return err_set(&r->err, ST_BAD_REQUEST,
			       "the address is of another host than Host");
	*url = name[n] == '/' ? name + n : "/";
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
	/* curl -X POST sends nothing at all where there is no body. */
	if (text == NULL && !chunked && r->route->body != BODY_FORM)
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
