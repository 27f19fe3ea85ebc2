/* POST /enroll: one or more pictures of one person, all or none. */
#include <stdio.h>
#include <string.h>

#include "engine_setup.h"
#include "handlers/handlers.h"
#include "srv.h"
#include "picture.h"
#include "reply.h"

struct enrolment {
	const char *person_id, *name;
	bool replace;
	bool duplicate_ok;
	size_t at; /* the picture at fault */
	size_t count;
	struct face_template templates[UPLOAD_PICTURES_MAX];
	float quality[UPLOAD_PICTURES_MAX];
	int64_t ids[UPLOAD_PICTURES_MAX];
	size_t pool_peak;
};

static enum status read_params(struct request *r, struct enrolment *e)
{
	const char *mode = request_param(r, "mode");
	const char *duplicate = request_param(r, "duplicate");
	enum status st = request_check_params(r);

	if (st == ST_OK)
		st = request_person(r, &e->person_id);
	if (st != ST_OK)
		return st;
	e->name = request_param(r, "name");
	if (e->name != NULL && !request_name_ok(e->name))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "name must have at most %d bytes and no control "
			       "characters",
			       PERSON_NAME_MAX);
	if (mode != NULL && strcmp(mode, "append") != 0 &&
	    strcmp(mode, "replace") != 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "mode must be append or replace");
	if (duplicate != NULL && strcmp(duplicate, "refuse") != 0 &&
	    strcmp(duplicate, "allow") != 0)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "duplicate must be refuse or allow");
	e->duplicate_ok = duplicate != NULL && strcmp(duplicate, "allow") == 0;
	e->replace = mode != NULL && strcmp(mode, "replace") == 0;
	return ST_OK;
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

	for (e->at = 0; e->at < e->count; e->at++) {
		struct gallery_hit hits[2];
		struct db_person other;
		size_t n = gallery_identify(g, &e->templates[e->at], hits, 2);
		size_t i = n > 0 && hits[0].person_key == own_key;

		if (i >= n || hits[i].score < cut)
			continue;
		if (db_person_by_key(r->srv->db, hits[i].person_key, &other,
				     NULL) == ST_OK)
			(void)snprintf(r->held_by, sizeof(r->held_by), "%s",
				       other.id);
		return err_set(&r->err, ST_DUPLICATE_FACE,
			       "this face is enrolled under another id; "
			       "duplicate=allow enrols it all the same");
	}
	return ST_OK;
}

/* Room, commit and gallery are one step under one lock, so that the file and
 * the gallery never disagree. A crash in between is healed at the next start,
 * which fills the gallery from the file. */
static enum status store(struct request *r, struct enrolment *e)
{
	struct srv *srv = r->srv;
	struct gallery *g = engine_gallery(srv->engine);
	struct db_person old = { 0 };
	int64_t key = 0;
	enum status st;

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
			       .count = e->count,
			       .key_id = r->key_id,
			       .now_ms = srv_wall_ms() },
		       &key, e->ids, &r->err);
	if (st == ST_OK)
		st = gallery_put(g, key, e->ids, e->templates, e->count,
				 e->replace);
done:
	pthread_mutex_unlock(&srv->enrol_lock);
	return st;
}

static void answer(struct request *r, const struct enrolment *e, json_t *list)
{
	struct db_person person;
	size_t i;
	json_t *item;
	char where[sizeof("/people/") + PERSON_ID_MAX];

	if (db_person_get(r->srv->db, e->person_id, &person, &r->err) !=
	    ST_OK) {
		json_decref(list);
		reply_problem(r, NULL);
		return;
	}
	json_array_foreach(list, i, item) json_object_set_new(
		item, "template_id", json_integer(e->ids[i]));
	reply_json(r, 201,
		   json_pack("{s:s, s:s, s:o, s:I, s:s, s:I}", "person_id",
			     person.id, "name", person.name, "enrolled", list,
			     "templates", (json_int_t)person.templates, "model",
			     engine_info(r->srv->engine)->model_id,
			     "pool_peak_bytes", (json_int_t)e->pool_peak));
	snprintf(where, sizeof(where), "/people/%s", person.id);
	reply_header(r, "Location", where);
}

void handle_enroll(struct request *r, unsigned slot)
{
	struct enrolment e = { 0 };
	struct picture p = { 0 };
	json_t *list = json_array();
	char part[32];
	enum status st;

	picture_begin(r, slot);
	for (;;) {
		snprintf(part, sizeof(part), "image[%zu]", e.count);
		st = picture_next(r, slot, &p);
		if (st != ST_OK)
			break;
		if (e.count == UPLOAD_PICTURES_MAX) {
			st = err_set(&r->err, ST_BAD_REQUEST,
				     "at most %d pictures at once",
				     UPLOAD_PICTURES_MAX);
			break;
		}
		st = picture_embed(r, slot, &p, DECIDE_ENROL);
		if (st != ST_OK)
			break;
		e.quality[e.count] = p.quality;
		e.templates[e.count++] = p.template;
		e.pool_peak = p.receipt.pool_peak_bytes;
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "face",
					picture_face_json(&p.faces[0]),
					"quality", picture_quality_json(&p)));
	}
	if (st != ST_END) {
		reply_problem(r, part);
		goto done;
	}
	st = read_params(r, &e);
	if (st == ST_OK && e.count == 0)
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "the body has no picture");
	if (st == ST_OK)
		st = store(r, &e);
	if (st != ST_OK) {
		(void)snprintf(part, sizeof(part), "image[%zu]", e.at);
		reply_problem(r, st == ST_DUPLICATE_FACE ? part : NULL);
		goto done;
	}
	picture_account(r, &p, -1);
	answer(r, &e, json_incref(list));
done:
	json_decref(list);
}
