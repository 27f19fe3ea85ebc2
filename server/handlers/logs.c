/* GET /logs and GET /logs/{id}: the match log, newest first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "srv.h"
#include "reply.h"
#include "timetext.h"

#define PAGE_MAX 200

static json_t *event_json(const struct match_event *ev)
{
	return json_pack(
		"{s:I, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:o, "
		"s:I}",
		"log_id", (json_int_t)ev->id, "at", reply_time(ev->at_ms),
		"route", ev->route, "decision", ev->decision, "reason",
		ev->reason, "person_id", reply_text(ev->person_id), "door_id",
		reply_text(ev->door_id), "score", jsonvalue_real(ev->score, 4),
		"threshold", jsonvalue_real(ev->threshold, 4), "model",
		ev->model_id, "request_id", ev->request_id, "ms",
		jsonvalue_real((double)ev->total_us / 1e3, 2),
		"pool_peak_bytes", (json_int_t)ev->pool_peak_bytes);
}

static enum status text_filter(struct request *r, const char *name, char *out,
			       size_t room)
{
	const char *v = request_param(r, name);

	if (v == NULL)
		return ST_OK;
	if (!request_id_ok(v) || strlen(v) >= room)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s is not one that can be in the log", name);
	snprintf(out, room, "%s", v);
	return ST_OK;
}

static enum status time_filter(struct request *r, const char *name,
			       int64_t *out)
{
	const char *v = request_param(r, name);

	if (v != NULL && !timetext_parse(v, out))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "%s must be a time like 2026-01-31T12:34:56Z",
			       name);
	return ST_OK;
}

static enum status read_filter(struct request *r, struct log_filter *f,
			       int64_t *limit)
{
	const char *decision = request_param(r, "decision");
	const char *score = request_param(r, "min_score");
	char *end = NULL;
	enum status st;

	memset(f, 0, sizeof(*f));
	f->min_score = (double)NAN;
	st = text_filter(r, "person_id", f->person_id, sizeof(f->person_id));
	if (st == ST_OK)
		st = text_filter(r, "door_id", f->door_id, sizeof(f->door_id));
	if (st == ST_OK)
		st = text_filter(r, "reason", f->reason, sizeof(f->reason));
	if (st == ST_OK)
		st = time_filter(r, "from", &f->from_ms);
	if (st == ST_OK)
		st = time_filter(r, "to", &f->to_ms);
	if (f->to_ms == 0 && request_param(r, "to") != NULL)
		f->to_ms = -1; /* 0 would mean any time */
	if (st == ST_OK)
		st = request_int(r, "before", 1, INT64_MAX, 0, &f->before_id);
	if (st == ST_OK)
		st = request_int(r, "limit", 1, PAGE_MAX, 50, limit);
	if (st != ST_OK)
		return st;
	if (decision != NULL) {
		if (strcmp(decision, "allow") != 0 &&
		    strcmp(decision, "deny") != 0 &&
		    strcmp(decision, "unsure") != 0)
			return err_set(&r->err, ST_BAD_REQUEST,
				       "decision must be allow, deny or "
				       "unsure");
		snprintf(f->decision, sizeof(f->decision), "%s", decision);
	}
	if (score != NULL) {
		f->min_score = strtod(score, &end);
		/* Plain decimals: strtod takes spaces and hexadecimals too. */
		if (end == score || *end != '\0' ||
		    score[strspn(score, "-.0123456789")] != '\0' ||
		    fabs(f->min_score) > 1.0)
			return err_set(&r->err, ST_BAD_REQUEST,
				       "min_score must be within -1 and 1");
	}
	return ST_OK;
}

void handle_logs(struct request *r, unsigned slot)
{
	struct match_event *page = NULL;
	struct log_filter f;
	int64_t limit = 0;
	size_t n = 0;
	json_t *list;
	enum status st = read_filter(r, &f, &limit);

	(void)slot;
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_log_list(r->srv->db, &f, page, (size_t)limit, &n,
				 &r->err);
	if (st != ST_OK) {
		free(page);
		reply_problem(r, NULL);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, event_json(&page[i]));
	/* A full page may have a successor; ask for it with before=next. */
	reply_page(r, "logs", list,
		   n == (size_t)limit ? json_integer(page[n - 1].id) : NULL);
	free(page);
}

void handle_log(struct request *r, unsigned slot)
{
	struct match_event ev;
	bool found = false;

	(void)slot;
	if (db_log_get(r->srv->db, r->row_id, &ev, &found, &r->err) != ST_OK)
		reply_problem(r, NULL);
	else if (!found)
		reply_error(r, ST_NO_SUCH_ROUTE,
			    "the match log has no row of that number");
	else
		reply_json(r, 200, event_json(&ev));
}
