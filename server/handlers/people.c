/* GET /people, GET and DELETE /people/{id}. */
#include <stdlib.h>
#include <string.h>

#include "handlers/handlers.h"
#include "srv.h"
#include "reply.h"

#define PAGE_MAX 100

static json_t *person_json(const struct db_person *p)
{
	return json_pack("{s:s, s:s, s:I, s:o, s:o}", "person_id", p->id,
			 "name", p->name, "templates", (json_int_t)p->templates,
			 "created_at", reply_time(p->created_ms), "updated_at",
			 reply_time(p->updated_ms));
}

void handle_people(struct request *r, unsigned slot)
{
	const char *after = request_param(r, "after");
	struct db_person *page = NULL;
	int64_t limit = 0;
	size_t n = 0;
	json_t *list;
	enum status st = request_int(r, "limit", 1, PAGE_MAX, 50, &limit);

	(void)slot;
	if (st == ST_OK && after != NULL && !request_id_ok(after))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "after must be a person_id");
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_people_list(r->srv->db, after ? after : "", page,
				    (size_t)limit, &n, &r->err);
	if (st != ST_OK) {
		free(page);
		reply_problem(r, NULL);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, person_json(&page[i]));
	/* A full page may have a successor; its last id is the cursor. */
	reply_page(r, "people", list,
		   n == (size_t)limit ? json_string(page[n - 1].id) : NULL);
	free(page);
}

void handle_person(struct request *r, unsigned slot)
{
	struct db_person p;

	(void)slot;
	if (db_person_get(r->srv->db, r->path_id, &p, &r->err) != ST_OK)
		reply_problem(r, NULL);
	else
		reply_json(r, 200, person_json(&p));
}

void handle_person_delete(struct request *r, unsigned slot)
{
	struct srv *srv = r->srv;
	int64_t key = 0;
	enum status st;

	(void)slot;
	pthread_mutex_lock(&srv->enrol_lock);
	st = db_person_delete(srv->db, r->path_id, &key, &r->err);
	if (st == ST_OK)
		gallery_remove(engine_gallery(srv->engine), key);
	pthread_mutex_unlock(&srv->enrol_lock);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		reply_empty(r, 204);
}
