/* /doors and /doors/{door_id}: rules of doors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "document.h"
#include "docvalue.h"
#include "doorrule.h"
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "reply.h"
#include "srv.h"
#include "tzrule.h"

#define PAGE_MAX 100
#define FMR_MIN	 1e-6 /* where the models' tables end */
#define FMR_MAX	 1e-2

static json_t *number_or_null(double v)
{
	return isnan(v) ? json_null() : json_real(v);
}

static json_t *door_json(const void *row)
{
	const struct db_door *d = row;
	json_t *windows = json_loads(d->windows, 0, NULL);

	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "door_id",
			 d->id, "target_fmr", number_or_null(d->target_fmr),
			 "min_score", number_or_null(d->min_score), "groups",
			 docvalue_groups_json(d->groups), "windows",
			 windows ? windows : json_array(), "timezone",
			 d->timezone, "credential", reply_text(d->credential),
			 "updated_at", jsonvalue_time(d->updated_ms));
}

void handle_doors(struct request *r, unsigned slot)
{
	const char *after = request_param(r, "after");
	struct db_door *page = NULL;
	int64_t limit = 0;
	size_t n = 0;
	enum status st = request_int(r, "limit", 1, PAGE_MAX, 50, &limit);

	(void)slot;
	if (st == ST_OK && after != NULL && !docvalue_id_ok(after))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "after must be a door_id");
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_doors_list(r->srv->db, after ? after : "", page,
				   (size_t)limit, &n, &r->err);
	reply_page(r, st,
		   &(struct reply_rows){ "doors", "door_id", door_json, page,
					 sizeof(*page), n, limit });
}

void handle_door(struct request *r, unsigned slot)
{
	struct db_door d;

	(void)slot;
	if (db_door_get(r->srv->db, r->path_id, &d, &r->err) != ST_OK)
		reply_problem(r, NULL);
	else
		reply_tagged(r, 200, door_json(&d));
}

/* Whether the door is as the client believes. Holds enrol_lock, so that it is
 * still so when the change is made. */
static enum status unchanged(struct request *r)
{
	struct db_door d;
	enum status st;

	if (r->if_match[0] == '\0' && !r->if_absent)
		return ST_OK;
	st = db_door_get(r->srv->db, r->path_id, &d, &r->err);
	if (st != ST_OK && st != ST_NO_SUCH_DOOR)
		return st;
	err_clear(&r->err);
	return reply_unchanged(r, st == ST_OK ? door_json(&d) : NULL);
}

static enum status take_windows(struct request *r, const json_t *o,
				struct db_door *d)
{
	const json_t *v = json_object_get(o, "windows");
	const char *fault = v ? doorrule_windows_fault(v) : NULL;
	size_t n;

	if (fault != NULL)
		return err_set(&r->err, ST_BAD_REQUEST, "%s", fault);
	if (v == NULL)
		return ST_OK;
	n = json_dumpb(v, d->windows, DOOR_WINDOWS_MAX, JSON_COMPACT);
	if (n > DOOR_WINDOWS_MAX)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "windows must have at most %d bytes of JSON",
			       DOOR_WINDOWS_MAX);
	d->windows[n] = '\0';
	return ST_OK;
}

static enum status take_door(struct request *r, const json_t *o,
			     struct db_door *d)
{
	struct tzrule zone;
	enum status st = docvalue_real(o, "target_fmr", FMR_MIN, FMR_MAX,
				       &d->target_fmr, &r->err);

	if (st == ST_OK)
		st = docvalue_real(o, "min_score", -1, 1, &d->min_score,
				   &r->err);
	if (st == ST_OK && !isnan(d->target_fmr) && !isnan(d->min_score))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "either target_fmr or min_score, not both");
	if (st == ST_OK)
		st = docvalue_groups(o, d->groups, &r->err);
	if (st == ST_OK)
		st = take_windows(r, o, d);
	if (st == ST_OK)
		st = docvalue_text(o, "timezone", d->timezone,
				   sizeof(d->timezone), &r->err);
	if (st == ST_OK && !tzrule_load(d->timezone, &zone))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "timezone must be a zone of this machine's "
			     "database, as Europe/Berlin, or a rule, as "
			     "CET-1CEST,M3.5.0,M10.5.0/3");
	if (st == ST_OK)
		st = docvalue_text(o, "credential", d->credential,
				   sizeof(d->credential), &r->err);
	if (st == ST_OK && d->credential[0] != '\0' &&
	    !credential_known(d->credential))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "credential must be wiegand26, wiegand34, "
			     "wiegand37, wiegand37n or null");
	return st;
}

void handle_door_put(struct request *r, unsigned slot)
{
	static const char *const members[] = { "target_fmr", "min_score",
					       "groups",     "windows",
					       "timezone",   "credential",
					       NULL };
	struct db_door d = { .target_fmr = (double)NAN,
			     .min_score = (double)NAN,
			     .windows = "[]",
			     .timezone = "UTC" };
	struct db_by by = request_by(r);
	bool made = false;
	json_t *o;
	enum status st = document_read(r, members, &o);

	(void)slot;
	if (st == ST_OK)
		st = take_door(r, o, &d);
	json_decref(o);
	(void)snprintf(d.id, sizeof(d.id), "%s", r->path_id);
	d.updated_ms = by.now_ms;
	pthread_mutex_lock(&r->srv->enrol_lock);
	if (st == ST_OK)
		st = unchanged(r);
	if (st == ST_OK)
		st = db_door_put(r->srv->db, &d, &by, &made, &r->err);
	pthread_mutex_unlock(&r->srv->enrol_lock);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		reply_tagged(r, made ? 201 : 200, door_json(&d));
}

void handle_door_delete(struct request *r, unsigned slot)
{
	struct db_by by = request_by(r);
	enum status st;

	(void)slot;
	pthread_mutex_lock(&r->srv->enrol_lock);
	st = unchanged(r);
	if (st == ST_OK)
		st = db_door_delete(r->srv->db, r->path_id, &by, &r->err);
	pthread_mutex_unlock(&r->srv->enrol_lock);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		reply_empty(r, 204);
}
