#include "enrolment.h"

#include <stdio.h>

#include "log.h"
#include "persondoc.h"
#include "reply.h"
#include "srv.h"

/* Nobody comes to wait while there is only this model. */
static void recount_people(struct srv *srv)
{
	int64_t n = 0;

	if (srv->other_models && db_people_waiting(srv->db, &n, NULL) == ST_OK)
		atomic_store(&srv->people_waiting, n);
}

void enrolment_recount(struct srv *srv)
{
	int64_t n = 0, all;

	recount_people(srv);
	if (srv->other_models &&
	    db_crops_count(srv->db, engine_info(srv->engine)->model_id, &all,
			   &n, NULL) == ST_OK)
		atomic_store(&srv->to_reembed, n);
}

enum status enrolment_open(struct srv *srv, struct errinfo *err)
{
	const char *model = engine_info(srv->engine)->model_id;
	int64_t templates = 0;
	enum status st = db_templates_foreign(srv->db, model, &templates, err);

	srv->other_models = templates > 0;
	recount_people(srv);
	if (st == ST_OK)
		st = reembed_open(srv, err);
	if (st == ST_OK && templates > 0)
		log_line(LOG_WARN, "other_model",
			 "templates=%lld people_waiting=%lld to_reembed=%lld "
			 "text=\"enrolled with another model; these people "
			 "must be enrolled again, but for those whose crops "
			 "are kept\"",
			 (long long)templates,
			 (long long)atomic_load(&srv->people_waiting),
			 (long long)atomic_load(&srv->to_reembed));
	return st;
}

/* Whether a face is enrolled under another id already: at the cut of a search,
 * so that strangers are taken for one at the rate that identify has. */
static enum status check_duplicates(struct request *r, struct enrolment *e,
				    int64_t own_key)
{
	struct engine *engine = r->srv->engine;
	struct gallery *g = engine_gallery(engine);
	float cut = engine_threshold(
		engine,
		decide_search_fmr(r->srv->cfg.target_fmr, gallery_count(g)));

	for (size_t at = 0; at < e->count; at++) {
		struct gallery_hit hits[2];
		struct db_person other;
		size_t n = gallery_identify(g, &e->templates[at], hits, 2);
		size_t i = n > 0 && hits[0].person_key == own_key;

		if (i >= n || hits[i].score < cut)
			continue;
		if (db_person_by_key(r->srv->db, hits[i].person_key, &other,
				     NULL) == ST_OK)
			(void)snprintf(r->held_by, sizeof(r->held_by), "%s",
				       other.id);
		picture_blame(&e->last, at + 1);
		return err_set(&r->err, ST_DUPLICATE_FACE,
			       "this face is enrolled under another id; "
			       "duplicate=allow enrols it all the same");
	}
	return ST_OK;
}

/* Room, commit and gallery are one step under one lock, so that the file and
 * the gallery never disagree. A crash in between is healed at the next start,
 * which fills the gallery from the file. */
enum status enrolment_store(struct request *r, struct enrolment *e)
{
	struct srv *srv = r->srv;
	struct gallery *g = engine_gallery(srv->engine);
	struct db_person old = { 0 };
	int64_t key = 0;
	enum status st;

	if (e->count == 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "the body has no picture");
	pthread_mutex_lock(&srv->enrol_lock);
	if (db_person_get(srv->db, e->person_id, &old, NULL) == ST_OK)
		key = old.key;
	if (!e->duplicate_ok && check_duplicates(r, e, key) != ST_OK) {
		st = r->err.status;
		goto done;
	}
	st = gallery_room(g, key, e->count, e->replace);
	if (st != ST_OK) {
		err_limit(&r->err, st, (int64_t)gallery_capacity(g),
			  (int64_t)(gallery_count(g) + e->count),
			  "the gallery holds at most %zu templates",
			  gallery_capacity(g));
		goto done;
	}
	st = db_enroll(srv->db,
		       &(struct db_enrolment){
			       .person_id = e->person_id,
			       .name = e->name,
			       .replace = e->replace,
			       .model_id = engine_info(srv->engine)->model_id,
			       .templates = e->templates,
			       .quality = e->quality,
			       .crops = e->crops,
			       .count = e->count,
			       .by = request_by(r) },
		       &key, e->ids, &r->err);
	if (st == ST_OK)
		st = gallery_put(g, key, e->ids, e->templates, e->count,
				 e->replace);
	enrolment_recount(srv);
done:
	pthread_mutex_unlock(&srv->enrol_lock);
	return st;
}

enum status enrolment_forget(struct request *r, const char *person_id)
{
	struct srv *srv = r->srv;
	struct db_by by = request_by(r);
	struct db_person p;
	int64_t key = 0;
	enum status st = ST_OK;

	pthread_mutex_lock(&srv->enrol_lock);
	if (r->if_match[0] != '\0') {
		st = db_person_get(srv->db, person_id, &p, &r->err);
		if (st == ST_OK)
			st = reply_unchanged(r, persondoc_json(&p));
	}
	if (st == ST_OK)
		st = db_person_delete(srv->db, person_id, &by, &key, &r->err);
	if (st == ST_OK)
		gallery_remove(engine_gallery(srv->engine), key);
	enrolment_recount(srv);
	pthread_mutex_unlock(&srv->enrol_lock);
	return st;
}

enum status enrolment_read(struct request *r, unsigned slot,
			   struct enrolment *e, json_t *list)
{
	struct picture *p = &e->last;
	enum status st;

	e->crops = r->srv->workers[slot].crops;
	picture_begin(r, slot);
	while ((st = picture_next(r, slot, p)) == ST_OK) {
		if (e->count == UPLOAD_PICTURES_MAX)
			return err_set(&r->err, ST_BAD_REQUEST,
				       "at most %d pictures at once",
				       UPLOAD_PICTURES_MAX);
		if (e->crops != NULL)
			p->crop = e->crops + e->count * FACE_CROP_BYTES;
		st = picture_embed(r, slot, p, DECIDE_ENROL);
		if (st != ST_OK)
			return st;
		e->quality[e->count] = p->quality;
		e->templates[e->count++] = p->template;
		if (list != NULL)
			json_array_append_new(
				list,
				json_pack("{s:o, s:o}", "face",
					  picture_face_json(&p->faces[0]),
					  "quality", picture_quality_json(p)));
	}
	return st == ST_END ? ST_OK : st;
}
