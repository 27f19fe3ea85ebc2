/* The daemon's sockets: libmicrohttpd with every limit set, and the life of a
 * request on its thread. */
#include "server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "engine_setup.h"
#include "enrolment.h"
#include "guard.h"
#include "listen.h"
#include "mimehead.h"
#include "srv.h"
#include "reply.h"
#include "router.h"
#include "tls.h"
#include "worker.h"

/* Room came back in an upload's ring. */
static void on_drained(void *ctx)
{
	struct request *r = ctx;

	MHD_resume_connection(r->connection);
}

static bool sane_request_id(const char *id)
{
	size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n >= 1 && n <= REQUEST_ID_MAX && id[n] == '\0';
}

static void name_request(struct request *r)
{
	const char *given = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "X-Request-Id");

	if (given != NULL && sane_request_id(given))
		snprintf(r->id, sizeof(r->id), "%s", given);
	else
		snprintf(r->id, sizeof(r->id), "%08x-%08x", r->srv->id_salt,
			 atomic_fetch_add(&r->srv->made, 1));
}

static enum MHD_Result send_answer(struct request *r)
{
	enum MHD_Result ok = MHD_NO;

	deadline_restart(connection_deadline(r->connection));
	/* Before the answer leaves: a client that has it may ask again at
	 * once, and must not be told that its own request is in the way. */
	worker_return_upload(r);
	if (r->response != NULL) {
		counters_count(&r->srv->counters, r);
		ok = MHD_queue_response(r->connection, (unsigned)r->http_status,
					r->response);
		MHD_destroy_response(r->response);
		r->response = NULL;
	}
	return ok;
}

/* Answers before the body was read; the connection ends with it, so that
 * nothing of the body can be taken for a request. */
static enum MHD_Result refuse(struct request *r)
{
	reply_problem(r, NULL);
	reply_header(r, "Connection", "close");
	if (r->allow[0] != '\0')
		reply_header(r, "Allow", r->allow);
	return send_answer(r);
}

static enum MHD_Result add_query(void *ctx, enum MHD_ValueKind kind,
				 const char *name, const char *value)
{
	struct request *r = ctx;

	(void)kind;
	return upload_add_param(r->upload, name, value ? value : "", &r->err) ==
			       ST_OK
		       ? MHD_YES
		       : MHD_NO;
}

static enum status expect_document(struct request *r)
{
	const char *type = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Type");
	const char *again = type;

	if (type == NULL ||
	    (!mime_word_is(&type, "application/json") &&
	     !mime_word_is(&again, "application/merge-patch+json")))
		return err_set(&r->err, ST_NOT_JSON,
			       "this route takes application/json");
	upload_expect_document(r->upload);
	return ST_OK;
}

static enum status begin_upload(struct request *r)
{
	const struct config *cfg = &r->srv->cfg;
	const char *type = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Content-Type");
	enum status st;

	if (!worker_take_upload(r)) {
		/* A rush is no illness: what needs no key, /readyz, is answered
		 * here then. */
		if (r->route->roles == 0)
			return request_no_params(r);
		return err_set(&r->err, ST_BUSY,
			       "all workers are busy and the queue is full");
	}
	st = upload_begin(
		r->upload, r->route->body == BODY_PICTURES ? type : NULL,
		request_body_max(r),
		r->start_us + (uint64_t)cfg->request_timeout_ms * 1000,
		on_drained, r, &r->err);
	if (st == ST_OK && r->route->body == BODY_DOCUMENT)
		st = expect_document(r);
	if (st == ST_OK && r->route->body == BODY_FORM)
		st = upload_expect_form(r->upload, type, &r->err);
	upload_expect_params(r->upload, r->route->params);
	if (st == ST_OK)
		MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND,
					  add_query, r);
	/* What DeepStack's clients put into a form beside is ignored. */
	if (r->route->body == BODY_FORM)
		upload_expect_params(r->upload, NULL);
	return r->err.status;
}

