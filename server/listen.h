/* The listen key: where to listen. */
#ifndef FACEGATE_LISTEN_H
#define FACEGATE_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "config.h"

/* Parses address:port or [IPv6 address]:port, numeric. host receives the
 * address part. Without keys it is loopback, whatever was asked for, and a
 * line in the log says so. ST_BAD_CONFIG when text is neither. */
enum status listen_parse(const char *text, bool keyless,
			 char host[CFG_TEXT_MAX], struct sockaddr_storage *sa,
			 struct errinfo *err) MUST_CHECK;

#endif
