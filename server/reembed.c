#include "reembed.h"

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "engine_setup.h"
#include "enrolment.h"
#include "log.h"
#include "srv.h"

#define RETRY_US     60000000
#define RECOUNT_EACH 32 /* templates: counting looks at every person */

enum status reembed_open(struct srv *srv, struct errinfo *err)
{
	int64_t all = 0, waiting = 0;
	enum status st = db_crops_count(srv->db,
					engine_info(srv->engine)->model_id,
					&all, &waiting, err);

	atomic_store(&srv->to_reembed, waiting);
	if (waiting > 0)
		srv->reembed.stage = REEMBED_BEGIN;
	else if (all > 0 && !srv->cfg.keep_crops)
		srv->reembed.stage = REEMBED_ERASE;
	return st;
}

bool reembed_is_due(const struct srv *srv)
{
	return srv->reembed.stage != REEMBED_OVER &&
	       srv_now_us() >= srv->reembed.not_before_us;
}

/* A row of the audit log, and a line of the daemon's. */
static enum status note(struct srv *srv, const char *action,
			struct errinfo *err)
{
	const char *model = engine_info(srv->engine)->model_id;
	struct db_by by = { NULL, srv_wall_ms() };
	enum status st = db_audit_note(srv->db, &by, action, model, err);

	if (st == ST_OK)
		log_line(LOG_INFO, action, "model=%s made=%lld waiting=%lld",
			 model, (long long)srv->reembed.made,
			 (long long)atomic_load(&srv->to_reembed));
	return st;
}

/* As with an enrolment: room, commit and gallery are one step. */
static enum status store(struct srv *srv, const struct db_crop *crop,
			 const struct face_template *t, struct errinfo *err)
{
	struct gallery *g = engine_gallery(srv->engine);
	int64_t id = 0;
	enum status st;

	pthread_mutex_lock(&srv->enrol_lock);
	st = gallery_room(g, crop->person_key, 1, 0);
	if (st == ST_OK)
		st = db_crop_embedded(srv->db, crop,
				      engine_info(srv->engine)->model_id, t,
				      engine_quality(srv->engine, t),
				      srv_wall_ms(), &id, err);
	if (st == ST_OK) {
		st = gallery_put(g, crop->person_key, &id, t, 1, 0);
		atomic_fetch_sub(&srv->to_reembed, 1);
		if (++srv->reembed.made % RECOUNT_EACH == 0)
			enrolment_recount(srv);
	}
	pthread_mutex_unlock(&srv->enrol_lock);
	if (st == ST_GALLERY_FULL)
		err_set(err, st,
			"the gallery has no room for templates that "
			"are made anew");
	/* It was deleted meanwhile. */
	return st == ST_NO_SUCH_TEMPLATE ? ST_OK : st;
}

/* *found is false when none is left. */
static enum status embed_next(struct srv *srv, unsigned slot, bool *found,
			      struct errinfo *err)
{
	struct reembed *job = &srv->reembed;
	uint8_t rgb[FACE_CROP_BYTES];
	struct face_template t;
	struct db_crop crop;
	enum status st = db_crop_next(srv->db,
				      engine_info(srv->engine)->model_id,
				      job->last, &crop, rgb, found, err);

	if (st != ST_OK || !*found)
		return st;
	engine_begin(srv->engine, slot);
	st = engine_embed_enrolment(srv->engine, slot, rgb, &t, err);
	explicit_bzero(rgb, sizeof(rgb));
	if (st == ST_OK)
		st = store(srv, &crop, &t, err);
	/* This model finds nothing in it: the next one may. */
	if (st == ST_OK || st == ST_NO_FACE)
		job->last = crop.id;
	return st == ST_NO_FACE ? ST_OK : st;
}

static enum status embed(struct srv *srv, unsigned slot, struct errinfo *err)
{
	bool found = false;
	enum status st = embed_next(srv, slot, &found, err);

	if (st != ST_OK || found)
		return st;
	pthread_mutex_lock(&srv->enrol_lock);
	enrolment_recount(srv);
	pthread_mutex_unlock(&srv->enrol_lock);
	st = note(srv, "reembed_end", err);
	if (st == ST_OK)
		srv->reembed.stage = srv->cfg.keep_crops ? REEMBED_OVER
							 : REEMBED_ERASE;
	return st;
}

static enum status erase(struct srv *srv, struct errinfo *err)
{
	struct db_by by = { NULL, srv_wall_ms() };
	bool more = false;
	enum status st;

	/* Under the lock of enrolments: what waits becomes less. */
	pthread_mutex_lock(&srv->enrol_lock);
	st = db_crops_erase(srv->db, &by, &more, err);
	if (st == ST_OK && !more) {
		srv->reembed.stage = REEMBED_OVER;
		enrolment_recount(srv);
	}
	pthread_mutex_unlock(&srv->enrol_lock);
	if (st == ST_OK && !more)
		log_line(LOG_INFO, "crops_erase", "keep_crops=false");
	return st;
}

void reembed_step(struct srv *srv, unsigned slot)
{
	struct reembed *job = &srv->reembed;
	struct errinfo err;
	enum status st = ST_OK;

	err_clear(&err);
	switch (job->stage) {
	case REEMBED_BEGIN:
		st = note(srv, "reembed_begin", &err);
		if (st == ST_OK)
			job->stage = REEMBED_EMBED;
		break;
	case REEMBED_EMBED:
		st = embed(srv, slot, &err);
		break;
	case REEMBED_ERASE:
		st = erase(srv, &err);
		break;
	default:
		break;
	}
	if (st != ST_OK && st != job->told)
		log_line(LOG_ERROR, "not_reembedded", "code=%s text=\"%s\"",
			 status_code(st), err.text);
	job->told = st;
	if (st != ST_OK)
		job->not_before_us = srv_now_us() + RETRY_US;
}
