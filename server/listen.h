/* The listen key: where to listen, and a warning when others can reach it. */
#ifndef FACEGATE_LISTEN_H
#define FACEGATE_LISTEN_H

#include <sys/socket.h>

#include "config.h"

/* Parses address:port or [IPv6 address]:port, numeric. host receives the
 * address part as given. ST_BAD_CONFIG when it is neither. */
enum status listen_parse(const char *text, char host[CFG_TEXT_MAX],
			 struct sockaddr_storage *sa,
			 struct errinfo *err) MUST_CHECK;

#endif
