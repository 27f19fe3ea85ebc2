/* Loads the daemon: each connection posts one body over and over for a while,
 * the next as soon as the answer is there.
 *
 *   bench_load PORT PATH BODY.jpg CONNECTIONS SECONDS
 *
 * Prints one JSON object: answers by status, requests a second, and latency
 * percentiles of the 200s in milliseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define TIMES_MAX	20000

struct client {
	pthread_t thread;
	double ms[TIMES_MAX];
	size_t ok, busy, other, lost;
};

static char *request;
static size_t request_bytes;
static struct sockaddr_in address;
static double end_ms;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int dial(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const void *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One request and its whole answer: the status, or 0 when the connection went.
 * *keep tells whether the server keeps it. */
static int exchange(int fd, bool *keep)
{
	static const char length_key[] = "Content-Length:";
	char buf[8192];
	size_t have = 0, sent = 0;
	int status;

	while (sent < request_bytes) {
		ssize_t n = send(fd, request + sent, request_bytes - sent,
				 MSG_NOSIGNAL);

		if (n <= 0) /* refused early: the answer may be there already */
			break;
		sent += (size_t)n;
	}
	for (;;) {
		ssize_t n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0);
		char *body, *at;

		if (n <= 0)
			return 0;
		have += (size_t)n;
		buf[have] = '\0';
		body = strstr(buf, "\r\n\r\n");
		at = strcasestr(buf, length_key);
		if (body != NULL && at != NULL && at < body &&
		    have >= (size_t)(body + 4 - buf) +
				    strtoul(at + sizeof(length_key) - 1, NULL,
					    10))
			break;
		if (have == sizeof(buf) - 1)
			return 0;
	}
	status = (int)strtol(buf + sizeof("HTTP/1.1 ") - 1, NULL, 10);
	*keep = sent == request_bytes &&
		strcasestr(buf, "Connection: close") == NULL;
	return status;
}

static void *work(void *arg)
{
	struct client *c = arg;
	int fd = -1;

	for (double start = now_ms(); start < end_ms; start = now_ms()) {
		bool keep = false;
		int status = 0;

		if (fd < 0)
			fd = dial();
		if (fd >= 0)
			status = exchange(fd, &keep);
		if (status == 200 && c->ok < TIMES_MAX)
			c->ms[c->ok++] = now_ms() - start;
		else if (status == 503)
			c->busy++;
		else if (status == 0)
			c->lost++;
		else
			c->other++;
		if (status != 200) /* as a polite client would, but shorter */
			usleep(20000);
		if (!keep && fd >= 0) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool prepare(const char *path, const char *file, const char *port)
{
	FILE *f = fopen(file, "rb");
	long size;
	int head;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0)
		return false;
	request = malloc((size_t)size + 1024);
	if (request == NULL)
		return false;
	head = snprintf(request, 1024,
			"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
			"Content-Type: image/jpeg\r\nContent-Length: %ld\r\n"
			"\r\n",
			path, size);
	rewind(f);
	if (head < 0 || head >= 1024 ||
	    fread(request + head, 1, (size_t)size, f) != (size_t)size)
		return false;
	fclose(f);
	request_bytes = (size_t)head + (size_t)size;
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return true;
}

int main(int argc, char **argv)
{
	static struct client clients[CONNECTIONS_MAX];
	static double all[CONNECTIONS_MAX * TIMES_MAX];
	size_t n, ok = 0, busy = 0, other = 0, lost = 0;
	double start = now_ms(), spent;

	if (argc != 6 || !prepare(argv[2], argv[3], argv[1])) {
		fprintf(stderr, "usage: bench_load PORT PATH BODY.jpg "
				"CONNECTIONS SECONDS\n");
		return 2;
	}
	n = strtoul(argv[4], NULL, 10);
	if (n < 1 || n > CONNECTIONS_MAX)
		n = 1;
	end_ms = start + strtod(argv[5], NULL) * 1e3;
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&clients[i].thread, NULL, work,
				   &clients[i]) != 0)
			return 2;
	for (size_t i = 0; i < n; i++) {
		struct client *c = &clients[i];

		pthread_join(c->thread, NULL);
		memcpy(all + ok, c->ms, c->ok * sizeof(*all));
		ok += c->ok;
		busy += c->busy;
		other += c->other;
		lost += c->lost;
	}
	spent = now_ms() - start;
	qsort(all, ok, sizeof(*all), by_value);
	printf("{\"ok\":%zu,\"refused\":%zu,\"other\":%zu,\"lost\":%zu,"
	       "\"qps\":%.2f",
	       ok, busy, other, lost, (double)ok * 1e3 / spent);
	if (ok > 0)
		printf(",\"p50_ms\":%.2f,\"p95_ms\":%.2f,\"p99_ms\":%.2f",
		       all[ok / 2], all[ok * 95 / 100], all[ok * 99 / 100]);
	puts("}");
	free(request);
	return 0;
}
