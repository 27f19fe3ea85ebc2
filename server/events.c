#include "events.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine_setup.h"
#include "eventchild.h"
#include "jsonvalue.h"
#include "log.h"
#include "logexport.h"
#include "reply.h"
#include "secret.h"

#define STACK_BYTES   (128 * 1024)
#define LINE_BYTES    2560 /* a decision has under 2,000 */
#define DRAIN_US      2000000
#define STOP_MS	      500
#define SPARE_US      2000000 /* beyond event_timeout_ms: the child hangs */
#define BACKOFF_US    500000
#define CLOCK_BACK_MS 1000
#define NEVER	      UINT64_MAX

struct sink {
	const char *name, *program;
	struct eventchild child;
	bool ready;	   /* the child takes decisions */
	int64_t at, kept;  /* the last row done with; the same on disk */
	int64_t flying;	   /* the row that the child has, 0 for none */
	uint64_t hangs_us; /* the child has answered by then, or hangs */
	uint64_t retry_us; /* nothing is tried before */
	unsigned failures; /* in a row */
	atomic_bool up;
	atomic_uint_fast64_t n[EVENTS_KINDS];
};

struct events {
	const struct config *cfg;
	struct db *db;
	struct sink sinks[EVENTS_SINKS];
	size_t count;
	int wake; /* eventfd */
	atomic_bool stop;
	pthread_t thread;
};

/* Twice as long each time, at most half of event_ttl_s: so every decision is
 * tried. The half that is left to chance keeps many doors from coming back at
 * the same moment. */
static void back_off(struct events *e, struct sink *s)
{
	uint64_t most = (uint64_t)e->cfg->event_ttl_s * 500000;
	uint64_t wait = (uint64_t)BACKOFF_US
			<< (s->failures < 10 ? s->failures : 10);
	uint32_t chance = 0;

	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = 0;
	wait = wait < most ? wait : most;
	s->retry_us = srv_now_us() + wait / 2 + wait / 2 * chance / UINT32_MAX;
}

/* An attempt failed, or the child ended of itself. */
static void failed(struct events *e, struct sink *s, const char *why)
{
	if (s->hangs_us != NEVER)
		atomic_fetch_add(&s->n[EVENTS_FAILED], 1);
	atomic_store(&s->up, false);
	if (s->failures == 0)
		log_line(LOG_WARN, "event_failed", "sink=%s reason=\"%s\"",
			 s->name, why);
	back_off(e, s);
	s->failures++;
	s->flying = 0;
	s->hangs_us = NEVER;
}

static void stop_child(struct sink *s, unsigned grace_ms)
{
	eventchild_stop(&s->child, grace_ms);
	s->ready = false;
	s->flying = 0;
	s->hangs_us = NEVER;
}

static void await(struct events *e, struct sink *s)
{
	s->hangs_us = srv_now_us() + (uint64_t)e->cfg->event_timeout_ms * 1000 +
		      SPARE_US;
}

static void start_child(struct events *e, struct sink *s)
{
	struct errinfo err;

	err_clear(&err);
	if (eventchild_start(&s->child, s->program, e->cfg, &err) == ST_OK)
		await(e, s);
	else
		failed(e, s, err.text);
}

static void answered(struct events *e, struct sink *s,
		     enum eventchild_answer what, int64_t number)
{
	switch (what) {
	case EVENTCHILD_READY:
		s->ready = true;
		s->hangs_us = NEVER;
		atomic_store(&s->up, true);
		return;
	case EVENTCHILD_SENT:
		if (number != s->flying || number == 0)
			break;
		if (s->failures > 0)
			log_line(LOG_INFO, "event_sent", "sink=%s", s->name);
		atomic_fetch_add(&s->n[EVENTS_SENT], 1);
		atomic_store(&s->up, true);
		s->failures = 0;
		s->at = s->flying;
		s->flying = 0;
		s->hangs_us = NEVER;
		return;
	case EVENTCHILD_FAILED:
		failed(e, s, s->child.line);
		return;
	default:
		break;
	}
	failed(e, s, s->child.line);
	stop_child(s, 0);
}

static void read_child(struct events *e, struct sink *s)
{
	while (s->child.pid != 0) {
		int64_t number = 0;
		enum eventchild_answer what = eventchild_read(&s->child,
							      &number);

		if (what == EVENTCHILD_NOTHING)
			return;
		answered(e, s, what, number);
	}
}

/* A decision from the future was made before the clock was set back; nobody
 * knows how old it is. */
static bool too_old(const struct events *e, const struct match_event *ev)
{
	int64_t now = srv_wall_ms();

	return now >= ev->at_ms + e->cfg->event_ttl_s * 1000 ||
	       now < ev->at_ms - CLOCK_BACK_MS;
}

