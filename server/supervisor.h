/* What a service and the supervisor that started it, systemd, tell each other:
 * sockets it has opened, a watchdog it keeps, and how the service is doing
 * (sd_listen_fds(3), sd_watchdog_enabled(3), sd_notify(3)). Without one of them
 * in the environment there is nothing to say, and nothing is.
 *
 * The protocol is three variables and a datagram, and stable. libsystemd would
 * bring liblzma, libzstd, liblz4 and libgcrypt into the process for it.
 *
 * Threads: supervisor_read before there is a second one, the rest by one. */
#ifndef FACEGATE_SUPERVISOR_H
#define FACEGATE_SUPERVISOR_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "status.h"

struct supervisor {
	int listen_fd;	      /* a socket it has opened for us, or -1 */
	uint64_t watchdog_us; /* 0: none; it ends us when we are silent for so
				 long */
	int fd;		      /* our end of what we tell it, or -1 */
	struct sockaddr_un to;
	socklen_t to_bytes;
};

/* Takes the variables out of the environment, which child processes get.
 * ST_BAD_CONFIG for more than one socket or an address that is none. */
enum status supervisor_read(struct supervisor *s,
			    struct errinfo *err) MUST_CHECK;

/* Lines of KEY=value, such as READY=1; never waits. */
void supervisor_tell(const struct supervisor *s, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

#endif
