/* libFuzzer entry for whole connections: the real server, with engine and
 * store, behind a pair of sockets. The input is what the client sends before it
 * closes its side; KEY1 in it stands for an admin's key, KEY2 for a door's. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_setup.h"
#include "fuzz.h"
#include "keystore.h"
#include "log.h"
#include "srv.h"
#include "store_setup.h"
#include "supervisor.h"

#define INPUT_BYTES_MAX 16384
#define REQUEST_MAX	(4 * INPUT_BYTES_MAX)
#define ANSWER_MS_MAX	30000 /* more than request_timeout_ms */
#define PEOPLE_MAX	8

/* There with LeakSanitizer alone. What the engine keeps in the memory that it
 * maps for itself is out of its sight, and would be reported. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static struct srv *srv;
static struct db *db;
static char keys[2][KEY_TEXT_CHARS + 1];

static void set(struct config *cfg, const char *name, const char *value)
{
	struct errinfo err;

	err_clear(&err);
	if (cfg_set(cfg, name, value, &err) != ST_OK)
		fprintf(stderr, "%s\n", err.text);
	fuzz_check(err.status == ST_OK);
}

/* Everything as small as the limits allow, so that they are met. */
static void configure(struct config *cfg)
{
	cfg_defaults(cfg);
	set(cfg, "listen", "127.0.0.1:0");
	set(cfg, "data_dir", fuzz_folder());
	set(cfg, "models_dir", FACEGATE_SOURCE_DIR "/models");
	set(cfg, "embedder", "fast");
	set(cfg, "workers", "1");
	set(cfg, "gallery_max", "16");
	set(cfg, "body_max_kib", "16");
	set(cfg, "people_max", "8");
	set(cfg, "doors_max", "2");
	set(cfg, "deepstack_kib", "16");
	set(cfg, "log_max_rows", "100");
	set(cfg, "audit_max_rows", "100");
	set(cfg, "lockout_failures", "1000");
	set(cfg, "lockout_s", "1");
	set(cfg, "request_timeout_ms", "20000");
}

static void start(void)
{
	static const struct supervisor nobody = { .listen_fd = -1, .fd = -1 };
	static struct config cfg;
	static struct srv_store_paths store_paths;
	struct srv_engine_paths engine_paths;
	struct engine_options engine_options;
	struct db_options db_options;
	struct engine *engine = NULL;
	struct errinfo err;

	if (__lsan_disable != NULL)
		__lsan_disable();
	err_clear(&err);
	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_ERROR);
	configure(&cfg);
	srv_engine_options(&cfg, &engine_paths, &engine_options);
	srv_store_options(&cfg, &store_paths, &db_options);
	if (keystore_add(cfg.data_dir, 2, ROLE_ADMIN, KEY_BEARER, "", 0,
			 keys[0], &err) != ST_OK ||
	    keystore_add(cfg.data_dir, 2, ROLE_DOOR, KEY_BEARER, "", 0, keys[1],
			 &err) != ST_OK ||
	    engine_open(&engine_options, &engine, &err) != ST_OK ||
	    db_open(&db_options, &db, &err) != ST_OK ||
	    srv_open(&cfg, engine, db, &nobody, 1.0F, &srv, &err) != ST_OK)
		fprintf(stderr, "%s\n", err.text);
	fuzz_check(err.status == ST_OK);
	if (__lsan_enable != NULL)
		__lsan_enable();
}

/* The next input finds the store as this one did. */
static void forget(void)
{
	static struct db_person people[PEOPLE_MAX];
	static struct db_door doors[2];
	const struct db_by by = { NULL, 0 };
	int64_t key;
	size_t n;

	fuzz_check(db_people_list(db, "", people, PEOPLE_MAX, &n, NULL) ==
		   ST_OK);
	for (size_t i = 0; i < n; i++)
		(void)!db_person_delete(db, people[i].id, &by, &key, NULL);
	fuzz_check(db_doors_list(db, "", doors, 2, &n, NULL) == ST_OK);
	for (size_t i = 0; i < n; i++)
		(void)!db_door_delete(db, doors[i].id, &by, NULL);
}

static size_t insert_keys(const uint8_t *data, size_t size,
			  char out[REQUEST_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < size && n + KEY_TEXT_CHARS < REQUEST_MAX;) {
		bool named = size - i >= 4 && memcmp(data + i, "KEY", 3) == 0 &&
			     (data[i + 3] == '1' || data[i + 3] == '2');

		if (named)
			memcpy(out + n, keys[data[i + 3] - '1'],
			       KEY_TEXT_CHARS);
		else
			out[n] = (char)data[i];
		n += named ? KEY_TEXT_CHARS : 1;
		i += named ? 4 : 1;
	}
	return n;
}

/* Closes the client's side once the server has taken all that was written, or
 * does not want it: an end that comes together with the last bytes is missed by
 * the library of Debian 12, and the connection lasts until its deadline. */
static void end_request(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int left;

	while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0 &&
	       poll(&wait, 1, 0) == 0)
		usleep(20);
	shutdown(fd, SHUT_WR);
}

/* Reads until the server closes its side, as it must; the answer's begin goes
 * to head. The fuzzer's alarm, which limits the time of an input, interrupts a
 * wait now and then. */
static void read_answer(int fd, char *head, size_t cap)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t got = 0;
	char buf[4096];
	ssize_t n;
	int ready;

	do {
		do
			ready = poll(&wait, 1, ANSWER_MS_MAX);
		while (ready < 0 && errno == EINTR);
		fuzz_check(ready == 1);
		n = read(fd, buf, sizeof(buf));
		for (ssize_t i = 0; i < n && got + 1 < cap; i++)
			head[got++] = buf[i];
	} while (n > 0);
	head[got] = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in client = { .sin_family = AF_INET };
	static char request[REQUEST_MAX];
	char head[64];
	int fds[2];
	size_t n;

	if (srv == NULL)
		start();
	if (size > INPUT_BYTES_MAX)
		return 0;
	n = insert_keys(data, size, request);
	client.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) ==
		   0);
	/* All of it fits into the socket, so the order of writing and reading
	 * does not matter. It may be closed already. */
	(void)!write(fds[0], request, n);
	/* fds[1] is the library's from here on. */
	fuzz_check(MHD_add_connection(srv->daemon, fds[1],
				      (struct sockaddr *)&client,
				      sizeof(client)) == MHD_YES);
	end_request(fds[0]);
	read_answer(fds[0], head, sizeof(head));
	close(fds[0]);
	fuzz_check(head[0] == '\0' || strncmp(head, "HTTP/1.", 7) == 0);
	fuzz_check(strncmp(head, "HTTP/1.1 500", 12) != 0);
	forget();
	return 0;
}
