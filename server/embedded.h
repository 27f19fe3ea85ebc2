/* Files that are part of the program and served as they are: docs/openapi.json
 * and what is in web/. */
#ifndef FACEGATE_EMBEDDED_H
#define FACEGATE_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* "openapi.json", or "console/" and a name of web/ */
	const char *type; /* for Content-Type */
	const char *encoding; /* "gzip", or NULL */
	const char *etag;     /* with its quotes; another one for other bytes */
	const unsigned char *bytes;
	size_t size;
};

/* NULL when there is none of that name. */
const struct embedded *srv_embedded_find(const char *name);

#endif
