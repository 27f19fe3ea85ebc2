/* Files that are part of the program: docs/openapi.json and what is in web/. */
#ifndef FACEGATE_EMBEDDED_H
#define FACEGATE_EMBEDDED_H

#include <stddef.h>

struct embedded {
	const char *name; /* "openapi.json", or "console/" and a name of web/ */
	const char *type; /* for Content-Type */
	const char *encoding; /* for Content-Encoding: "gzip", or NULL */
	const char *etag;     /* with its quotes; another one for other bytes */
	const unsigned char *bytes;
	size_t size;
};

/* As it is stored, packed; NULL when there is none of that name. */
const struct embedded *srv_embedded_find(const char *name);

/* The contract of the API, unpacked when it is first asked for, into memory
 * that the program has for it. NULL when zlib had no memory to work in (40 KB).
 * From any thread. */
const struct embedded *srv_contract(void);

#endif
