/* Asks facegate whether a picture shows a person, with plain sockets, no heap
 * and no library: what a door controller of the ESP32 class does. There the
 * calls are those of lwIP, and the picture is the camera's frame buffer.
 *
 * Usage: verify HOST PORT KEY PERSON DOOR PICTURE.jpg
 * Status: 0 open, 1 stay shut, 2 error, which standard error names. A key "-"
 * sends none.
 *
 * The key and the picture go over the wire as they are: for a network of its
 * own, or with TLS (esp-tls, mbedTLS) around the socket.
 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PICTURE_MAX (512 * 1024)
#define ANSWER_MAX  4096
#define TIMEOUT_S   5 /* no answer opens no door */

static unsigned char picture[PICTURE_MAX];
static char answer[ANSWER_MAX];

static int error(const char *what)
{
	fprintf(stderr, "verify: %s\n", what);
	return 2;
}

static int connect_to(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const struct timeval limit = { .tv_sec = TIMEOUT_S };
	struct addrinfo *found;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -1;
	for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

static int send_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The daemon closes behind its answer, so the answer is what comes until then.
 * Returns the HTTP status, or 0. */
static unsigned receive(int fd)
{
	size_t have = 0;
	unsigned status = 0;
	ssize_t n;

	while ((n = recv(fd, answer + have, ANSWER_MAX - 1 - have, 0)) > 0)
		have += (size_t)n;
	answer[have] = '\0';
	if (n < 0 || sscanf(answer, "HTTP/1.1 %3u", &status) != 1)
		return 0;
	return status;
}

int main(int argc, char **argv)
{
	char head[512];
	size_t size = 0;
	unsigned status = 0;
	const char *body;
	FILE *f;
	int fd, n;

	if (argc != 7)
		return error("HOST PORT KEY PERSON DOOR PICTURE.jpg");
	f = fopen(argv[6], "rb");
	if (f != NULL) {
		size = fread(picture, 1, sizeof(picture), f);
		fclose(f);
	}
	if (size == 0)
		return error("the picture cannot be read");
	if (size == sizeof(picture))
		return error("the picture is larger than PICTURE_MAX");
	n = snprintf(head, sizeof(head),
		     "POST /verify?person_id=%s&door_id=%s HTTP/1.1\r\n"
		     "Host: %s:%s\r\n"
		     "%s%s%s"
		     "Content-Type: image/jpeg\r\n"
		     "Content-Length: %zu\r\n"
		     "Connection: close\r\n\r\n",
		     argv[4], argv[5], argv[1], argv[2],
		     strcmp(argv[3], "-") ? "X-Api-Key: " : "",
		     strcmp(argv[3], "-") ? argv[3] : "",
		     strcmp(argv[3], "-") ? "\r\n" : "", size);
	if (n < 0 || (size_t)n >= sizeof(head))
		return error("an argument is too long");
	fd = connect_to(argv[1], argv[2]);
	if (fd < 0)
		return error("nothing answers there");
	/* A refusal may come before the picture has gone. */
	if (send_all(fd, head, (size_t)n) == 0) {
		(void)send_all(fd, picture, size);
		status = receive(fd);
	}
	close(fd);
	body = strstr(answer, "\r\n\r\n");
	if (status == 0 || body == NULL)
		return error("no whole answer came in time");
	if (status != 200)
		return error(body + 4); /* it has a code, and says why */
	/* No text that somebody else chose comes before the decision. */
	return strstr(body, "\r\n\r\n{\"decision\":\"allow\"") ? 0 : 1;
}
