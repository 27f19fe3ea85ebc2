#include "supervisor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD   3 /* where passed sockets begin */
#define TEXT_BYTES 512

/* A variable is for this process when the one beside it has our number; without
 * that one too, if `bare`. Both are taken away. */
static uint64_t take_number(const char *name, const char *pid_name, bool bare)
{
	const char *text = getenv(name), *pid = getenv(pid_name);
	bool ours = pid != NULL ? strtoll(pid, NULL, 10) == getpid() : bare;
	uint64_t n = text != NULL && ours ? strtoull(text, NULL, 10) : 0;

	unsetenv(name);
	unsetenv(pid_name);
	return n;
}

/* An absolute path, or a name in the abstract namespace behind an "@". */
static enum status take_address(struct supervisor *s, struct errinfo *err)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;

	if (n == 0)
		return ST_OK;
	if ((path[0] != '/' && path[0] != '@') || n >= sizeof(s->to.sun_path))
		return err_set(err, ST_BAD_CONFIG,
			       "NOTIFY_SOCKET: \"%.100s\" is not an address",
			       path);
	s->to.sun_family = AF_UNIX;
	memcpy(s->to.sun_path, path, n);
	if (path[0] == '@')
		s->to.sun_path[0] = '\0';
	s->to_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	unsetenv("NOTIFY_SOCKET");
	/* Opened now: later there may be no descriptor left. */
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return s->fd >= 0 ? ST_OK
			  : err_set(err, ST_IO_ERROR, "NOTIFY_SOCKET: %s",
				    strerror(errno));
}

enum status supervisor_read(struct supervisor *s, struct errinfo *err)
{
	uint64_t sockets = take_number("LISTEN_FDS", "LISTEN_PID", false);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->listen_fd = sockets == 0 ? -1 : FIRST_FD;
	unsetenv("LISTEN_FDNAMES");
	s->watchdog_us = take_number("WATCHDOG_USEC", "WATCHDOG_PID", true);
	if (sockets > 1)
		return err_set(err, ST_BAD_CONFIG,
			       "LISTEN_FDS: one socket can be used, not %llu",
			       (unsigned long long)sockets);
	return take_address(s, err);
}

void supervisor_tell(const struct supervisor *s, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list args;
	int n;

	if (s->fd < 0)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	/* A lost line does no harm: the watchdog's is sent again and again, and
	 * a supervisor that has gone needs none. */
	if (n > 0)
		(void)sendto(s->fd, text, (size_t)n,
			     MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)(const void *)&s->to,
			     s->to_bytes);
}
