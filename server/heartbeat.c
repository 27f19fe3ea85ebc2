#include "heartbeat.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine_setup.h"
#include "log.h"
#include "selftest.h"
#include "srv.h"
#include "supervisor.h"

#define EVERY_US 15000000

/* For so long a client may hold a worker. */
static uint64_t request_us(const struct srv *srv)
{
	return (uint64_t)srv->cfg.request_timeout_ms * 1000;
}

enum status heartbeat_init(struct srv *srv, struct errinfo *err)
{
	struct heartbeat *h = &srv->heartbeat;
	uint64_t watchdog_us = srv->supervisor->watchdog_us;

	h->knocker = -1;
	if (watchdog_us > 0 && watchdog_us < 2 * request_us(srv))
		return err_set(err, ST_BAD_CONFIG,
			       "request_timeout_ms: a worker may be with a "
			       "client for so long, and the watchdog waits "
			       "for %llu ms: at least twice as long it must be",
			       (unsigned long long)watchdog_us / 1000);
	h->every_us = EVERY_US;
	if (watchdog_us > 0 && watchdog_us / 4 < EVERY_US)
		h->every_us = watchdog_us / 4;
	h->next_us = srv_now_us() + h->every_us;
	return ST_OK;
}

static void leave(struct heartbeat *h)
{
	if (h->knocker >= 0)
		close(h->knocker);
	h->knocker = -1;
}

void heartbeat_end(struct srv *srv)
{
	if (srv->heartbeat.running)
		leave(&srv->heartbeat);
}

/* A pair of sockets, so that neither the address nor a firewall matters, and of
 * no address, so that it has no part in any client's share. When
 * there is no room for it there are connections with requests, or that end by
 * their deadlines, and these stir the network thread as well. */
static void knock(struct srv *srv)
{
	struct heartbeat *h = &srv->heartbeat;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int pair[2];

	h->stirred_before = atomic_load(&h->stirred);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair) != 0)
		return;
	h->knocker = pair[0];
	/* It closes pair[1] in any case. */
	(void)MHD_add_connection(srv->daemon, pair[1],
				 (const struct sockaddr *)(const void *)&from,
				 sizeof(from));
}

static void begin(struct srv *srv, uint64_t now)
{
	struct heartbeat *h = &srv->heartbeat;

	h->running = true;
	h->next_us = now + h->every_us;
	pthread_mutex_lock(&srv->queue_lock);
	h->failed = 0;
	h->missing = (unsigned)srv->cfg.workers;
	for (unsigned i = 0; i < h->missing; i++)
		srv->workers[i].test_due = true;
	pthread_cond_broadcast(&srv->queue_filled);
	pthread_mutex_unlock(&srv->queue_lock);
	knock(srv);
}

static void stopped(struct srv *srv, unsigned missing, unsigned failed,
		    bool stirred)
{
	if (atomic_exchange(&srv->heartbeat.failing, true))
		return;
	log_line(LOG_ERROR, "heart_stopped",
		 "workers_missing=%u workers_failed=%u network=%s", missing,
		 failed, stirred ? "ok" : "silent");
	supervisor_tell(srv->supervisor,
			"STATUS=Self-test: %u workers do not come to it, %u "
			"fail it%s",
			missing, failed,
			stirred ? "" : "; the network thread is silent");
}

static void beat(struct srv *srv)
{
	supervisor_tell(srv->supervisor, "WATCHDOG=1");
	if (!atomic_exchange(&srv->heartbeat.failing, false))
		return;
	log_line(LOG_INFO, "heart_beats", "workers=%d", (int)srv->cfg.workers);
	supervisor_tell(srv->supervisor, "STATUS=Serving again");
}

void heartbeat_turn(struct srv *srv)
{
	struct heartbeat *h = &srv->heartbeat;
	uint64_t now = srv_now_us();
	unsigned missing, failed;
	bool stirred;

	if (!h->running && now < h->next_us)
		return;
	if (!h->running)
		begin(srv, now);
	pthread_mutex_lock(&srv->queue_lock);
	missing = h->missing;
	failed = h->failed;
	pthread_mutex_unlock(&srv->queue_lock);
	stirred = atomic_load(&h->stirred) != h->stirred_before;
	if (missing == 0 && stirred) {
		h->running = false;
		leave(h);
		if (failed == 0)
			beat(srv);
		else
			stopped(srv, missing, failed, stirred);
	} else if (now >= h->next_us + request_us(srv)) {
		stopped(srv, missing, failed, stirred);
	}
}

void heartbeat_test(struct srv_worker *w)
{
	struct srv *srv = w->srv;
	struct errinfo err;
	float score = 0.0f;
	enum status st;

	err_clear(&err);
	st = selftest_run(srv->engine, w->slot, &score, &err);
	if (st != ST_OK)
		log_line(LOG_ERROR, "selftest_failed",
			 "worker=%u code=%s text=\"%s\"", w->slot,
			 status_code(st), err.text);
	pthread_mutex_lock(&srv->queue_lock);
	srv->heartbeat.missing--;
	if (st != ST_OK)
		srv->heartbeat.failed++;
	pthread_mutex_unlock(&srv->queue_lock);
}

void heartbeat_stir(struct srv *srv)
{
	atomic_fetch_add(&srv->heartbeat.stirred, 1);
}
