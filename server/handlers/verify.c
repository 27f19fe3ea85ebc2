/* POST /verify: is this the person? */
#include <math.h>
#include <string.h>

#include "engine_setup.h"
#include "handlers/decision.h"
#include "handlers/handlers.h"
#include "srv.h"
#include "reply.h"

static void compare(struct request *r, const struct picture *p,
		    bool low_quality, struct outcome *o)
{
	struct engine *e = r->srv->engine;
	uint64_t start = srv_now_us();
	struct gallery_hit hit;

	decision_cut(r, o, decision_target(r, o));
	if (gallery_verify(engine_gallery(e), o->person->key, &p->template,
			   &hit) != ST_OK) {
		o->score = NAN;
		o->decision = DECIDE_DENY;
		o->reason = o->person->templates > 0 && o->person->usable == 0
				    ? "other_model"
				    : "no_templates";
	} else {
		o->score = hit.score;
		o->template_id = hit.template_id;
		o->decision = decide_score(hit.score, o->cut, low_quality,
					   &o->reason);
		decision_obey(o);
	}
	o->match_us = (int64_t)(srv_now_us() - start);
}

void handle_verify(struct request *r, unsigned slot)
{
	struct outcome o = { .route = "verify",
			     .decision = DECIDE_DENY,
			     .score = NAN,
			     .cut = NAN,
			     .fmr = (double)NAN,
			     .match_us = -1 };
	struct db_person person;
	struct db_door door;
	struct picture p = { .for_door = true };
	const char *person_id;
	enum status st = picture_one(r, slot, &p);

	if (st == ST_OK)
		st = request_person(r, &person_id);
	if (st == ST_OK)
		st = decision_door(r, &o, &door);
	if (st == ST_OK)
		st = db_person_get(r->srv->db, person_id, &person, &r->err);
	if (st != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	o.person = &person;
	st = picture_embed(r, slot, &p, DECIDE_PROBE);
	o.why = st;
	do {
		if (st == ST_OK || st == ST_LOW_QUALITY) {
			compare(r, &p, st == ST_LOW_QUALITY, &o);
		} else if (decision_is_deny(st)) {
			o.reason = status_code(st);
		} else {
			reply_problem(r, NULL);
			return;
		}
	} while (decision_outdated(r, &p, &o, ST_OK));
	decision_reply(r, &p, &o);
}
