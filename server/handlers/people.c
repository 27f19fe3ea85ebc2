/* /people and /people/{person_id}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "document.h"
#include "enrolment.h"
#include "fold.h"
#include "handlers/handlers.h"
#include "srv.h"
#include "reply.h"

#define PAGE_MAX 100
#define SCAN_MAX 1000 /* people that one search looks at */

static json_t *time_or_null(int64_t ms)
{
	return ms != 0 ? reply_time(ms) : json_null();
}

static json_t *card_json(const struct db_card *c)
{
	if (c->number < 0)
		return json_null();
	return json_pack("{s:o, s:I}", "facility",
			 c->facility < 0 ? json_null()
					 : json_integer(c->facility),
			 "number", (json_int_t)c->number);
}

static json_t *person_json(const struct db_person *p)
{
	json_t *metadata = json_loads(p->metadata, 0, NULL);

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o, "
			 "s:o}",
			 "person_id", p->id, "name", p->name, "groups",
			 document_groups_json(p->groups), "valid_from",
			 time_or_null(p->valid_from_ms), "valid_until",
			 time_or_null(p->valid_until_ms), "card",
			 card_json(&p->card), "metadata",
			 metadata ? metadata : json_object(), "templates",
			 (json_int_t)p->templates, "needs_enrolment",
			 p->templates > 0 && p->usable == 0, "created_at",
			 reply_time(p->created_ms), "updated_at",
			 reply_time(p->updated_ms));
}

static void answer_person(struct request *r, const char *id, int http_status)
{
	char where[sizeof("/people/") + PERSON_ID_MAX];
	struct db_person p;

	if (db_person_get(r->srv->db, id, &p, &r->err) != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	reply_json(r, http_status, person_json(&p));
	snprintf(where, sizeof(where), "/people/%s", p.id);
	if (http_status == 201)
		reply_header(r, "Location", where);
}

/* What GET /people asks for, and how far it has come. */
struct listing {
	const struct fold *what; /* NULL: everybody */
	int64_t limit;
	char after[PERSON_ID_MAX + 1];
	bool more; /* there may be */
};

static bool fits(const struct db_person *p, const struct fold *what)
{
	return what == NULL || fold_contains(p->name, what) ||
	       fold_contains(p->id, what);
}

/* Names are encrypted one by one, so there is no index of them: a search reads
 * row after row, a page at a time so that doors get in between, and gives the
 * cursor back when it has looked at SCAN_MAX. */
static enum status list_people(struct request *r, struct listing *l,
			       json_t *list)
{
	size_t ask = l->what ? PAGE_MAX : (size_t)l->limit;
	size_t left = l->what ? SCAN_MAX : ask, n;
	struct db_person *page = request_page(r, (int64_t)ask, sizeof(*page));
	enum status st = page ? ST_OK : ST_NO_MEMORY;

	l->more = true;
	while (st == ST_OK && l->more && left > 0 &&
	       json_array_size(list) < (size_t)l->limit) {
		st = db_people_list(r->srv->db, l->after, page, ask, &n,
				    &r->err);
		if (st != ST_OK)
			break;
		l->more = n == ask;
		left -= ask;
		for (size_t i = 0; i < n; i++) {
			if (json_array_size(list) == (size_t)l->limit) {
				l->more = true;
				break;
			}
			memcpy(l->after, page[i].id, sizeof(l->after));
			if (fits(&page[i], l->what))
				json_array_append_new(list,
						      person_json(&page[i]));
		}
	}
	free(page);
	return st;
}

void handle_people(struct request *r, unsigned slot)
{
	const char *after = request_param(r, "after");
	const char *search = request_param(r, "search");
	struct fold what;
	struct listing l = { .what = search ? &what : NULL };
	json_t *list;
	enum status st = request_int(r, "limit", 1, PAGE_MAX, 50, &l.limit);

	(void)slot;
	if (st == ST_OK && after != NULL && !request_id_ok(after))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "after must be a person_id");
	if (st == ST_OK && search != NULL &&
	    (!request_name_ok(search) || !fold_set(&what, search)))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "search must have at most %d bytes and no control "
			     "characters",
			     PERSON_NAME_MAX);
	(void)snprintf(l.after, sizeof(l.after), "%s",
		       st == ST_OK && after != NULL ? after : "");
	list = json_array();
	if (st == ST_OK)
		st = list_people(r, &l, list);
	if (st == ST_OK) {
		reply_json(
			r, 200,
			json_pack("{s:o, s:o, s:I}", "people", list, "next",
				  l.more ? json_string(l.after) : json_null(),
				  "people_waiting",
				  (json_int_t)atomic_load(
					  &r->srv->people_waiting)));
	} else {
		json_decref(list);
		reply_problem(r, NULL);
	}
}

void handle_person(struct request *r, unsigned slot)
{
	(void)slot;
	answer_person(r, r->path_id, 200);
}

