#include "listen.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static bool is_loopback(const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;

	return sa->ss_family == AF_INET6
		       ? IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)
		       : ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

static enum status parse(const char *text, bool keyless,
			 char host[CFG_TEXT_MAX], struct sockaddr_storage *sa,
			 struct errinfo *err)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)sa;
	char bare[CFG_TEXT_MAX];
	char *end;
	long port;
	size_t n;

	if (colon == NULL)
		goto bad;
	port = strtol(colon + 1, &end, 10);
	n = (size_t)(colon - text);
	if (end == colon + 1 || *end != '\0' || port < 0 || port > 65535)
		goto bad;
	memcpy(host, text, n);
	host[n] = '\0';
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		memcpy(bare, host + 1, n - 2);
		bare[n - 2] = '\0';
		if (inet_pton(AF_INET6, bare, &v6->sin6_addr) != 1)
			goto bad;
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
	} else {
		if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
			goto bad;
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
	}
	if (keyless && !is_loopback(sa)) {
		bool is_v6 = sa->ss_family == AF_INET6;

		if (is_v6)
			v6->sin6_addr = in6addr_loopback;
		else
			v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		log_line(
			LOG_WARN, "no_keys",
			"asked=%s text=\"there is no key, so only this machine "
			"is served: make one with facegate keys add --role "
			"admin, and start again\"",
			host);
		snprintf(host, CFG_TEXT_MAX, "%s",
			 is_v6 ? "[::1]" : "127.0.0.1");
	} else if (keyless) {
		log_line(LOG_INFO, "no_keys",
			 "text=\"there is no key: whoever is on this machine "
			 "may do everything\"");
	}
	return ST_OK;
bad:
	return err_set(err, ST_BAD_CONFIG,
		       "listen: \"%.80s\" is not address:port with a numeric "
		       "address",
		       text);
}

/* A socket that a supervisor has bound and keeps. */
static enum status check_given(int fd, bool keyless, char host[CFG_TEXT_MAX],
			       struct sockaddr_storage *sa, struct errinfo *err)
{
	const struct sockaddr_in *v4 = (const void *)sa;
	const struct sockaddr_in6 *v6 = (const void *)sa;
	socklen_t n = sizeof(*sa), yes_bytes = sizeof(int);
	char bare[INET6_ADDRSTRLEN] = "";
	int yes = 0;

	if (getsockname(fd, (struct sockaddr *)sa, &n) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &yes_bytes) != 0 ||
	    yes == 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		sa->ss_family = AF_UNSPEC;
	if (sa->ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &v6->sin6_addr, bare, sizeof(bare)) != NULL)
		(void)snprintf(host, CFG_TEXT_MAX, "[%s]", bare);
	else if (sa->ss_family != AF_INET ||
		 inet_ntop(AF_INET, &v4->sin_addr, host, CFG_TEXT_MAX) == NULL)
		return err_set(
			err, ST_BAD_CONFIG,
			"LISTEN_FDS: the socket does not listen for TCP");
	if (keyless && !is_loopback(sa))
		return err_set(err, ST_BAD_CONFIG,
			       "LISTEN_FDS: the socket is not loopback's, and "
			       "there is no key: make one with facegate keys "
			       "add --role admin");
	return ST_OK;
}

enum status listen_where(const char *text, int given, bool keyless,
			 char host[CFG_TEXT_MAX], struct sockaddr_storage *sa,
			 struct MHD_OptionItem options[2], struct errinfo *err)
{
	memset(sa, 0, sizeof(*sa));
	options[0] = (struct MHD_OptionItem){ MHD_OPTION_SOCK_ADDR, 0, sa };
	options[1] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	if (given < 0)
		return parse(text, keyless, host, sa, err);
	options[0] = (struct MHD_OptionItem){ MHD_OPTION_LISTEN_SOCKET, given,
					      NULL };
	return check_given(given, keyless, host, sa, err);
}
