#include "listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum status listen_parse(const char *text, bool keyless,
			 char host[CFG_TEXT_MAX], struct sockaddr_storage *sa,
			 struct errinfo *err)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)sa;
	char bare[CFG_TEXT_MAX];
	bool loopback;
	char *end;
	long port;
	size_t n;

	memset(sa, 0, sizeof(*sa));
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
		loopback = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	} else {
		if (inet_pton(AF_INET, host, &v4->sin_addr) != 1)
			goto bad;
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (keyless && !loopback) {
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
