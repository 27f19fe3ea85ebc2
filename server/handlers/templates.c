/* /people/{person_id}/templates: what is stored of a person, and taking one
 * template back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "enrolment.h"
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "reply.h"
#include "srv.h"

#define PAGE_MAX 100

static json_t *template_json(const void *row)
{
	const struct db_template *t = row;

	return json_pack("{s:I, s:s, s:o, s:o, s:o, s:b}", "template_id",
			 (json_int_t)t->id, "model", t->model_id, "quality",
			 jsonvalue_real(floor(t->quality * 10) / 10, 1),
			 "key_id", reply_text(t->key_id), "created_at",
			 jsonvalue_time(t->created_ms), "crop_kept",
			 t->crop_id != 0);
}

void handle_templates(struct request *r, unsigned slot)
{
	struct db_template *page = NULL;
	struct db_person person;
	int64_t limit = 0, after = 0;
	size_t n = 0;
	enum status st = request_int(r, "limit", 1, PAGE_MAX, 50, &limit);

	(void)slot;
	if (st == ST_OK)
		st = request_int(r, "after", 1, INT64_MAX, 0, &after);
	if (st == ST_OK)
		st = db_person_get(r->srv->db, r->path_id, &person, &r->err);
	if (st == ST_OK) {
		page = request_page(r, limit, sizeof(*page));
		st = page ? ST_OK : ST_NO_MEMORY;
	}
	if (st == ST_OK)
		st = db_templates_list(r->srv->db, r->path_id, after, page,
				       (size_t)limit, &n, &r->err);
	reply_page(r, st,
		   &(struct reply_rows){ "templates", "template_id",
					 template_json, page, sizeof(*page), n,
					 limit });
}

/* The person's templates that are left, for the gallery. */
struct left {
	size_t count, room;
	int64_t *ids;
	struct face_template *templates;
};

static enum status take_row(void *ctx, int64_t person_key, int64_t template_id,
			    const struct face_template *t)
{
	struct left *l = ctx;

	(void)person_key;
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		int64_t *ids = realloc(l->ids, room * sizeof(*ids));
		struct face_template *all;

		if (ids == NULL)
			return ST_NO_MEMORY;
		l->ids = ids;
		all = realloc(l->templates, room * sizeof(*all));
		if (all == NULL)
			return ST_NO_MEMORY;
		l->templates = all;
		l->room = room;
	}
	l->ids[l->count] = template_id;
	l->templates[l->count++] = *t;
	return ST_OK;
}

/* The store first: should the gallery's turn fail, the person has no templates
 * in it until the next start, which is the safe side. */
static enum status delete_one(struct request *r, int64_t template_id)
{
	struct srv *srv = r->srv;
	struct gallery *g = engine_gallery(srv->engine);
	struct db_by by = request_by(r);
	struct left l = { 0 };
	int64_t key = 0;
	enum status st = db_template_delete(srv->db, r->path_id, template_id,
					    &by, &key, &r->err);

	if (st != ST_OK)
		return st;
	st = db_templates_of(srv->db, key, engine_info(srv->engine)->model_id,
			     take_row, &l, &r->err);
	if (st == ST_OK)
		st = gallery_put(g, key, l.ids, l.templates, l.count, 1);
	if (st != ST_OK) {
		gallery_remove(g, key);
		err_set(&r->err, st, "no memory for the person's templates");
	}
	if (l.templates != NULL)
		explicit_bzero(l.templates, l.room * sizeof(*l.templates));
	free(l.templates);
	free(l.ids);
	return st;
}

void handle_template_delete(struct request *r, unsigned slot)
{
	enum status st;

	(void)slot;
	pthread_mutex_lock(&r->srv->enrol_lock);
	st = delete_one(r, r->row_id);
	enrolment_recount(r->srv);
	pthread_mutex_unlock(&r->srv->enrol_lock);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		reply_empty(r, 204);
}
