/* POST /v1/vision/face/register, recognize, match, list and delete: for clients
 * of DeepStack and CodeProject.AI, in the shapes that these send and read. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine_setup.h"
#include "enrolment.h"
#include "handlers/decision.h"
#include "handlers/handlers.h"
#include "reply.h"
#include "srv.h"
#include "userid.h"

#define NAMED_MAX 16   /* faces of a picture that are looked up */
#define LIST_MAX  4096 /* userids in one answer */
#define LIST_PAGE 64

/* As alike as only the same picture is. */
#define SAME_SCORE 0.999f

static enum status read_userid(struct request *r, const char **userid,
			       char id[PERSON_ID_MAX + 1])
{
	*userid = request_param(r, "userid");
	if (*userid == NULL || (*userid)[0] == '\0')
		return err_set(&r->err, ST_BAD_REQUEST, "userid not specified");
	if (!userid_to_id(*userid, id))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "userid must have at most %d bytes and no "
			       "control characters, and not be \"unknown\"",
			       PERSON_NAME_MAX);
	return ST_OK;
}

/* A client that trains anew sends the same pictures again: once is enough.
 * Returns how many are new. */
static size_t drop_known(struct request *r, struct enrolment *e, int64_t key)
{
	struct gallery *g = engine_gallery(r->srv->engine);
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++) {
		struct gallery_hit hit;

		if (gallery_verify(g, key, &e->templates[i], &hit) == ST_OK &&
		    hit.score >= SAME_SCORE)
			continue;
		e->templates[kept] = e->templates[i];
		e->quality[kept] = e->quality[i];
		if (e->crops != NULL)
			memmove(e->crops + kept * FACE_CROP_BYTES,
				e->crops + i * FACE_CROP_BYTES,
				FACE_CROP_BYTES);
		kept++;
	}
	e->count = kept;
	return kept;
}

