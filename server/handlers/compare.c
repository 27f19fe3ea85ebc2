/* POST /compare: are these two the same? POST /detect: every face. Neither
 * stores anything. */
#include <string.h>

#include "handlers/decision.h"
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "srv.h"
#include "picture.h"
#include "reply.h"

void handle_compare(struct request *r, unsigned slot)
{
	struct engine *e = r->srv->engine;
	struct face_template first = { 0 };
	struct picture p = { 0 };
	json_t *faces = json_array(), *quality = json_array();

	if (picture_two(r, slot, &p, &first, faces, quality) != ST_OK) {
		reply_problem(r, p.part);
	} else {
		double fmr = r->srv->cfg.target_fmr;
		float cut = engine_threshold(e, fmr);
		float score = template_cosine(&first, &p.template);

		picture_account(r, &p, -1);
		reply_json(
			r, 200,
			json_pack("{s:b, s:o*, s:o, s:f, s:s, s:O, s:O, s:o, "
				  "s:I}",
				  "match", score >= cut, "score",
				  decision_score(r, score), "threshold",
				  jsonvalue_real((double)cut, 4), "target_fmr",
				  fmr, "model", engine_info(e)->model_id,
				  "faces", faces, "quality", quality, "ms",
				  picture_ms_json(r, &p, -1), "pool_peak_bytes",
				  (json_int_t)p.receipt.pool_peak_bytes));
	}
	json_decref(faces);
	json_decref(quality);
}

/* What would keep this face from being enrolled, and the advice for it, as the
 * refusal would say both. */
static void add_advice(json_t *face, bool small, unsigned failed)
{
	json_t *names = reply_checks(failed);
	const char *hint = NULL;

	if (small)
		json_array_insert_new(names, 0, json_string("inter_eye_px"));
	if (small)
		hint = facequality_hint(ST_FACE_TOO_SMALL, 0);
	else if (failed != 0)
		hint = facequality_hint(ST_LOW_QUALITY, failed);
	json_object_set_new(face, "failed", names);
	json_object_set_new(face, "hint", reply_text(hint));
}

void handle_detect(struct request *r, unsigned slot)
{
	struct picture p = { 0 };
	json_t *faces;

	if (picture_one(r, slot, &p) != ST_OK) {
		reply_problem(r, NULL);
		return;
	}
	faces = json_array();
	for (size_t i = 0; i < p.face_count; i++) {
		json_t *f = picture_face_json(&p.faces[i]), *q;
		struct facequality parts;
		unsigned failed = 0;

		q = json_pack(
			"{s:o}", "inter_eye_px",
			jsonvalue_real((double)p.faces[i].inter_eye_px, 1));
		/* A face whose landmarks cannot be aligned has no parts. */
		if (picture_measure(r, slot, &p, &p.faces[i], &parts) ==
		    ST_OK) {
			picture_add_parts(q, &parts);
			failed = facequality_failed(&parts, &r->srv->cfg);
		}
		json_object_set_new(f, "quality", q);
		add_advice(f,
			   p.faces[i].inter_eye_px <
				   (float)r->srv->cfg.min_inter_eye_px,
			   failed);
		json_array_append_new(faces, f);
	}
	err_clear(&r->err);
	picture_account(r, &p, -1);
	reply_json(r, 200,
		   json_pack("{s:i, s:i, s:i, s:o, s:o, s:I}", "width",
			     (int)p.info.width_px, "height",
			     (int)p.info.height_px, "orientation",
			     (int)p.info.orientation, "faces", faces, "ms",
			     picture_ms_json(r, &p, -1), "pool_peak_bytes",
			     (json_int_t)p.receipt.pool_peak_bytes));
}
