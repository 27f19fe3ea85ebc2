/* The HTTP server: everything between sockets and the floors below.
 *
 * Threads: one network thread (libmicrohttpd's), `workers` worker threads each
 * owning the engine slot of its number, and one that watches deadlines. The
 * network thread never computes and never asks the store.
 */
#ifndef FACEGATE_SERVER_H
#define FACEGATE_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "db.h"
#include "engine.h"
#include "status.h"
#include "upload.h"

struct srv; /* opaque outside server/ */
struct supervisor;

/* Starts to listen, on the supervisor's socket if it has given one. The engine,
 * the store and the supervisor stay the caller's and must outlive the server;
 * the gallery must be filled. selftest_score is what the
 * engine's self-test gave, for /readyz to tell. ST_BAD_CONFIG for an address
 * that cannot be used. */
enum status srv_open(const struct config *cfg, struct engine *engine,
		     struct db *db, const struct supervisor *supervisor,
		     float selftest_score, struct srv **out,
		     struct errinfo *err) MUST_CHECK;

/* The port it listens on. */
unsigned srv_port(const struct srv *srv);
/* The address part of the listen key, as given, or of the supervisor's
 * socket. */
const char *srv_host(const struct srv *srv);

/* "http" or "https". */
const char *srv_scheme(const struct srv *srv);

/* To be called every second or so: takes up what has changed in files that are
 * watched, the certificates; `now` reads them whether they changed or not. */
void srv_refresh(struct srv *srv, bool now);

/* Stops accepting, lets requests finish for at most the request timeout, ends
 * all threads and frees everything. NULL is fine. */
void srv_close(struct srv *srv);

/* Bytes the server takes at start beside the engine's, for the budget. */
static inline size_t srv_upload_slots(const struct config *cfg)
{
	return (size_t)(cfg->workers + cfg->queue_max);
}
/* Forms that can arrive at a time, and what each has room for. */
static inline size_t srv_form_slots(const struct config *cfg)
{
	return cfg->deepstack_kib > 0 ? (size_t)cfg->workers : 0;
}
static inline size_t srv_form_ring_bytes(const struct config *cfg)
{
	return (size_t)cfg->deepstack_kib * 1024 + UPLOAD_SLACK_BYTES;
}
/* Workers that hold the crops of an enrolment until it is stored. */
static inline size_t srv_crop_slots(const struct config *cfg)
{
	return cfg->keep_crops ? (size_t)cfg->workers : 0;
}
#define SRV_CONNECTION_BYTES (16 * 1024)
/* What a session of GnuTLS takes beside: 12 KiB were measured, 34 with a whole
 * record on its way. */
#define SRV_TLS_BYTES (40 * 1024)

#endif
