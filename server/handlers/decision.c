#include "handlers/decision.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "credential.h"
#include "doorrule.h"
#include "engine_setup.h"
#include "jsonvalue.h"
#include "log.h"
#include "srv.h"
#include "reply.h"

/* An answer that arrives later than this must not open a door any more. */
#define EXPIRES_MS 10000
/* Times that one picture is compared, while what it matches is erased. */
#define MADE_MAX 3

bool decision_is_deny(enum status st)
{
	return st == ST_NO_FACE || st == ST_SEVERAL_FACES ||
	       st == ST_FACE_TOO_SMALL;
}

json_t *decision_score(const struct request *r, float score)
{
	return request_sees_scores(r) ? jsonvalue_real((double)score, 4) : NULL;
}

static void fill_event(struct match_event *ev, const struct request *r,
		       const struct picture *p, const struct outcome *o,
		       int64_t at_ms)
{
	memset(ev, 0, sizeof(*ev));
	ev->at_ms = at_ms;
	snprintf(ev->route, sizeof(ev->route), "%s", o->route);
	snprintf(ev->person_id, sizeof(ev->person_id), "%s",
		 o->person ? o->person->id : "");
	snprintf(ev->door_id, sizeof(ev->door_id), "%s", o->door_id);
	snprintf(ev->decision, sizeof(ev->decision), "%s",
		 decide_word(o->decision));
	snprintf(ev->reason, sizeof(ev->reason), "%s", o->reason);
	ev->score = (double)o->score;
	ev->threshold = (double)o->cut;
	snprintf(ev->model_id, sizeof(ev->model_id), "%s",
		 engine_info(r->srv->engine)->model_id);
	snprintf(ev->request_id, sizeof(ev->request_id), "%s", r->id);
	ev->total_us = (int64_t)(srv_now_us() - r->start_us);
	ev->pool_peak_bytes = (int64_t)p->receipt.pool_peak_bytes;
	ev->person_key = o->person ? o->person->key : 0;
	ev->template_id = o->decision == DECIDE_ALLOW ? o->template_id : 0;
}

enum status decision_door(struct request *r, struct outcome *o,
			  struct db_door *door)
{
	enum status st = request_door(r, &o->door_id);
	size_t any = 0;

	if (st != ST_OK || o->door_id[0] == '\0')
		return st;
	st = db_door_get(r->srv->db, o->door_id, door, &r->err);
	if (st == ST_OK) {
		o->door = door;
	} else if (st == ST_NO_SUCH_DOOR) {
		err_clear(&r->err);
		st = db_doors_list(r->srv->db, "", door, 1, &any, &r->err);
		if (st == ST_OK && any > 0)
			st = err_set(&r->err, ST_NO_SUCH_DOOR,
				     "no door has this id");
	}
	return st;
}

double decision_target(const struct request *r, const struct outcome *o)
{
	return o->door != NULL && !isnan(o->door->target_fmr)
		       ? o->door->target_fmr
		       : r->srv->cfg.target_fmr;
}

void decision_cut(const struct request *r, struct outcome *o, double fmr)
{
	const struct engine *e = r->srv->engine;
	bool own = o->door != NULL && !isnan(o->door->min_score);

	o->cut = own ? (float)o->door->min_score : engine_threshold(e, fmr);
	o->fmr = engine_fmr(e, o->cut);
	/* The table ends somewhere; within it, say the rate that was asked. */
	if (!own && fabs(o->fmr / fmr - 1) < 0.01)
		o->fmr = fmr;
}

void decision_obey(struct outcome *o)
{
	const char *why = NULL;

	if (o->decision == DECIDE_ALLOW)
		why = doorrule_refusal(o->person, o->door, srv_wall_ms());
	if (why != NULL) {
		o->decision = DECIDE_DENY;
		o->reason = why;
	}
}

/* What the door's controller may replay to the panel behind it. */
static json_t *credential_json(const struct outcome *o)
{
	unsigned bits;
	uint64_t value;
	char hex[17];

	if (o->decision != DECIDE_ALLOW || o->person == NULL ||
	    o->door == NULL ||
	    !credential_encode(o->door->credential, o->person->card.facility,
			       o->person->card.number, &bits, &value))
		return json_null();
	credential_hex(bits, value, hex);
	return json_pack("{s:s, s:i, s:s, s:o, s:I}", "format",
			 o->door->credential, "bits", (int)bits, "data", hex,
			 "facility",
			 o->person->card.facility < 0
				 ? json_null()
				 : json_integer(o->person->card.facility),
			 "number", (json_int_t)o->person->card.number);
}

