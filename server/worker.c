#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "engine_setup.h"
#include "logexport.h"
#include "reply.h"
#include "router.h"

static void push(struct request **first, struct request **last,
		 struct request *r)
{
	r->next = NULL;
	if (*last != NULL)
		(*last)->next = r;
	else
		*first = r;
	*last = r;
}

static struct request *pop(struct request **first, struct request **last)
{
	struct request *r = *first;

	if (r != NULL) {
		*first = r->next;
		if (*first == NULL)
			*last = NULL;
	}
	return r;
}

/* The next request to work on, or NULL; with the queue's lock. Doors go first,
 * but nobody is held behind them for longer than a client may take: that is
 * told, which costs doors next to nothing. */
static struct request *next_request(struct srv *srv)
{
	const uint64_t most_us = (uint64_t)srv->cfg.request_timeout_ms * 1000;
	struct request *r = srv->patient;

	if (srv->urgent == NULL)
		return pop(&srv->patient, &srv->patient_last);
	if (r == NULL || srv_now_us() - r->queued_us < most_us)
		return pop(&srv->urgent, &srv->urgent_last);
	r->overdue = true;
	return pop(&srv->patient, &srv->patient_last);
}

bool worker_dispatch(struct request *r)
{
	struct srv *srv = r->srv;

	pthread_mutex_lock(&srv->queue_lock);
	/* Under the lock of the queue, so that no request enters it after the
	 * last worker has found it empty. */
	if (atomic_load(&srv->stopping)) {
		pthread_mutex_unlock(&srv->queue_lock);
		return false;
	}
	pthread_mutex_lock(&r->lock);
	r->dispatched = true;
	r->holders++;
	pthread_mutex_unlock(&r->lock);
	r->queued_us = srv_now_us();
	if (r->route->urgent)
		push(&srv->urgent, &srv->urgent_last, r);
	else
		push(&srv->patient, &srv->patient_last, r);
	pthread_cond_signal(&srv->queue_filled);
	pthread_mutex_unlock(&srv->queue_lock);
	return true;
}

static void run(struct request *r, unsigned slot)
{
	if (r->export != NULL)
		logexport_fill(r); /* a few rows, whoever waits */
	else if (r->overdue)
		reply_error(r, ST_BUSY,
			    "doors were served first for all of "
			    "request_timeout_ms");
	else
		r->route->run(r, slot);
	/* Whatever of the body is still to come is dropped as it arrives. */
	if (r->upload != NULL)
		upload_abort(r->upload, ST_END);
	pthread_mutex_lock(&r->lock);
	r->done = true;
	if (r->waiting) {
		r->waiting = false;
		MHD_resume_connection(r->connection);
	}
	pthread_mutex_unlock(&r->lock);
	worker_release(r);
}

static void *worker_main(void *arg)
{
	struct srv_worker *w = arg;
	struct srv *srv = w->srv;

	pthread_mutex_lock(&srv->queue_lock);
	for (;;) {
		struct request *r;

		if (w->test_due) {
			w->test_due = false;
			pthread_mutex_unlock(&srv->queue_lock);
			heartbeat_test(w);
			pthread_mutex_lock(&srv->queue_lock);
		}
		r = next_request(srv);
		if (r != NULL) {
			pthread_mutex_unlock(&srv->queue_lock);
			run(r, w->slot);
			pthread_mutex_lock(&srv->queue_lock);
		} else if (atomic_load(&srv->stopping)) {
			break;
		} else if (w->slot == 0 && reembed_is_due(srv)) {
			pthread_mutex_unlock(&srv->queue_lock);
			reembed_step(srv, w->slot);
			pthread_mutex_lock(&srv->queue_lock);
		} else {
			pthread_cond_wait(&srv->queue_filled, &srv->queue_lock);
		}
	}
	pthread_mutex_unlock(&srv->queue_lock);
	return NULL;
}

enum status worker_start_all(struct srv *srv, struct errinfo *err)
{
	pthread_attr_t small;
	bool failed = false;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, SRV_STACK_BYTES);
	for (unsigned i = 0; i < (unsigned)srv->cfg.workers && !failed; i++) {
		struct srv_worker *w = &srv->workers[i];

		w->srv = srv;
		w->slot = i;
		failed = pthread_create(&w->thread, &small, worker_main, w) !=
			 0;
		w->started = !failed;
	}
	pthread_attr_destroy(&small);
	return failed ? err_set(err, ST_NO_MEMORY, "cannot start a worker")
		      : ST_OK;
}

