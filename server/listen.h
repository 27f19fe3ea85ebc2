/* Where to listen: the listen key, or a socket that was handed over. */
#ifndef FACEGATE_LISTEN_H
#define FACEGATE_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "config.h"

/* Where to listen, as options for libmicrohttpd, which point to *sa: the socket
 * `given` unless that is -1, else what text says, address:port or
 * [IPv6 address]:port, numeric. host receives the address part.
 *
 * Without keys only this machine is served: of text's address the port alone
 * counts then, and a line in the log says so; a given socket must be
 * loopback's. ST_BAD_CONFIG when it is not, or does not listen for TCP, or when
 * text is no address. */
enum status listen_where(const char *text, int given, bool keyless,
			 char host[CFG_TEXT_MAX], struct sockaddr_storage *sa,
			 struct MHD_OptionItem options[2],
			 struct errinfo *err) MUST_CHECK;

#endif
