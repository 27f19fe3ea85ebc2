/* The contract of the HTTP API, docs/openapi.json, as GET /openapi.json gives
 * it. */
#ifndef FACEGATE_OPENAPI_H
#define FACEGATE_OPENAPI_H

#include <stddef.h>

extern const unsigned char srv_openapi[];
extern const size_t srv_openapi_bytes;

#endif
