#include "logexport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "jsonvalue.h"
#include "reply.h"
#include "srv.h"
#include "timetext.h"
#include "worker.h"

#define PAGE_ROWS	  32
#define SEND_BUFFER_BYTES (64 * 1024)
#define ROW_BYTES	  1024 /* more than any row has */

static const char csv_head[] =
	"log_id,at,route,decision,reason,person_id,door_id,score,threshold,"
	"model,request_id,ms,pool_peak_bytes\r\n";

struct logexport {
	struct log_filter filter; /* its cursor moves */
	int64_t rows;		  /* still to come at most */
	bool csv;
	bool done, failed;
	size_t pos, len;
	char text[PAGE_ROWS * ROW_BYTES];
};

json_t *logexport_row(const struct match_event *ev)
{
	return json_pack(
		"{s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o, "
		"s:I}",
		"log_id", (json_int_t)ev->id, "at", jsonvalue_time(ev->at_ms),
		"route", ev->route, "decision", ev->decision, "reason",
		ev->reason, "person_id", reply_text(ev->person_id), "door_id",
		reply_text(ev->door_id), "score", jsonvalue_real(ev->score, 4),
		"threshold", jsonvalue_real(ev->threshold, 4), "model",
		ev->model_id, "request_id", ev->request_id, "ms",
		jsonvalue_real((double)ev->total_us / 1e3, 2),
		"pool_peak_bytes", (json_int_t)ev->pool_peak_bytes);
}

static void score_text(double score, char out[16])
{
	out[0] = '\0';
	if (!isnan(score))
		(void)snprintf(out, 16, "%.4f", score);
}

/* No field needs quotes: ids and words have no comma, quote or line feed, and
 * the model's name is made of letters as well. */
static size_t csv_row(const struct match_event *ev, char *out, size_t cap)
{
	char at[TIMETEXT_BYTES], score[16], threshold[16];
	int n;

	timetext_print(ev->at_ms, at);
	score_text(ev->score, score);
	score_text(ev->threshold, threshold);
	n = snprintf(out, cap,
		     "%lld,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%.2f,%lld\r\n",
		     (long long)ev->id, at, ev->route, ev->decision, ev->reason,
		     ev->person_id, ev->door_id, score, threshold, ev->model_id,
		     ev->request_id, (double)ev->total_us / 1e3,
		     (long long)ev->pool_peak_bytes);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static size_t json_row(const struct match_event *ev, char *out, size_t cap)
{
	json_t *o = logexport_row(ev);
	size_t n = json_dumpb(o, out, cap - 1,
			      JSON_COMPACT | JSON_REAL_PRECISION(7));

	json_decref(o);
	if (n == 0 || n >= cap)
		return 0;
	out[n] = '\n';
	return n + 1;
}

static enum status fill(struct logexport *e, struct db *db, struct errinfo *err)
{
	struct match_event page[PAGE_ROWS];
	size_t cap = e->rows < PAGE_ROWS ? (size_t)e->rows : PAGE_ROWS, n = 0;
	enum status st = db_log_list(db, &e->filter, page, cap, &n, err);

	for (size_t i = 0; st == ST_OK && i < n; i++) {
		char *at = e->text + e->len;
		size_t room = sizeof(e->text) - e->len;
		size_t took = e->csv ? csv_row(&page[i], at, room)
				     : json_row(&page[i], at, room);

		if (took == 0)
			st = err_set(err, ST_NO_MEMORY, "no memory for a row");
		e->len += took;
	}
	if (st != ST_OK)
		return st;
	e->rows -= (int64_t)n;
	e->done = n < cap || e->rows == 0;
	if (n > 0 && e->filter.rising)
		e->filter.after_id = page[n - 1].id;
	else if (n > 0)
		e->filter.before_id = page[n - 1].id;
	return ST_OK;
}

void logexport_fill(struct request *r)
{
	struct logexport *e = r->export;

	e->pos = e->len = 0;
	e->failed = fill(e, r->srv->db, NULL) != ST_OK;
}

/* The network thread wants text. What it asks of a worker it waits for with
 * the connection suspended, as for any answer. */
static ssize_t give(void *cls, uint64_t pos, char *out, size_t max)
{
	struct request *r = cls;
	struct logexport *e = r->export;
	size_t n = e->len - e->pos;

	(void)pos;
	if (e->failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n > 0) {
		/* Each buffer that was sent is a step of its own. */
		if (e->pos == 0)
			deadline_restart(connection_deadline(r->connection));
		n = n < max ? n : max;
		memcpy(out, e->text + e->pos, n);
		e->pos += n;
		return (ssize_t)n;
	}
	if (e->done)
		return MHD_CONTENT_READER_END_OF_STREAM;
	deadline_pause(connection_deadline(r->connection));
	/* Suspended first, so that the worker's resume comes after. */
	pthread_mutex_lock(&r->lock);
	r->done = false;
	r->waiting = true;
	MHD_suspend_connection(r->connection);
	pthread_mutex_unlock(&r->lock);
	if (!worker_dispatch(r)) { /* the workers are leaving */
		e->failed = true;
		MHD_resume_connection(r->connection);
	}
	return 0;
}

/* What the kernel holds for a slow reader is memory too; and with little of it
 * the deadline sees every few KiB that he takes. */
static void hold_little(struct request *r)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const int bytes = SEND_BUFFER_BYTES;

	if (info != NULL)
		(void)setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF,
				 &bytes, sizeof(bytes));
}

enum status logexport_begin(struct request *r, const struct log_filter *f,
			    int64_t rows)
{
	struct srv *srv = r->srv;
	struct MHD_Response *resp = NULL;
	struct logexport *e;
	enum status st;

	if (atomic_fetch_add(&srv->exports, 1) >= LOGEXPORT_MAX) {
		atomic_fetch_sub(&srv->exports, 1);
		return err_set(&r->err, ST_BUSY,
			       "%d exports are under way already",
			       LOGEXPORT_MAX);
	}
	e = malloc(sizeof(*e));
	if (e == NULL) {
		atomic_fetch_sub(&srv->exports, 1);
		return err_set(&r->err, ST_NO_MEMORY,
			       "no memory for an export");
	}
	memset(e, 0, sizeof(*e));
	e->filter = *f;
	e->rows = rows;
	e->csv = r->accept == ACCEPT_CSV;
	r->export = e; /* logexport_end frees it and counts down */
	if (e->csv) {
		memcpy(e->text, csv_head, sizeof(csv_head) - 1);
		e->len = sizeof(csv_head) - 1;
	}
	st = fill(e, srv->db, &r->err);
	if (st == ST_OK)
		resp = MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, 16 * 1024, give, r, NULL);
	if (st == ST_OK && resp == NULL)
		st = err_set(&r->err, ST_NO_MEMORY, "no memory for an export");
	if (st == ST_OK)
		hold_little(r);
	if (st == ST_OK)
		reply_stream(r, resp,
			     e->csv ? "text/csv; charset=utf-8"
				    : "application/x-ndjson");
	return st;
}

void logexport_end(struct request *r)
{
	if (r->export == NULL)
		return;
	free(r->export);
	r->export = NULL;
	atomic_fetch_sub(&r->srv->exports, 1);
}