/* The row as the log tells it, without what measures the machine and what
 * would help to guess a face. */
static json_t *event_json(struct events *e, const struct match_event *ev)
{
	json_t *o = json_pack(
		"{s:s, s:I, s:o}", "type", "decision", "seq",
		(json_int_t)ev->id, "expires_at",
		jsonvalue_time(ev->at_ms + e->cfg->event_ttl_s * 1000));
	struct db_person person;
	const char *name = NULL;

	json_object_update_new(o, logexport_row(ev));
	json_object_del(o, "score");
	json_object_del(o, "threshold");
	json_object_del(o, "ms");
	json_object_del(o, "pool_peak_bytes");
	if (ev->person_id[0] != '\0' &&
	    db_person_get(e->db, ev->person_id, &person, NULL) == ST_OK)
		name = person.name;
	json_object_set_new(o, "name", reply_text(name));
	return o;
}

static void send_row(struct events *e, struct sink *s,
		     const struct match_event *ev)
{
	char line[LINE_BYTES];
	json_t *o = event_json(e, ev);
	int head = snprintf(line, sizeof(line), "%lld %lld %s ",
			    (long long)ev->id,
			    (long long)(ev->at_ms + e->cfg->event_ttl_s * 1000),
			    ev->door_id[0] ? ev->door_id : "/");
	size_t room = sizeof(line) - (size_t)head - 1;
	size_t n = json_dumpb(o, line + head, room, JSON_COMPACT);

	json_decref(o);
	if (n == 0 || n > room) { /* no memory: later */
		failed(e, s, "no memory");
		return;
	}
	line[(size_t)head + n] = '\n';
	if (!eventchild_send(&s->child, line, (size_t)head + n + 1)) {
		failed(e, s, "the sender takes nothing");
		stop_child(s, 0);
		return;
	}
	s->flying = ev->id;
	await(e, s);
}

static void count_waiting(struct sink *s, int64_t newest)
{
	atomic_store(&s->n[EVENTS_WAITING],
		     newest > s->at ? (uint64_t)(newest - s->at) : 0);
}

/* Skips what is too old or too much, and sends the next row if the child can
 * take it. Each turn of the loop is done with a row. */
static enum status advance(struct events *e, struct sink *s)
{
	struct log_filter f = { .rising = true, .min_score = (double)NAN };
	struct match_event ev;
	int64_t newest;
	enum status st = db_log_newest(e->db, &newest, NULL);
	size_t n = 1;

	while (st == ST_OK && s->flying == 0 && n > 0) {
		int64_t first = newest - e->cfg->events_max;

		f.after_id = s->at > first ? s->at : first;
		st = db_log_list(e->db, &f, &ev, 1, &n, NULL);
		if (st != ST_OK || n == 0)
			break;
		/* Rows between were beyond events_max, or have left the log. */
		atomic_fetch_add(&s->n[EVENTS_DROPPED],
				 (uint64_t)(ev.id - s->at - 1));
		s->at = ev.id - 1;
		if (!too_old(e, &ev)) {
			if (s->ready && srv_now_us() >= s->retry_us)
				send_row(e, s, &ev);
			break;
		}
		atomic_fetch_add(&s->n[EVENTS_EXPIRED], 1);
		s->at = ev.id;
	}
	count_waiting(s, newest);
	return st;
}

static void keep_place(struct events *e, struct sink *s)
{
	if (s->at != s->kept &&
	    db_sink_put(e->db, s->name, s->at, NULL) == ST_OK)
		s->kept = s->at;
}

static void step(struct events *e, struct sink *s)
{
	uint64_t now = srv_now_us();

	read_child(e, s);
	if (s->child.pid != 0 && now >= s->hangs_us) {
		failed(e, s, "no answer in time");
		stop_child(s, 0);
	}
	if (s->child.pid == 0 && now >= s->retry_us)
		start_child(e, s);
	/* When the store cannot be read now, the next turn tries again. */
	if (advance(e, s) == ST_OK)
		keep_place(e, s);
}

/* How long nothing needs to be done, if nothing comes in. */
static int idle_ms(const struct events *e)
{
	uint64_t now = srv_now_us(), next = now + 1000000;

	for (size_t i = 0; i < e->count; i++) {
		const struct sink *s = &e->sinks[i];
		uint64_t retry = s->flying == 0 && s->retry_us > now
					 ? s->retry_us
					 : NEVER;

		next = retry < next ? retry : next;
		next = s->hangs_us < next ? s->hangs_us : next;
	}
	return next > now ? (int)((next - now) / 1000) + 1 : 0;
}