static void read_accept(struct request *r)
{
	const char *accept = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "Accept");
	double json, lines, csv;

	if (accept == NULL)
		return;
	json = mime_accepts(accept, "application/json");
	lines = mime_accepts(accept, "application/x-ndjson");
	csv = mime_accepts(accept, "text/csv");
	if (csv > json && csv >= lines)
		r->accept = ACCEPT_CSV;
	else if (lines > json)
		r->accept = ACCEPT_NDJSON;
}

/* What a change takes for granted. Copied, since a worker looks at it: the
 * connection may be gone by then. */
static void read_preconditions(struct request *r)
{
	const char *tags = MHD_lookup_connection_value(
		r->connection, MHD_HEADER_KIND, "If-Match");

	(void)snprintf(r->if_match, sizeof(r->if_match), "%s",
		       tags ? tags : "");
	tags = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
					   "If-None-Match");
	r->if_absent = tags != NULL && strcmp(tags, "*") == 0;
}

static enum MHD_Result on_headers(struct request *r, const char *method,
				  const char *url, const char *version)
{
	r->started = true;
	r->method = method;
	r->start_us = srv_now_us();
	name_request(r);
	read_accept(r);
	read_preconditions(r);
	if (atomic_load(&r->srv->draining))
		err_set(&r->err, ST_NOT_READY, "the daemon is stopping");
	else if (r->uri_status != ST_OK)
		err_set(&r->err, r->uri_status, "the address is not valid");
	if (r->err.status != ST_OK ||
	    guard_headers(r, method, url, version) != ST_OK ||
	    guard_address(r, &url) != ST_OK ||
	    router_find(r, method, url) != ST_OK ||
	    auth_check(r->srv->auth, r) != ST_OK || guard_body(r) != ST_OK)
		return refuse(r);
	/* Whose key is right keeps the place until the answer has left. */
	if (r->role != 0)
		deadline_yields(connection_deadline(r->connection), false);
	if (r->route->on_worker)
		return begin_upload(r) == ST_OK ? MHD_YES : refuse(r);
	return request_no_params(r) == ST_OK ? MHD_YES : refuse(r);
}

static enum MHD_Result on_body(struct request *r, const char *data,
			       size_t *size)
{
	size_t n = upload_feed(r->upload, data, *size);

	if (r->is_signed)
		sha256_update(&r->hash, n, (const uint8_t *)data);
	*size -= n;
	/* Counted here too: an upload that has failed drops what comes. */
	r->body_bytes += n;
	if (r->body_bytes > request_body_max(r)) {
		connection_end_endless(r);
		return MHD_NO;
	}
	/* A worker is lent only to a client that has sent a ring full, or all:
	 * a slow one waits in its own slot. */
	if (*size > 0) {
		assert(!r->key_due); /* its ring has room for all of it */
		if (!r->dispatched && !worker_dispatch(r))
			return MHD_NO;
		MHD_suspend_connection(r->connection);
		if (!upload_want_room(r->upload))
			MHD_resume_connection(r->connection);
	}
	return MHD_YES;
}

/* The body is there. What brings its key in the body gets no further without
 * a right one. */
static enum status dispatch_whole(struct request *r)
{
	enum status st = auth_body(r);

	r->body_ended = true;
	if (st == ST_OK)
		upload_finish(r->upload);
	else
		upload_abort(r->upload, st);
	/* A worker that has begun finds out by itself. */
	if (st != ST_OK && r->dispatched)
		return ST_OK;
	if (r->key_due) {
		st = upload_error(r->upload, &r->err);
		if (st == ST_OK)
			st = auth_form(r->srv->auth, r,
				       upload_param(r->upload, "api_key"));
	}
	if (st == ST_OK && !r->dispatched && !worker_dispatch(r))
		st = err_set(&r->err, ST_NOT_READY, "the daemon is stopping");
	return st;
}

