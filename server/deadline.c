#include "deadline.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "engine_setup.h"

#define TICK_MS 100
#define NEVER	UINT64_MAX
/* More slots than places: the library may be about to close as many. */
#define SPARE 8

struct deadline {
	struct deadlines *table;
	int fd; /* -1: free */
	bool yields;
	uint64_t at_us;
};

struct deadlines {
	pthread_mutex_t lock;
	pthread_cond_t stop_wanted;
	pthread_t thread;
	bool stop;
	uint64_t after_us;
	size_t places, max;
	struct deadline slot[];
};

/* The library still owns and closes the socket; it reads an end of file and
 * cleans up by itself. */
static void cut(struct deadline *c)
{
	shutdown(c->fd, SHUT_RDWR);
	c->at_us = NEVER;
}

static void *watch(void *arg)
{
	struct deadlines *d = arg;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		uint64_t now = srv_now_us();
		struct timespec next;

		for (size_t i = 0; i < d->max; i++) {
			struct deadline *c = &d->slot[i];

			if (c->fd >= 0 && now >= c->at_us)
				cut(c);
		}
		clock_gettime(CLOCK_MONOTONIC, &next);
		next.tv_nsec += TICK_MS * 1000000L;
		if (next.tv_nsec >= 1000000000L) {
			next.tv_sec++;
			next.tv_nsec -= 1000000000L;
		}
		pthread_cond_timedwait(&d->stop_wanted, &d->lock, &next);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

enum status deadline_open(size_t places, uint64_t after_us,
			  struct deadlines **out, struct errinfo *err)
{
	size_t max = places + SPARE;
	struct deadlines *d = calloc(1, sizeof(*d) + max * sizeof(d->slot[0]));
	pthread_condattr_t attr;
	pthread_attr_t small;
	int failed;

	*out = NULL;
	if (d == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for deadlines");
	d->places = places;
	d->max = max;
	d->after_us = after_us;
	for (size_t i = 0; i < max; i++) {
		d->slot[i].table = d;
		d->slot[i].fd = -1;
	}
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->stop_wanted, &attr);
	pthread_condattr_destroy(&attr);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	failed = pthread_create(&d->thread, &small, watch, d);
	pthread_attr_destroy(&small);
	if (failed) {
		free(d);
		return err_set(err, ST_NO_MEMORY, "cannot start a thread");
	}
	*out = d;
	return ST_OK;
}

void deadline_close(struct deadlines *d)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->stop_wanted);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->stop_wanted);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

struct deadline *deadline_begin(struct deadlines *d, int fd)
{
	struct deadline *c = NULL, *oldest = NULL;
	size_t taken = 1;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->max; i++) {
		struct deadline *s = &d->slot[i];

		if (s->fd < 0) {
			c = s;
			continue;
		}
		taken++;
		if (s->yields && s->at_us != NEVER &&
		    (oldest == NULL || s->at_us < oldest->at_us))
			oldest = s;
	}
	if (taken >= d->places && oldest != NULL)
		cut(oldest);
	if (c != NULL) {
		c->fd = fd;
		c->at_us = srv_now_us() + d->after_us;
		c->yields = true;
	}
	pthread_mutex_unlock(&d->lock);
	return c;
}

static void set(struct deadline *c, uint64_t at_us)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->table->lock);
	c->at_us = at_us;
	pthread_mutex_unlock(&c->table->lock);
}

void deadline_end(struct deadline *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->table->lock);
	c->fd = -1;
	pthread_mutex_unlock(&c->table->lock);
}

void deadline_restart(struct deadline *c)
{
	if (c != NULL)
		set(c, srv_now_us() + c->table->after_us);
}

void deadline_yields(struct deadline *c, bool yields)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->table->lock);
	c->yields = yields;
	pthread_mutex_unlock(&c->table->lock);
}

void deadline_pause(struct deadline *c)
{
	set(c, NEVER);
}
