/* GET /logs and GET /logs/{log_no}: the match log. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "docvalue.h"
#include "handlers/handlers.h"
#include "logexport.h"
#include "srv.h"
#include "reply.h"
#include "timetext.h"

#define PAGE_MAX 200

/* All that decisions give. */
#define REASONS                                                                \
	"match below_threshold low_quality person_expired not_in_group "       \
	"outside_schedule no_face several_faces face_too_small no_templates "  \
	"other_model"

static enum status text_filter(struct request *r, const char *name, char *out,
			       size_t room)
{
	const char *v = request_param(r, name);

	if (v == NULL)
		return ST_OK;
	if (!docvalue_id_ok(v) || strlen(v) >= room)
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
	if (st == ST_OK && f->reason[0] != '\0' &&
	    !docvalue_groups_meet(f->reason, REASONS))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "reason must be one of " REASONS);
	if (st == ST_OK)
		st = time_filter(r, "from", &f->from_ms);
	if (st == ST_OK)
		st = time_filter(r, "to", &f->to_ms);
	if (f->to_ms == 0 && request_param(r, "to") != NULL)
		f->to_ms = -1; /* 0 would mean any time */
	if (st == ST_OK)
		st = request_int(r, "before", 1, INT64_MAX, 0, &f->before_id);
	if (st == ST_OK)
		st = request_int(r, "after", 0, INT64_MAX, 0, &f->after_id);
	f->rising = request_param(r, "after") != NULL;
	if (st == ST_OK && f->rising && f->before_id != 0)
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "either before or after, not both");
	/* A page is short; an export is whole unless told otherwise. */
	if (st == ST_OK && r->accept == ACCEPT_JSON)
		st = request_int(r, "limit", 1, PAGE_MAX, 50, limit);
	else if (st == ST_OK)
		st = request_int(r, "limit", 1, INT64_MAX, INT64_MAX, limit);
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

/* An export that could not be audited is not given. */
static void export(struct request *r, const struct log_filter *f, int64_t rows)
{
	struct db_by by = request_by(r);
	enum status st = db_audit_note(
		r->srv->db, &by, "log_export",
		r->accept == ACCEPT_CSV ? "csv" : "ndjson", &r->err);

	if (st == ST_OK)
		st = logexport_begin(r, f, rows);
	if (st != ST_OK)
		reply_problem(r, NULL);
}

static json_t *row_json(const void *row)
{
	return logexport_row(row);
}

void handle_logs(struct request *r, unsigned slot)
{
	struct match_event *page = NULL;
	struct log_filter f;
	int64_t limit = 0;
	size_t n = 0;
	enum status st = read_filter(r, &f, &limit);

	(void)slot;
	if (st == ST_OK && r->accept != ACCEPT_JSON) {
		export(r, &f, limit);
		return;
	}
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_log_list(r->srv->db, &f, page, (size_t)limit, &n,
				 &r->err);
	/* The next page is asked for with before=next, or after=next. */
	reply_page(r, st,
		   &(struct reply_rows){ "logs", "log_id", row_json, page,
					 sizeof(*page), n, limit });
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
		reply_json(r, 200, logexport_row(&ev));
}
