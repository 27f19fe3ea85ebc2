/* What libmicrohttpd lets through and a server must not: ambiguous lengths,
 * NULs, odd encodings. */
#ifndef FACEGATE_GUARD_H
#define FACEGATE_GUARD_H

#include "request.h"

/* Checks the address as it stood on the wire (the library cuts it at a %00):
 * escapes must be whole and not NUL, characters printable. */
enum status guard_uri(const char *uri);

/* Checks the headers; method, url and version as the library hands them over.
 * Failures mean that the connection must be closed. */
enum status guard_headers(struct request *r, const char *method,
			  const char *url, const char *version) MUST_CHECK;

/* Takes scheme and host off an address that has them (the absolute form), so
 * that *url is a path for all that look at it. ST_BAD_REQUEST unless the Host
 * header names the same host. */
enum status guard_address(struct request *r, const char **url) MUST_CHECK;

/* Checks the announced body of a route that takes one, or that there is none.
 */
enum status guard_body(struct request *r) MUST_CHECK;

#endif
