/* GET /healthz, /readyz and /version. */
#include "handlers/handlers.h"
#include "jsonvalue.h"
#include "srv.h"
#include "reply.h"

void handle_healthz(struct request *r, unsigned slot)
{
	(void)slot;
	reply_json(r, 200, json_pack("{s:s}", "status", "alive"));
}

/* Ready means: the built-in face goes through the whole pipeline of every
 * worker and gives the known template, the gallery is filled, and the store
 * takes writes now. A probe must not cost a door its worker's time, so the
 * pipeline does not run for it: the last round of the heartbeat counts. When
 * only doors' places are left the network thread answers, which must not wait
 * for the store. */
void handle_readyz(struct request *r, unsigned slot)
{
	struct srv *srv = r->srv;

	(void)slot;
	if (atomic_load(&srv->draining))
		err_set(&r->err, ST_NOT_READY, "the daemon is stopping");
	else if (atomic_load(&srv->heartbeat.failing))
		err_set(&r->err, ST_NOT_READY,
			"a worker hangs or fails its self-test");
	if (r->err.status == ST_OK &&
	    (r->upload == NULL || db_writable(srv->db, &r->err) == ST_OK)) {
		reply_json(
			r, 200,
			json_pack(
				"{s:s, s:o, s:I, s:I, s:I}", "status", "ready",
				"selftest_score",
				jsonvalue_real((double)srv->selftest_score, 4),
				"templates",
				(json_int_t)gallery_count(
					engine_gallery(srv->engine)),
				"people_waiting",
				(json_int_t)atomic_load(&srv->people_waiting),
				"templates_to_reembed",
				(json_int_t)atomic_load(&srv->to_reembed)));
		return;
	}
	/* Whatever failed, the answer to "ready?" is no, with the reason. */
	r->err.status = ST_NOT_READY;
	reply_problem(r, NULL);
}

void handle_version(struct request *r, unsigned slot)
{
	const struct engine_info *info = engine_info(r->srv->engine);
	const struct config *c = &r->srv->cfg;

	(void)slot;
	reply_json(
		r, 200,
		json_pack(
			"{s:s, s:s, s:s, s:s, s:{s:I, s:I, s:I, s:I, s:I, "
			"s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I}}",
			"version", FACEGATE_VERSION, "isa", info->isa, "model",
			info->model_id, "detector", info->detector_id, "limits",
			"pool_bytes", (json_int_t)info->pool_bytes, "workers",
			(json_int_t)c->workers, "queue_max",
			(json_int_t)c->queue_max, "gallery_max",
			(json_int_t)c->gallery_max, "body_max_bytes",
			(json_int_t)c->body_max_kib * 1024, "jpeg_max_width_px",
			(json_int_t)c->jpeg_max_width_px, "jpeg_max_megapixels",
			(json_int_t)c->jpeg_max_megapixels, "jpeg_max_scans",
			(json_int_t)c->jpeg_max_scans, "jpeg_strict",
			c->jpeg_strict, "min_face_px",
			(json_int_t)c->min_face_px, "min_inter_eye_px",
			(json_int_t)c->min_inter_eye_px, "quality_min",
			(json_int_t)c->quality_min, "connections_max",
			(json_int_t)c->connections_max));
}