void handle_deepstack_register(struct request *r, unsigned slot)
{
	struct enrolment e = { 0 };
	struct db_person old;
	char id[PERSON_ID_MAX + 1];
	const char *userid, *duplicate;
	enum status st = ST_OK;
	bool known;

	if (enrolment_read(r, slot, &e, NULL) != ST_OK) {
		reply_problem(r, e.last.part);
		return;
	}
	if (read_userid(r, &userid, id) != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	duplicate = request_param(r, "duplicate");
	e.duplicate_ok = duplicate != NULL && strcmp(duplicate, "allow") == 0;
	e.person_id = id;
	e.name = strcmp(id, userid) == 0 ? NULL : userid;
	known = db_person_get(r->srv->db, id, &old, NULL) == ST_OK;
	if (!known || e.count == 0 || drop_known(r, &e, old.key) > 0)
		st = enrolment_store(r, &e);
	if (st != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	picture_account(r, &e.last, -1);
	reply_json(r, 200,
		   json_pack("{s:b, s:s}", "success", 1, "message",
			     known ? "face updated" : "face added"));
}

void handle_deepstack_delete(struct request *r, unsigned slot)
{
	char id[PERSON_ID_MAX + 1];
	const char *userid;
	enum status st = upload_drain(r->upload, &r->err);

	(void)slot;
	if (st == ST_OK)
		st = read_userid(r, &userid, id);
	if (st == ST_OK)
		st = enrolment_forget(r, id);
	/* Nobody of that name is there, which is what was asked for. */
	if (st != ST_OK && st != ST_NO_SUCH_PERSON)
		reply_problem(r, NULL);
	else
		reply_json(r, 200, json_pack("{s:b}", "success", 1));
}

static enum status list_people(struct request *r, json_t *faces)
{
	struct db_person *page = request_page(r, LIST_PAGE, sizeof(*page));
	char after[PERSON_ID_MAX + 1] = "";
	enum status st = page ? ST_OK : ST_NO_MEMORY;
	size_t n = LIST_PAGE;

	while (st == ST_OK && n == LIST_PAGE) {
		st = db_people_list(r->srv->db, after, page, LIST_PAGE, &n,
				    &r->err);
		for (size_t i = 0; st == ST_OK && i < n; i++)
			if (page[i].templates > 0)
				json_array_append_new(
					faces,
					json_string(userid_of(&page[i])));
		if (st == ST_OK && n > 0)
			memcpy(after, page[n - 1].id, sizeof(after));
		if (st == ST_OK && json_array_size(faces) > LIST_MAX)
			st = err_limit(&r->err, ST_BAD_REQUEST, LIST_MAX,
				       ERR_NO_NUMBER,
				       "more than %d people are enrolled: list "
				       "them with GET /people",
				       LIST_MAX);
	}
	free(page);
	return st;
}

void handle_deepstack_list(struct request *r, unsigned slot)
{
	json_t *faces = json_array();
	enum status st = upload_drain(r->upload, &r->err);

	(void)slot;
	if (st == ST_OK)
		st = list_people(r, faces);
	if (st != ST_OK)
		reply_problem(r, NULL);
	else
		reply_json(
			r, 200,
			json_pack("{s:b, s:O}", "success", 1, "faces", faces));
	json_decref(faces);
}

void handle_deepstack_match(struct request *r, unsigned slot)
{
	struct engine *engine = r->srv->engine;
	struct face_template first = { 0 };
	struct picture p = { 0 };

	if (picture_two(r, slot, &p, &first, NULL, NULL) != ST_OK) {
		reply_problem(r, p.part);
	} else {
		float cut = engine_threshold(engine, r->srv->cfg.target_fmr);

		picture_account(r, &p, -1);
		reply_json(
			r, 200,
			json_pack("{s:b, s:f}", "success", 1, "similarity",
				  decide_confidence(
					  template_cosine(&first, &p.template),
					  cut)));
	}
}

/* ---- recognize ---- */

struct seen {
	struct outcome o;
	int64_t key; /* of the person, 0 for nobody */
	double confidence;
	struct db_person person;
};

static enum status read_min_confidence(struct request *r, double *out)
{
	const char *text = request_param(r, "min_confidence");
	char *end;

	*out = 0;
	if (text == NULL || text[0] == '\0')
		return ST_OK;
	*out = strtod(text, &end);
	if (*end != '\0' || !(*out >= 0 && *out <= 1))
		return err_set(&r->err, ST_BAD_REQUEST,
			       "min_confidence must be a number from 0 to 1");
	return ST_OK;
}

/* Who one face is. A face that cannot be judged is nobody's. */
static enum status look_up(struct request *r, unsigned slot, struct picture *p,
			   const struct face *f, struct seen *s)
{
	struct engine *e = r->srv->engine;
	struct gallery *g = engine_gallery(e);
	uint64_t start;
	struct gallery_hit hit;
	enum status st;

	s->o = (struct outcome){ .route = "identify",
				 .decision = DECIDE_DENY,
				 .reason = "no_templates",
				 .door_id = "",
				 .score = NAN,
				 .cut = NAN,
				 .fmr = (double)NAN,
				 .match_us = -1 };
	st = decide_person(f, 1, DECIDE_PROBE, r->srv->cfg.min_inter_eye_px,
			   &r->err);
	if (st == ST_OK)
		st = engine_embed(e, slot, f, &p->template, &r->err);
	engine_receipt(e, slot, &p->receipt);
	if (decision_is_deny(st)) {
		s->o.reason = status_code(st);
		err_clear(&r->err);
		return ST_OK;
	}
	if (st != ST_OK)
		return st;
	st = decide_quality(engine_quality(e, &p->template),
			    r->srv->cfg.quality_min, &r->err);
	err_clear(&r->err);
	start = srv_now_us();
	decision_cut(
		r, &s->o,
		decide_search_fmr(r->srv->cfg.target_fmr, gallery_count(g)));
	if (gallery_identify(g, &p->template, &hit, 1) == 0)
		return ST_OK;
	s->o.match_us = (int64_t)(srv_now_us() - start);
	s->o.score = hit.score;
	s->o.template_id = hit.template_id;
	s->o.decision = decide_score(hit.score, s->o.cut, st != ST_OK,
				     &s->o.reason);
	if (s->o.decision == DECIDE_ALLOW) {
		s->key = hit.person_key;
		s->confidence = decide_confidence(hit.score, s->o.cut);
	}
	return ST_OK;
}

static void make_nobody(struct seen *s)
{
	s->key = 0;
	s->confidence = 0;
	decision_erased(&s->o);
	s->o.person = NULL;
}

/* Gives each person to the face that is most like them, and to no other; reads
 * who they are, and whether they are anybody now. */
static enum status name_faces(struct request *r, struct seen *seen, size_t n,
			      double min_confidence)
{
	enum status st = ST_OK;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			if (seen[i].key != 0 && seen[i].key == seen[j].key)
				make_nobody(seen[i].o.score > seen[j].o.score
						    ? &seen[j]
						    : &seen[i]);
		if (seen[i].key != 0 && seen[i].confidence < min_confidence)
			make_nobody(&seen[i]);
	}
	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (seen[i].key == 0)
			continue;
		st = db_person_by_key(r->srv->db, seen[i].key, &seen[i].person,
				      &r->err);
		if (st == ST_NO_SUCH_PERSON) { /* deleted meanwhile */
			make_nobody(&seen[i]);
			err_clear(&r->err);
			st = ST_OK;
			continue;
		}
		seen[i].o.person = &seen[i].person;
		decision_obey(&seen[i].o);
	}
	return st;
}