static bool something_waits(struct events *e)
{
	for (size_t i = 0; i < e->count; i++)
		if (atomic_load(&e->sinks[i].n[EVENTS_WAITING]) > 0)
			return true;
	return false;
}

static void *run(void *arg)
{
	struct events *e = arg;
	uint64_t until = NEVER, woken;

	for (;;) {
		struct pollfd fds[3] = { { .fd = e->wake, .events = POLLIN } };

		for (size_t i = 0; i < e->count; i++) {
			step(e, &e->sinks[i]);
			fds[i + 1].fd = e->sinks[i].child.out;
			fds[i + 1].events = POLLIN;
		}
		if (atomic_load(&e->stop) && until == NEVER)
			until = srv_now_us() + DRAIN_US;
		if (srv_now_us() >= until ||
		    (until != NEVER && !something_waits(e)))
			break;
		(void)poll(fds, e->count + 1, idle_ms(e));
		while (read(e->wake, &woken, sizeof(woken)) > 0)
			;
	}
	for (size_t i = 0; i < e->count; i++)
		stop_child(&e->sinks[i], STOP_MS);
	return NULL;
}

static enum status add_sink(struct events *e, const char *name,
			    const char *program, struct errinfo *err)
{
	struct sink *s = &e->sinks[e->count++];
	int64_t newest = 0;
	bool found = false;
	enum status st = db_sink_get(e->db, name, &s->at, &found, err);

	s->name = name;
	s->program = program;
	s->child.in = s->child.out = -1;
	s->hangs_us = NEVER;
	if (st == ST_OK)
		st = db_log_newest(e->db, &newest, err);
	/* A new receiver hears of what is decided from now on. */
	if (st == ST_OK && !found) {
		s->at = newest;
		st = db_sink_put(e->db, name, newest, err);
	}
	s->kept = s->at;
	count_waiting(s, newest);
	return st;
}

static enum status check_secrets(const struct config *cfg, struct errinfo *err)
{
	char text[SECRET_MAX + 1] = "";
	enum status st = ST_OK;

	if (cfg->webhook_secret_file[0] != '\0')
		st = secret_read("webhook_secret_file",
				 cfg->webhook_secret_file, text, err);
	if (st == ST_OK && cfg->mqtt_password_file[0] != '\0')
		st = secret_read("mqtt_password_file", cfg->mqtt_password_file,
				 text, err);
	explicit_bzero(text, sizeof(text));
	return st;
}

static enum status start_thread(struct events *e, struct errinfo *err)
{
	pthread_attr_t small;
	int failure;

	e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->wake < 0)
		return err_set(err, ST_NO_MEMORY, "no eventfd for events");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	failure = pthread_create(&e->thread, &small, run, e);
	pthread_attr_destroy(&small);
	if (failure != 0) {
		close(e->wake);
		return err_set(err, ST_NO_MEMORY, "no thread for events");
	}
	return ST_OK;
}

enum status events_open(const struct config *cfg, struct db *db,
			struct events **out, struct errinfo *err)
{
	struct events *e;
	enum status st = check_secrets(cfg, err);

	*out = NULL;
	if (st != ST_OK ||
	    (cfg->webhook_url[0] == '\0' && cfg->mqtt_host[0] == '\0'))
		return st;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for events");
	e->cfg = cfg;
	e->db = db;
	if (cfg->webhook_url[0] != '\0')
		st = add_sink(e, "webhook", "facegate-webhook", err);
	if (st == ST_OK && cfg->mqtt_host[0] != '\0')
		st = add_sink(e, "mqtt", "facegate-mqtt", err);
	if (st == ST_OK)
		st = start_thread(e, err);
	if (st != ST_OK) {
		free(e);
		return st;
	}
	*out = e;
	return ST_OK;
}

void events_wake(struct events *e)
{
	const uint64_t one = 1;

	/* Full means that a wake-up is due anyway. */
	if (e != NULL && write(e->wake, &one, sizeof(one)) < 0)
		return;
}

void events_close(struct events *e)
{
	if (e == NULL)
		return;
	atomic_store(&e->stop, true);
	events_wake(e);
	pthread_join(e->thread, NULL);
	close(e->wake);
	free(e);
}

size_t events_count(struct events *e, struct events_count out[EVENTS_SINKS])
{
	size_t n = e == NULL ? 0 : e->count;

	for (size_t i = 0; i < n; i++) {
		struct sink *s = &e->sinks[i];

		out[i].sink = s->name;
		out[i].up = atomic_load(&s->up);
		for (int k = 0; k < EVENTS_KINDS; k++)
			out[i].n[k] = atomic_load(&s->n[k]);
	}
	return n;
}