static enum status take_metadata(struct request *r, const json_t *o,
				 struct db_person *p)
{
	const json_t *v = json_object_get(o, "metadata");
	size_t n;

	if (v == NULL)
		return ST_OK;
	(void)snprintf(p->metadata, sizeof(p->metadata), "{}");
	if (json_is_null(v))
		return ST_OK;
	n = json_is_object(v)
		    ? json_dumpb(v, p->metadata, METADATA_MAX, JSON_COMPACT)
		    : 0;
	if (n == 0 || n > METADATA_MAX)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "metadata must be an object of at most %d bytes "
			       "of JSON",
			       METADATA_MAX);
	p->metadata[n] = '\0';
	return ST_OK;
}

static enum status take_card(struct request *r, const json_t *o,
			     struct db_person *p)
{
	const json_t *v = json_object_get(o, "card");
	const json_t *facility = json_object_get(v, "facility");
	const json_t *number = json_object_get(v, "number");
	struct db_card c = { -1, -1 };

	if (v == NULL)
		return ST_OK;
	if (!json_is_null(v)) {
		c.number = json_integer_value(number);
		if (json_is_integer(facility))
			c.facility = json_integer_value(facility);
		if (!json_is_integer(number) || c.number < 0 ||
		    c.number > CARD_NUMBER_MAX ||
		    c.facility > CARD_FACILITY_MAX ||
		    (facility != NULL && !json_is_null(facility) &&
		     (!json_is_integer(facility) || c.facility < 0)) ||
		    json_object_size(v) != 1 + (size_t)(facility != NULL))
			return err_set(&r->err, ST_BAD_REQUEST,
				       "card must be {\"facility\": 0 to %d or "
				       "null, \"number\": 0 to %lld} or null",
				       CARD_FACILITY_MAX,
				       (long long)CARD_NUMBER_MAX);
	}
	p->card = c;
	return ST_OK;
}

/* What the document says of a person; the rest of p stays. */
static enum status take_person(struct request *r, const json_t *o,
			       struct db_person *p)
{
	enum status st = document_text(r, o, "name", p->name, sizeof(p->name));

	if (st == ST_OK && !request_name_ok(p->name))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "name must have no control characters");
	if (st == ST_OK)
		st = document_groups(r, o, p->groups);
	if (st == ST_OK)
		st = document_time(r, o, "valid_from", &p->valid_from_ms);
	if (st == ST_OK)
		st = document_time(r, o, "valid_until", &p->valid_until_ms);
	if (st == ST_OK && p->valid_until_ms != 0 &&
	    p->valid_until_ms <= p->valid_from_ms)
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "valid_until must be after valid_from");
	if (st == ST_OK)
		st = take_metadata(r, o, p);
	if (st == ST_OK)
		st = take_card(r, o, p);
	return st;
}

void handle_person_add(struct request *r, unsigned slot)
{
	static const char *const members[] = { "person_id",   "name",
					       "groups",      "valid_from",
					       "valid_until", "metadata",
					       "card",	      NULL };
	struct db_person p = { .metadata = "{}", .card = { -1, -1 } };
	struct db_by by = request_by(r);
	json_t *o;
	enum status st = document_read(r, members, &o);

	(void)slot;
	if (st == ST_OK)
		st = document_text(r, o, "person_id", p.id, sizeof(p.id));
	if (st == ST_OK && !request_id_ok(p.id))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "person_id must be 1 to %d characters of A-Z a-z "
			     "0-9 . _ : @ -",
			     PERSON_ID_MAX);
	if (st == ST_OK)
		st = take_person(r, o, &p);
	json_decref(o);
	if (st == ST_OK)
		st = db_person_add(r->srv->db, &p, &by, &r->err);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		answer_person(r, p.id, 201);
}

void handle_person_patch(struct request *r, unsigned slot)
{
	static const char *const members[] = { "name",	     "groups",
					       "valid_from", "valid_until",
					       "metadata",   "card",
					       NULL };
	struct srv *srv = r->srv;
	struct db_by by = request_by(r);
	struct db_person p;
	json_t *o;
	enum status st = document_read(r, members, &o);

	(void)slot;
	/* Read and write are one step: two patches of different members must
	 * both stay. */
	pthread_mutex_lock(&srv->enrol_lock);
	if (st == ST_OK)
		st = db_person_get(srv->db, r->path_id, &p, &r->err);
	if (st == ST_OK)
		st = take_person(r, o, &p);
	if (st == ST_OK)
		st = db_person_set(srv->db, &p, &by, &r->err);
	pthread_mutex_unlock(&srv->enrol_lock);
	json_decref(o);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		answer_person(r, r->path_id, 200);
}

void handle_person_delete(struct request *r, unsigned slot)
{
	(void)slot;
	if (enrolment_forget(r, r->path_id) != ST_OK)
		reply_problem(r, NULL);
	else
		reply_empty(r, 204);
}
