#include "picture.h"

#include <stdio.h>

#include "engine_setup.h"
#include "jsonvalue.h"
#include "srv.h"
#include "reply.h"

_Static_assert(FACE_CROP_BYTES / 3 == ENGINE_CROP_PX * ENGINE_CROP_PX,
	       "a crop is what the embedder sees");

void picture_begin(struct request *r, unsigned slot)
{
	engine_begin(r->srv->engine, slot);
}

void picture_blame(struct picture *p, size_t number)
{
	p->part[0] = '\0';
	if (number > 0)
		(void)snprintf(p->part, sizeof(p->part), "image[%zu]",
			       number - 1);
}

enum status picture_next(struct request *r, unsigned slot, struct picture *p)
{
	struct engine *e = r->srv->engine;
	struct byte_source src = { upload_read, r->upload };
	enum status st = upload_next_picture(r->upload, &r->err);
	enum status body;
	size_t at = st == ST_OK ? ++p->number : 0;

	if (st == ST_OK)
		st = engine_decode(e, slot, &src, &p->info, &r->err);
	if (st == ST_OK && p->for_door && r->srv->cfg.early_exit)
		st = engine_detect_largest(e, slot, p->faces, ENGINE_FACES_MAX,
					   &p->face_count, &r->err);
	else if (st == ST_OK)
		st = engine_detect(e, slot, p->faces, ENGINE_FACES_MAX,
				   &p->face_count, &r->err);
	engine_receipt(e, slot, &p->receipt);
	/* The decoder knows no more than that bytes were missing. */
	if (st != ST_OK && st != ST_END) {
		body = upload_failure(r->upload, &r->err, &at);
		st = body != ST_OK ? body : st;
	}
	picture_blame(p, at);
	return st;
}

/* The crop of a face, and what it and the face say of the picture. */
static enum status crop_face(struct request *r, unsigned slot,
			     const struct picture *p, const struct face *f,
			     uint8_t rgb[FACE_CROP_BYTES],
			     struct facequality *out)
{
	enum status st = engine_align(r->srv->engine, slot, f, ENGINE_CROP_PX,
				      rgb, &r->err);

	if (st == ST_OK)
		facequality_measure(f, &p->info, rgb, out);
	return st;
}

enum status picture_measure(struct request *r, unsigned slot,
			    const struct picture *p, const struct face *f,
			    struct facequality *out)
{
	uint8_t rgb[FACE_CROP_BYTES];

	return crop_face(r, slot, p, f, rgb, out);
}

/* The components that are too poor to enrol. */
static enum status check_parts(struct request *r, const struct picture *p)
{
	r->failed_checks |= facequality_failed(&p->parts, &r->srv->cfg);
	if (r->failed_checks == 0)
		return ST_OK;
	return err_set(&r->err, ST_LOW_QUALITY,
		       "%s of the picture is not good enough to enrol",
		       facequality_word(r->failed_checks));
}

enum status picture_embed(struct request *r, unsigned slot, struct picture *p,
			  enum decide_purpose purpose)
{
	const struct config *cfg = &r->srv->cfg;
	struct engine *e = r->srv->engine;
	uint8_t own[FACE_CROP_BYTES], *rgb = p->crop ? p->crop : own;
	enum status st = decide_person(p->faces, p->face_count, purpose,
				       cfg->min_inter_eye_px, &r->err);

	if (st == ST_OK)
		st = crop_face(r, slot, p, &p->faces[0], rgb, &p->parts);
	if (st == ST_OK && purpose == DECIDE_ENROL)
		st = engine_embed_enrolment(e, slot, rgb, &p->template,
					    &r->err);
	else if (st == ST_OK)
		st = engine_embed_crop(e, slot, rgb, &p->template, &r->err);
	engine_receipt(e, slot, &p->receipt);
	if (st != ST_OK)
		return st;
	p->quality = engine_quality(e, &p->template);
	st = decide_quality(p->quality, cfg->quality_min, &r->err);
	r->failed_checks = st == ST_OK ? 0 : CHECK_OVERALL;
	/* The first failure's text stays; the others are told by name. */
	if (purpose == DECIDE_ENROL && check_parts(r, p) != ST_OK)
		st = ST_LOW_QUALITY;
	return st;
}

