/* POST /identify: who is this? */
#include <math.h>
#include <string.h>

#include "engine_setup.h"
#include "handlers/decision.h"
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "srv.h"
#include "reply.h"

#define TOP_MAX 10

/* Everybody at or above the cut, best first. */
static enum status name_hits(struct request *r, const struct gallery_hit *hits,
			     size_t n, float cut, struct db_person *best,
			     json_t *list)
{
	for (size_t i = 0; i < n && hits[i].score >= cut; i++) {
		struct db_person person;
		enum status st = db_person_by_key(
			r->srv->db, hits[i].person_key, &person, &r->err);

		if (st != ST_OK)
			return st;
		if (i == 0)
			*best = person;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o*, s:I}", "person_id",
					person.id, "name", person.name, "score",
					decision_score(r, hits[i].score),
					"template_id",
					(json_int_t)hits[i].template_id));
	}
	return ST_OK;
}

static enum status search(struct request *r, const struct picture *p,
			  bool low_quality, size_t top, struct db_person *best,
			  struct outcome *o)
{
	struct engine *e = r->srv->engine;
	struct gallery_hit hits[TOP_MAX];
	uint64_t start = srv_now_us();
	size_t n;
	enum status st;

	o->fmr = decide_search_fmr(r->srv->cfg.target_fmr,
				   gallery_count(engine_gallery(e)));
	o->cut = engine_threshold(e, o->fmr);
	/* The table ends somewhere: say what the cut really stands for. */
	o->fmr = engine_fmr(e, o->cut);
	n = gallery_identify(engine_gallery(e), &p->template, hits, top);
	o->match_us = (int64_t)(srv_now_us() - start);
	if (n == 0) {
		o->decision = DECIDE_DENY;
		o->reason = "no_templates";
		return ST_OK;
	}
	o->score = hits[0].score;
	o->decision = decide_score(o->score, o->cut, low_quality, &o->reason);
	if (o->decision != DECIDE_ALLOW)
		return ST_OK;
	st = name_hits(r, hits, n, o->cut, best, o->candidates);
	if (st != ST_OK)
		return st;
	o->template_id = hits[0].template_id;
	o->person_id = best->id;
	o->name = best->name;
	return ST_OK;
}

void handle_identify(struct request *r, unsigned slot)
{
	struct outcome o = { .route = "identify",
			     .decision = DECIDE_DENY,
			     .person_id = "",
			     .score = NAN,
			     .cut = NAN,
			     .fmr = (double)NAN,
			     .match_us = -1 };
	struct db_person best;
	struct picture p = { 0 };
	int64_t top = 1;
	enum status st = picture_only(r, slot, &p);

	if (st == ST_OK)
		st = request_door(r, &o.door_id);
	if (st == ST_OK)
		st = request_int(r, "top", 1, TOP_MAX, 1, &top);
	if (st == ST_OK)
		st = picture_embed(r, slot, &p, DECIDE_PROBE);
	o.why = st;
	if (st == ST_OK || st == ST_LOW_QUALITY) {
		o.candidates = json_array();
		st = search(r, &p, st == ST_LOW_QUALITY, (size_t)top, &best,
			    &o);
	} else if (decision_is_deny(st)) {
		o.candidates = json_array();
		o.reason = status_code(st);
		st = ST_OK;
	}
	/* A person deleted between search and look-up is nobody any more. */
	if (st == ST_NO_SUCH_PERSON) {
		o.decision = DECIDE_DENY;
		o.reason = "below_threshold";
		json_array_clear(o.candidates);
		st = ST_OK;
	}
	if (st != ST_OK) {
		json_decref(o.candidates);
		reply_problem(r, NULL);
		return;
	}
	decision_reply(r, &p, &o);
}
