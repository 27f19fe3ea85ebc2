/* The queue between the network thread and the workers. Its length is bounded
 * by the upload and form slots: a request without one never gets here. */
#ifndef FACEGATE_WORKER_H
#define FACEGATE_WORKER_H

#include "srv.h"

enum status worker_start_all(struct srv *srv, struct errinfo *err) MUST_CHECK;
/* Ends the threads after the queue has run empty. */
void worker_stop_all(struct srv *srv);

/* Hands a request over. Doors' requests go ahead of all others. False when the
 * workers are leaving: nobody would answer. */
bool worker_dispatch(struct request *r) MUST_CHECK;

/* Takes the memory of all slots, and gives it back. */
enum status worker_open_slots(struct srv *srv, struct errinfo *err) MUST_CHECK;
void worker_close_slots(struct srv *srv);

/* A slot for a new request; NULL when all are taken. */
struct request *worker_take_request(struct srv *srv);
/* One of its two holders lets go; the last one frees it. */
void worker_release(struct request *r);

/* An upload slot for r; false when all are taken, or when those that are left
 * are kept for doors and r is none. */
bool worker_take_upload(struct request *r);
/* Gives it back, if r has one. By the network thread, when no worker has r or
 * the worker is done with it. */
void worker_return_upload(struct request *r);

#endif