enum status picture_one(struct request *r, unsigned slot, struct picture *p)
{
	enum status st;

	picture_begin(r, slot);
	st = picture_next(r, slot, p);
	if (st == ST_END)
		return err_set(&r->err, ST_BAD_REQUEST,
			       "the body has no picture");
	if (st == ST_OK)
		st = upload_drain(r->upload, &r->err);
	if (st == ST_OK && upload_picture_count(r->upload) != 1)
		st = err_set(&r->err, ST_BAD_REQUEST,
			     "this route takes one picture");
	return st;
}

enum status picture_two(struct request *r, unsigned slot, struct picture *p,
			struct face_template *first, json_t *faces,
			json_t *quality)
{
	enum status st = ST_OK;
	size_t n = 0;

	picture_begin(r, slot);
	for (; n < 3; n++) {
		st = picture_next(r, slot, p);
		if (st == ST_OK && n < 2)
			st = picture_embed(r, slot, p, DECIDE_PROBE);
		if (st != ST_OK)
			break;
		if (n == 0)
			*first = p->template;
		if (faces == NULL)
			continue;
		json_array_append_new(faces, picture_face_json(&p->faces[0]));
		json_array_append_new(quality, picture_quality_json(p));
	}
	if (n < 3 && st != ST_END)
		return st;
	if (n == 2)
		return ST_OK;
	picture_blame(p, 0);
	return err_set(&r->err, ST_BAD_REQUEST,
		       "this route compares exactly two pictures");
}

void picture_account(struct request *r, const struct picture *p,
		     int64_t match_us)
{
	struct counters_work *w = &r->work;

	w->pictures = true;
	w->us[STAGE_DECODE] = p->receipt.decode_us;
	w->us[STAGE_DETECT] = p->receipt.detect_us;
	w->us[STAGE_ALIGN] = p->receipt.align_us;
	w->us[STAGE_EMBED] = p->receipt.embed_us;
	w->us[STAGE_MATCH] = match_us > 0 ? (uint64_t)match_us : 0;
	w->us[STAGE_TOTAL] = srv_now_us() - r->start_us;
	w->pool_peak_bytes = p->receipt.pool_peak_bytes;
}

json_t *picture_face_json(const struct face *f)
{
	return jsonvalue_face(f, 1, 4);
}

void picture_add_parts(json_t *quality, const struct facequality *q)
{
	json_object_set_new(quality, "sharpness",
			    jsonvalue_real((double)q->sharpness, 0));
	json_object_set_new(quality, "exposure",
			    jsonvalue_real((double)q->exposure, 0));
	json_object_set_new(quality, "yaw_deg",
			    jsonvalue_real((double)q->yaw_deg, 0));
	json_object_set_new(quality, "roll_deg",
			    jsonvalue_real((double)q->roll_deg, 0));
	json_object_set_new(quality, "cut_off", json_boolean(q->cut_off));
}

json_t *picture_quality_json(const struct picture *p)
{
	json_t *q = jsonvalue_quality(p->quality, &p->faces[0], &p->template);

	picture_add_parts(q, &p->parts);
	return q;
}

static json_t *ms(uint64_t us)
{
	return jsonvalue_real((double)us / 1e3, 2);
}

json_t *picture_ms_json(const struct request *r, const struct picture *p,
			int64_t match_us)
{
	json_t *o = json_pack(
		"{s:o, s:o, s:o, s:o}", "decode", ms(p->receipt.decode_us),
		"detect", ms(p->receipt.detect_us), "align",
		ms(p->receipt.align_us), "embed", ms(p->receipt.embed_us));

	if (match_us >= 0)
		json_object_set_new(o, "match", ms((uint64_t)match_us));
	json_object_set_new(o, "total", ms(srv_now_us() - r->start_us));
	return o;
}