static enum MHD_Result on_end(struct request *r)
{
	bool done;

	if (r->upload == NULL) {
		if (auth_body(r) != ST_OK)
			return refuse(r);
		r->route->run(r, 0);
		return send_answer(r);
	}
	deadline_pause(connection_deadline(r->connection));
	if (!r->body_ended && dispatch_whole(r) != ST_OK)
		return refuse(r);
	pthread_mutex_lock(&r->lock);
	done = r->done;
	if (!done) {
		/* Under the lock, so that the worker's resume comes after. */
		r->waiting = true;
		MHD_suspend_connection(r->connection);
	}
	pthread_mutex_unlock(&r->lock);
	return done ? send_answer(r) : MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection,
				 const char *url, const char *method,
				 const char *version, const char *upload_data,
				 size_t *upload_data_size, void **con_cls)
{
	struct request *r = *con_cls;

	(void)cls;
	if (r == NULL)
		return MHD_NO; /* no request slot was free */
	r->connection = connection;
	if (!r->started)
		return on_headers(r, method, url, version);
	if (*upload_data_size > 0) {
		if (r->upload == NULL) {
			*upload_data_size = 0;
			return MHD_YES;
		}
		return on_body(r, upload_data, upload_data_size);
	}
	return on_end(r);
}

/* Called first, with the address as it came: makes the request. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct request *r = worker_take_request(cls);

	heartbeat_stir(cls);
	/* A kept connection may have been idle for long before this line. */
	deadline_restart(connection_deadline(c));
	if (r != NULL) {
		r->connection = c;
		r->uri_status = guard_uri(uri);
		r->uri_end = uri + strlen(uri);
		sha256_init(&r->hash);
		sha256_update(&r->hash, strlen(uri), (const uint8_t *)uri);
	}
	return r;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **con_cls,
			 enum MHD_RequestTerminationCode why)
{
	struct request *r = *con_cls;

	(void)why;
	heartbeat_stir(cls);
	deadline_restart(connection_deadline(c));
	deadline_yields(connection_deadline(c), true);
	if (r == NULL)
		return;
	*con_cls = NULL;
	if (r->upload != NULL && !r->body_ended)
		upload_abort(r->upload, ST_CLIENT_GONE);
	worker_release(r);
}

static enum status listen_now(struct srv *srv, struct errinfo *err)
{
	const struct config *cfg = &srv->cfg;
	struct sockaddr_storage sa;
	struct MHD_OptionItem where[2];
	const union MHD_DaemonInfo *info;
	enum status st = listen_where(cfg->listen, srv->supervisor->listen_fd,
				      auth_keyless(srv->auth), srv->host, &sa,
				      where, err);
	unsigned v6 = sa.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;

	if (st != ST_OK)
		return st;
	srv->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | v6 |
			tls_flags(srv->tls),
		0, NULL, NULL, on_access, srv, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)cfg->connections_max,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)(cfg->connections_per_ip
				   ? cfg->connections_per_ip
				   : cfg->connections_max * 3 / 4),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)SRV_CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(cfg->request_timeout_ms / 1000 + 1),
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)SRV_STACK_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
		srv, MHD_OPTION_NOTIFY_COMPLETED, on_completed, srv,
		MHD_OPTION_NOTIFY_CONNECTION, connection_notice, srv,
		MHD_OPTION_ARRAY, where, MHD_OPTION_ARRAY,
		tls_options(srv->tls), MHD_OPTION_END);
	if (srv->daemon == NULL)
		return err_set(err, ST_IO_ERROR,
			       "cannot listen on %.80s: in use, or not an "
			       "address of this machine",
			       cfg->listen);
	info = MHD_get_daemon_info(srv->daemon, MHD_DAEMON_INFO_BIND_PORT);
	srv->port = info ? info->port : 0;
	return ST_OK;
}

