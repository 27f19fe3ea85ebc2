/* /people and /people/{person_id}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "docvalue.h"
#include "enrolment.h"
#include "fold.h"
#include "handlers/handlers.h"
#include "persondoc.h"
#include "srv.h"
#include "reply.h"

#define PAGE_MAX 100
#define SCAN_MAX 1000 /* people that one search looks at */

static void answer_person(struct request *r, const char *id, int http_status)
{
	char where[sizeof("/people/") + PERSON_ID_MAX];
	struct db_person p;

	if (db_person_get(r->srv->db, id, &p, &r->err) != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	reply_tagged(r, http_status, persondoc_json(&p));
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
						      persondoc_json(&page[i]));
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
	if (st == ST_OK && after != NULL && !docvalue_id_ok(after))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "after must be a person_id");
	if (st == ST_OK && search != NULL &&
	    (!docvalue_name_ok(search) || !fold_set(&what, search)))
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
		reply_kept(
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
		st = docvalue_text(o, "person_id", p.id, sizeof(p.id), &r->err);
	if (st == ST_OK && !docvalue_id_ok(p.id))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "person_id must be 1 to %d characters of A-Z a-z "
			     "0-9 . _ : @ -",
			     PERSON_ID_MAX);
	if (st == ST_OK)
		st = persondoc_take(o, &p, &r->err);
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
		st = reply_unchanged(r, persondoc_json(&p));
	if (st == ST_OK)
		st = persondoc_take(o, &p, &r->err);
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
