/* facegate health: asks the daemon at the configured address whether it is
 * ready, for container health checks and scripts. No memory, no threads. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli.h"

#define TIMEOUT_S 3

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Reads address:port or [address]:port. A daemon that listens everywhere is
 * asked on loopback. */
static enum status parse_listen(const char *listen, union address *out,
				socklen_t *length, struct errinfo *err)
{
	const char *colon = strrchr(listen, ':');
	char host[INET6_ADDRSTRLEN] = "";
	char *end = NULL;
	unsigned long port = 0;
	size_t n = 0;

	if (colon != NULL) {
		n = (size_t)(colon - listen);
		port = strtoul(colon + 1, &end, 10);
	}
	if (n >= 2 && listen[0] == '[' && listen[n - 1] == ']') {
		listen++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host) || *end != '\0' || port < 1 ||
	    port > UINT16_MAX)
		return err_set(err, ST_BAD_CONFIG,
			       "listen: needs an address and a port that is "
			       "not 0 to be asked at");
	memcpy(host, listen, n);
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)port);
		if (out->v4.sin_addr.s_addr == htonl(INADDR_ANY))
			out->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*length = sizeof(out->v4);
		return ST_OK;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		if (IN6_IS_ADDR_UNSPECIFIED(&out->v6.sin6_addr))
			out->v6.sin6_addr = in6addr_loopback;
		*length = sizeof(out->v6);
		return ST_OK;
	}
	return err_set(err, ST_BAD_CONFIG, "listen: %.60s is not an address",
		       host);
}

/* Sends the request and reads the status line. */
static enum status ask(int fd, unsigned *http, struct errinfo *err)
{
	static const char request[] = "GET /readyz HTTP/1.1\r\n"
				      "Host: localhost\r\n"
				      "Connection: close\r\n\r\n";
	char line[64];
	size_t have = 0;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(request) - 1)
		return err_set(err, ST_IO_ERROR, "cannot ask: %s",
			       strerror(errno));
	while (have < strlen("HTTP/1.1 200")) {
		ssize_t n = recv(fd, line + have, sizeof(line) - 1 - have, 0);

		if (n <= 0)
			return err_set(err, ST_IO_ERROR, "no answer: %s",
				       n < 0 ? strerror(errno) : "closed");
		have += (size_t)n;
	}
	line[have] = '\0';
	if (sscanf(line, "HTTP/1.%*1[01] %3u", http) != 1)
		return err_set(err, ST_IO_ERROR, "the answer is not HTTP");
	return ST_OK;
}

int cli_health(const struct cli *cli)
{
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	union address address;
	socklen_t length = 0;
	struct errinfo err;
	unsigned http = 0;
	int fd = -1;
	enum status st;

	err_clear(&err);
	st = parse_listen(cli->cfg.listen, &address, &length, &err);
	if (st != ST_OK)
		goto done;
	fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, &address.any, length) != 0) {
		st = err_set(&err, ST_IO_ERROR, "cannot connect to %.60s: %s",
			     cli->cfg.listen, strerror(errno));
		goto done;
	}
	st = ask(fd, &http, &err);
done:
	if (fd >= 0)
		close(fd);
	if (st != ST_OK)
		return cli_fail(&err, NULL);
	if (cli->json)
		cli_print_json(json_pack("{s:b, s:i}", "ready", http == 200,
					 "http_status", (int)http));
	else
		printf("%s\n", http == 200 ? "ready" : "not ready");
	return http == 200 ? EXIT_MATCH : EXIT_NO_MATCH;
}