/* A row for each person, or one that nobody was named. */
static enum status log_faces(struct request *r, const struct picture *p,
			     struct seen *seen, size_t n)
{
	static const struct outcome nobody = { .route = "identify",
					       .decision = DECIDE_DENY,
					       .reason = "no_face",
					       .door_id = "",
					       .score = NAN,
					       .cut = NAN,
					       .fmr = (double)NAN,
					       .match_us = -1 };
	int64_t at_ms = srv_wall_ms(), id;
	enum status st = ST_OK;
	size_t rows = 0;

	for (size_t i = 0; i < n && st == ST_OK; i++) {
		if (seen[i].o.person == NULL)
			continue;
		st = decision_log(r, p, &seen[i].o, at_ms, &id);
		if (st == ST_NO_SUCH_PERSON || st == ST_NO_SUCH_TEMPLATE) {
			make_nobody(&seen[i]);
			err_clear(&r->err);
			st = ST_OK;
		} else {
			rows++;
		}
	}
	if (rows == 0 && st == ST_OK)
		st = decision_log(r, p, n > 0 ? &seen[0].o : &nobody, at_ms,
				  &id);
	return st;
}

static int pixel(float at, uint32_t size)
{
	return (int)fminf(fmaxf(at, 0), (float)size);
}

static json_t *face_json(const struct picture *p, size_t i,
			 const struct seen *s)
{
	const float *box = p->faces[i].box;
	bool named = s != NULL && s->o.decision == DECIDE_ALLOW;

	return json_pack("{s:s, s:f, s:i, s:i, s:i, s:i}", "userid",
			 named ? userid_of(&s->person) : "unknown",
			 "confidence", named ? s->confidence : 0.0, "x_min",
			 pixel(box[0], p->info.width_px), "y_min",
			 pixel(box[1], p->info.height_px), "x_max",
			 pixel(box[0] + box[2], p->info.width_px), "y_max",
			 pixel(box[1] + box[3], p->info.height_px));
}

void handle_deepstack_recognize(struct request *r, unsigned slot)
{
	struct seen *seen = request_page(r, NAMED_MAX, sizeof(*seen));
	struct picture p = { 0 };
	double min_confidence = 0;
	json_t *list;
	size_t n = 0;
	enum status st = seen ? picture_one(r, slot, &p) : ST_NO_MEMORY;

	if (st == ST_OK)
		st = read_min_confidence(r, &min_confidence);
	for (; st == ST_OK && n < p.face_count && n < NAMED_MAX; n++)
		st = look_up(r, slot, &p, &p.faces[n], &seen[n]);
	if (st == ST_OK)
		st = name_faces(r, seen, n, min_confidence);
	if (st == ST_OK)
		st = log_faces(r, &p, seen, n);
	if (st != ST_OK) {
		reply_problem(r, NULL);
		free(seen);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < p.face_count; i++)
		json_array_append_new(
			list, face_json(&p, i, i < n ? &seen[i] : NULL));
	reply_json(r, 200,
		   json_pack("{s:b, s:o}", "success", 1, "predictions", list));
	free(seen);
}