void worker_stop_all(struct srv *srv)
{
	pthread_mutex_lock(&srv->queue_lock);
	atomic_store(&srv->stopping, true);
	pthread_cond_broadcast(&srv->queue_filled);
	pthread_mutex_unlock(&srv->queue_lock);
	for (unsigned i = 0; i < ENGINE_WORKERS_MAX; i++)
		if (srv->workers[i].started)
			pthread_join(srv->workers[i].thread, NULL);
}

struct request *worker_take_request(struct srv *srv)
{
	struct request *r = NULL;

	pthread_mutex_lock(&srv->slots_lock);
	for (size_t i = 0; i < srv->request_count && r == NULL; i++)
		if (!srv->requests[i].used)
			r = &srv->requests[i];
	if (r != NULL) {
		memset(r, 0, sizeof(*r));
		pthread_mutex_init(&r->lock, NULL);
		err_clear(&r->err);
		r->srv = srv;
		r->used = true;
		r->holders = 1;
		atomic_fetch_add(&srv->active, 1);
	}
	pthread_mutex_unlock(&srv->slots_lock);
	return r;
}

/* Where uploads of r's route come from. */
static struct slots *slots_of(struct request *r)
{
	return r->route->body == BODY_FORM ? &r->srv->forms : &r->srv->uploads;
}

void worker_return_upload(struct request *r)
{
	struct srv *srv = r->srv;

	pthread_mutex_lock(&srv->slots_lock);
	if (r->upload != NULL) {
		struct slots *s = slots_of(r);

		s->free[s->left++] = r->upload;
	}
	r->upload = NULL;
	pthread_mutex_unlock(&srv->slots_lock);
}

void worker_release(struct request *r)
{
	struct srv *srv = r->srv;
	bool last;

	pthread_mutex_lock(&r->lock);
	last = --r->holders == 0;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	logexport_end(r);
	pthread_mutex_destroy(&r->lock);
	worker_return_upload(r);
	pthread_mutex_lock(&srv->slots_lock);
	r->used = false;
	atomic_fetch_sub(&srv->active, 1);
	pthread_mutex_unlock(&srv->slots_lock);
}

bool worker_take_upload(struct request *r)
{
	struct srv *srv = r->srv;
	struct slots *s = slots_of(r);
	/* Not for /readyz either: it asks for no key, and a stranger must not
	 * take a door's place. */
	bool door = r->route->urgent && r->route->roles != 0;
	size_t kept = door ? 0 : s->kept;

	pthread_mutex_lock(&srv->slots_lock);
	if (s->left > kept)
		r->upload = s->free[--s->left];
	pthread_mutex_unlock(&srv->slots_lock);
	return r->upload != NULL;
}

static bool open_slots(struct slots *s, size_t count, size_t ring_bytes)
{
	size_t each = align_up(upload_bytes(ring_bytes), 64);

	if (count == 0)
		return true;
	s->free = calloc(count, sizeof(struct upload *));
	s->memory = aligned_alloc(64, each * count);
	if (s->free == NULL || s->memory == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		upload_init(s->memory + i * each, ring_bytes, &s->free[i]);
	s->count = s->left = count;
	return true;
}

/* Written to when they are needed. */
static bool open_crops(struct srv *srv)
{
	for (size_t i = 0; i < srv_crop_slots(&srv->cfg); i++) {
		srv->workers[i].crops = calloc(UPLOAD_PICTURES_MAX,
					       FACE_CROP_BYTES);
		if (srv->workers[i].crops == NULL)
			return false;
	}
	return true;
}

enum status worker_open_slots(struct srv *srv, struct errinfo *err)
{
	const struct config *cfg = &srv->cfg;

	srv->request_count = (size_t)cfg->connections_max +
			     srv_upload_slots(cfg);
	srv->requests = calloc(srv->request_count, sizeof(*srv->requests));
	if (srv->requests == NULL || !open_crops(srv) ||
	    !open_slots(&srv->uploads, srv_upload_slots(cfg),
			UPLOAD_RING_BYTES) ||
	    !open_slots(&srv->forms, srv_form_slots(cfg),
			srv_form_ring_bytes(cfg)))
		return err_set(err, ST_NO_MEMORY, "no memory for requests");
	/* Enough for each worker to find a door behind what it works on. */
	srv->uploads.kept = (size_t)(cfg->workers < cfg->queue_max
					     ? cfg->workers
					     : cfg->queue_max);
	return ST_OK;
}

void worker_close_slots(struct srv *srv)
{
	for (size_t i = 0; i < ENGINE_WORKERS_MAX; i++)
		free(srv->workers[i].crops);
	free(srv->uploads.memory);
	free(srv->uploads.free);
	free(srv->forms.memory);
	free(srv->forms.free);
	free(srv->requests);
}
