/* What is kept of a connection between its requests: its deadline, and under
 * TLS the credentials it began with. Network thread alone. */
#ifndef FACEGATE_CONNECTION_H
#define FACEGATE_CONNECTION_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"

struct request;

/* The library's notice of a connection's begin and end; cls is the server. */
void connection_notice(void *cls, struct MHD_Connection *c,
		       void **socket_context,
		       enum MHD_ConnectionNotificationCode what);

/* NULL when there was no memory for one: the connection is being closed. */
struct deadline *connection_deadline(struct MHD_Connection *c);

/* The SHA-256 of the client's certificate; false when it has shown none. */
bool connection_fingerprint(struct MHD_Connection *c, uint8_t out[32]);

/* Answers 413 in the middle of r's body, which is too long, and counts it; the
 * caller has the library drop the connection. */
void connection_end_endless(const struct request *r);

#endif