enum status srv_open(const struct config *cfg, struct engine *engine,
		     struct db *db, const struct supervisor *supervisor,
		     float selftest_score, struct srv **out,
		     struct errinfo *err)
{
	struct srv *srv = calloc(1, sizeof(*srv));
	struct db_condition how;
	enum status st;

	*out = NULL;
	if (srv == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory for the server");
	srv->cfg = *cfg;
	srv->engine = engine;
	srv->db = db;
	srv->supervisor = supervisor;
	srv->selftest_score = selftest_score;
	srv->counters.started_ms = srv_wall_ms();
	srv->id_salt = (uint32_t)(srv_now_us() * 2654435761u);
	pthread_mutex_init(&srv->enrol_lock, NULL);
	pthread_mutex_init(&srv->slots_lock, NULL);
	pthread_mutex_init(&srv->queue_lock, NULL);
	pthread_cond_init(&srv->queue_filled, NULL);
	st = auth_open(&srv->cfg, &srv->auth, err);
	if (st == ST_OK)
		st = tls_open(&srv->cfg, &srv->tls, err);
	if (st == ST_OK)
		st = worker_open_slots(srv, err);
	if (st == ST_OK)
		st = deadline_open((size_t)cfg->connections_max,
				   (uint64_t)cfg->request_timeout_ms * 1000,
				   &srv->deadlines, err);
	db_condition(db, &how);
	/* Counting walks over every row, a damaged one too; and events are sent
	 * from the match log, which then gets no row. */
	if (st == ST_OK && !how.verify_only)
		st = enrolment_open(srv, err);
	if (st == ST_OK && !how.verify_only)
		st = events_open(&srv->cfg, db, &srv->events, err);
	if (st == ST_OK)
		st = heartbeat_init(srv, err);
	if (st == ST_OK)
		st = worker_start_all(srv, err);
	if (st == ST_OK)
		st = listen_now(srv, err);
	if (st != ST_OK) {
		srv_close(srv);
		return st;
	}
	*out = srv;
	return ST_OK;
}

unsigned srv_port(const struct srv *srv)
{
	return srv->port;
}

const char *srv_scheme(const struct srv *srv)
{
	return srv->tls ? "https" : "http";
}

void srv_refresh(struct srv *srv, bool now)
{
	tls_refresh(srv->tls, now);
}

const char *srv_host(const struct srv *srv)
{
	return srv->host;
}

void srv_close(struct srv *srv)
{
	MHD_socket listening = MHD_INVALID_SOCKET;

	if (srv == NULL)
		return;
	if (srv->daemon != NULL) {
		uint64_t until = srv_now_us() +
				 (uint64_t)srv->cfg.request_timeout_ms * 1000;
		struct timespec tick = { 0, 10000000 };

		/* No new connections, and no new requests on old ones; those
		 * at work may finish. */
		listening = MHD_quiesce_daemon(srv->daemon);
		atomic_store(&srv->draining, true);
		while (atomic_load(&srv->active) > 0 && srv_now_us() < until)
			nanosleep(&tick, NULL);
	}
	/* Workers first: they resume what is suspended, which the library
	 * demands before it stops. */
	worker_stop_all(srv);
	if (srv->daemon != NULL)
		MHD_stop_daemon(srv->daemon);
	/* Not before: the library's thread may still be letting go of it. */
	if (listening != MHD_INVALID_SOCKET)
		close(listening);
	heartbeat_end(srv);
	/* Behind the last decision. */
	events_close(srv->events);
	deadline_close(srv->deadlines);
	tls_close(srv->tls);
	auth_close(srv->auth);
	pthread_cond_destroy(&srv->queue_filled);
	pthread_mutex_destroy(&srv->queue_lock);
	pthread_mutex_destroy(&srv->slots_lock);
	pthread_mutex_destroy(&srv->enrol_lock);
	worker_close_slots(srv);
	free(srv);
}