enum status decision_log(struct request *r, const struct picture *p,
			 const struct outcome *o, int64_t at_ms,
			 int64_t *log_id)
{
	struct match_event ev;
	enum status st;

	/* What the picture lacked is the reason now and no error any more. */
	err_clear(&r->err);
	*log_id = 0;
	picture_account(r, p, o->match_us);
	fill_event(&ev, r, p, o, at_ms);
	st = db_log_add(r->srv->db, &ev, log_id, &r->err);
	/* A disk that takes no row locks nobody out or in; that there is none
	 * is told. */
	if (st != ST_OK && st != ST_NO_SUCH_PERSON &&
	    st != ST_NO_SUCH_TEMPLATE) {
		log_line(LOG_ERROR, "not_logged",
			 "request=%s decision=%s code=%s", r->id, ev.decision,
			 status_code(st));
		err_clear(&r->err);
		st = ST_OK;
	}
	if (st != ST_OK)
		return st;
	r->work.decision = decide_word(o->decision);
	r->work.reason = o->reason;
	events_wake(r->srv->events);
	return ST_OK;
}

void decision_erased(struct outcome *o)
{
	o->decision = DECIDE_DENY;
	o->reason = "below_threshold";
	o->template_id = 0;
	/* Of a search nothing is left. */
	if (o->candidates == NULL)
		return;
	o->person = NULL;
	json_array_clear(o->candidates);
}

static bool found_what_is_gone(struct request *r, const struct picture *p,
			       struct outcome *o)
{
	o->at_ms = srv_wall_ms();
	o->logged = decision_log(r, p, o, o->at_ms, &o->log_id);
	return o->logged == ST_NO_SUCH_TEMPLATE ||
	       (o->logged == ST_NO_SUCH_PERSON && o->candidates != NULL);
}

bool decision_outdated(struct request *r, const struct picture *p,
		       struct outcome *o, enum status compared)
{
	if (compared == ST_OK && !found_what_is_gone(r, p, o))
		return false;
	decision_erased(o);
	if (++o->made == MADE_MAX) {
		(void)found_what_is_gone(r, p, o);
		return false;
	}
	/* The store is changed before the gallery, under this lock. */
	pthread_mutex_lock(&r->srv->enrol_lock);
	pthread_mutex_unlock(&r->srv->enrol_lock);
	err_clear(&r->err);
	return true;
}

void decision_reply(struct request *r, const struct picture *p,
		    struct outcome *o)
{
	const char *hint;
	json_t *j;

	if (o->logged != ST_OK) {
		json_decref(o->candidates);
		reply_problem(r, NULL);
		return;
	}
	j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o*, s:o, s:o, s:s}",
		      "decision", decide_word(o->decision), "reason", o->reason,
		      "person_id", reply_text(o->person ? o->person->id : NULL),
		      "name", reply_text(o->person ? o->person->name : NULL),
		      "door_id", reply_text(o->door_id), "score",
		      decision_score(r, o->score), "threshold",
		      jsonvalue_real((double)o->cut, 4), "target_fmr",
		      isnan(o->fmr) ? json_null() : json_real(o->fmr), "model",
		      engine_info(r->srv->engine)->model_id);
	json_object_set_new(j, "template_id",
			    o->template_id ? json_integer(o->template_id)
					   : json_null());
	hint = o->decision == DECIDE_ALLOW
		       ? NULL
		       : facequality_hint(o->why, r->failed_checks);
	json_object_set_new(j, "hint", reply_text(hint));
	json_object_set_new(j, "face",
			    p->face_count ? picture_face_json(&p->faces[0])
					  : json_null());
	json_object_set_new(j, "quality",
			    isnan(o->score) ? json_null()
					    : picture_quality_json(p));
	if (o->candidates != NULL)
		json_object_set_new(j, "candidates", o->candidates);
	json_object_set_new(j, "credential", credential_json(o));
	json_object_set_new(j, "liveness", json_string("not_checked"));
	json_object_set_new(j, "ms", picture_ms_json(r, p, o->match_us));
	json_object_set_new(
		j, "pool_peak_bytes",
		json_integer((json_int_t)p->receipt.pool_peak_bytes));
	json_object_set_new(j, "log_id",
			    o->log_id ? json_integer(o->log_id) : json_null());
	json_object_set_new(j, "at", jsonvalue_time(o->at_ms));
	json_object_set_new(j, "expires_at",
			    jsonvalue_time(o->at_ms + EXPIRES_MS));
	reply_json(r, 200, j);
}
