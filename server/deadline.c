#include "deadline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "engine_setup.h"

#define TICK_MS 100
#define NEVER	UINT64_MAX

struct deadline {
	struct deadlines *table;
	int fd; /* -1: free */
	uint64_t at_us;
};

struct deadlines {
	pthread_mutex_t lock;
	pthread_cond_t stop_wanted;
	pthread_t thread;
	bool stop;
	uint64_t after_us;
	size_t max;
	struct deadline slot[];
};

static void *watch(void *arg)
{
	struct deadlines *d = arg;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		uint64_t now = srv_now_us();
		struct timespec next;

		for (size_t i = 0; i < d->max; i++) {
			struct deadline *c = &d->slot[i];

			/* The library still owns and closes the socket; it
			 * reads an end of file and cleans up by itself. */
			if (c->fd >= 0 && now >= c->at_us) {
				shutdown(c->fd, SHUT_RDWR);
				c->at_us = NEVER;
			}
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

enum status deadline_open(size_t max, uint64_t after_us, struct deadlines **out,
			  struct errinfo *err)
{
	struct deadlines *d = calloc(1, sizeof(*d) + max * sizeof(d->slot[0]));
	pthread_condattr_t attr;
	pthread_attr_t small;
	int failed;

	*out = NULL;
	if (d == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for deadlines");
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
	struct deadline *c = NULL;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->max && c == NULL; i++)
		if (d->slot[i].fd < 0)
			c = &d->slot[i];
	if (c != NULL) {
		c->fd = fd;
		c->at_us = srv_now_us() + d->after_us;
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

void deadline_pause(struct deadline *c)
{
	set(c, NEVER);
}
