/* POST /identify: who is this? */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "docvalue.h"
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

/* The best persons, of a group or of all, and the number of templates that the
 * probe was compared with. */
static enum status rank(struct request *r, const struct picture *p,
			const char *group, struct gallery_hit *hits, size_t top,
			size_t *found, size_t *compared)
{
	struct gallery *g = engine_gallery(r->srv->engine);
	size_t cap = (size_t)r->srv->cfg.people_max, count;
	int64_t *keys;
	enum status st;

	if (group == NULL) {
		*compared = gallery_count(g);
		*found = gallery_identify(g, &p->template, hits, top);
		return ST_OK;
	}
	keys = request_page(r, (int64_t)cap, sizeof(*keys));
	if (keys == NULL)
		return ST_NO_MEMORY;
	st = db_group_keys(r->srv->db, group, keys, cap, &count, &r->err);
	if (st == ST_OK)
		*found = gallery_identify_among(g, &p->template, keys, count,
						hits, top, compared);
	free(keys);
	return st;
}

static enum status search(struct request *r, const struct picture *p,
			  bool low_quality, const char *group, size_t top,
			  struct db_person *best, struct outcome *o)
{
	struct gallery_hit hits[TOP_MAX];
	uint64_t start = srv_now_us();
	size_t n = 0, compared = 0;
	enum status st = rank(r, p, group, hits, top, &n, &compared);

	o->score = NAN;
	if (st != ST_OK)
		return st;
	decision_cut(r, o, decide_search_fmr(decision_target(r, o), compared));
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
	o->person = best;
	decision_obey(o);
	return ST_OK;
}

void handle_identify(struct request *r, unsigned slot)
{
	struct outcome o = { .route = "identify",
			     .decision = DECIDE_DENY,
			     .score = NAN,
			     .cut = NAN,
			     .fmr = (double)NAN,
			     .match_us = -1 };
	struct db_person best;
	struct db_door door;
	struct picture p = { .for_door = true };
	const char *group = NULL;
	int64_t top = 1;
	enum status st = picture_one(r, slot, &p);

	if (st == ST_OK)
		st = decision_door(r, &o, &door);
	if (st == ST_OK)
		st = request_int(r, "top", 1, TOP_MAX, 1, &top);
	if (st == ST_OK)
		group = request_param(r, "group");
	if (group != NULL &&
	    (!docvalue_id_ok(group) || strlen(group) > GROUP_ID_MAX))
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "group must be 1 to %d characters of A-Z a-z 0-9 "
			     ". _ : @ -",
			     GROUP_ID_MAX);
	if (st == ST_OK)
		st = picture_embed(r, slot, &p, DECIDE_PROBE);
	o.why = st;
	o.candidates = json_array();
	do {
		if (o.why == ST_OK || o.why == ST_LOW_QUALITY) {
			st = search(r, &p, o.why == ST_LOW_QUALITY, group,
				    (size_t)top, &best, &o);
		} else if (decision_is_deny(o.why)) {
			o.reason = status_code(o.why);
			st = ST_OK;
		}
		if (st != ST_OK && st != ST_NO_SUCH_PERSON) {
			json_decref(o.candidates);
			reply_problem(r, NULL);
			return;
		}
	} while (decision_outdated(r, &p, &o, st));
	decision_reply(r, &p, &o);
}
