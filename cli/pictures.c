/* detect, embed, compare and align: pictures through one engine slot. */
#include <stdio.h>

#include "cli.h"
#include "decide.h"
#include "evaluate.h"
#include "ppm.h"
#include "progress.h"

/* One picture of a command that takes several: fills o and prints text. */
typedef enum status picture_fn(const struct cli *cli, struct engine *e,
			       const char *path, json_t *o,
			       struct errinfo *err);

static void add_error(json_t *o, const struct errinfo *err)
{
	json_object_set_new(
		o, "error",
		json_pack(
			"{s:s, s:s}", "code", status_code(err->status), "text",
			err->text[0] ? err->text : status_title(err->status)));
}

/* One object for one picture; {"pictures": [...]} for several. */
static void print_pictures(json_t *list)
{
	if (json_array_size(list) == 1) {
		cli_print_json(json_incref(json_array_get(list, 0)));
		json_decref(list);
	} else {
		cli_print_json(json_pack("{s:o}", "pictures", list));
	}
}

/* Errors do not stop the run: the other pictures are still worth having. */
static int each_picture(const struct cli *cli, picture_fn *fn)
{
	struct engine *e = NULL;
	struct progress bar;
	struct errinfo err;
	json_t *list;
	int code = EXIT_MATCH;

	err_clear(&err);
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK)
		return cli_fail(&err, NULL);
	list = json_array();
	progress_begin(&bar, "pictures", cli->arg_count);
	/* Text comes out as the run goes, and a bar would cut through it. */
	bar.visible = bar.visible && cli->json && cli->arg_count > 1;
	for (size_t i = 0; i < cli->arg_count; i++) {
		json_t *o = json_pack("{s:o}", "picture",
				      cli_text(cli->args[i]));
		enum status st;

		engine_begin(e, 0);
		err_clear(&err);
		st = fn(cli, e, cli->args[i], o, &err);
		if (st == ST_NO_FACE && code == EXIT_MATCH)
			code = EXIT_NO_MATCH;
		if (st != ST_OK && st != ST_NO_FACE)
			code = EXIT_ERROR;
		if (st != ST_OK) {
			cli_fail(&err, cli->args[i]);
			add_error(o, &err);
		}
		cli_add_cost(o, e, 0);
		json_array_append_new(list, o);
		progress_at(&bar, i + 1);
	}
	progress_end(&bar, cli->arg_count);
	if (cli->json)
		print_pictures(list);
	else
		json_decref(list);
	engine_close(e);
	return code;
}

static enum status detect_one(const struct cli *cli, struct engine *e,
			      const char *path, json_t *o, struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	size_t n;
	enum status st = cli_load(e, 0, path, &info, faces, &n, err);
	json_t *list;

	if (st != ST_OK)
		return st;
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		const struct face *f = &faces[i];

		json_array_append_new(list, cli_face_json(f));
		if (!cli->json)
			printf("%s: face %.0f,%.0f %.0fx%.0f confidence %.3f "
			       "eyes %.0f px apart\n",
			       path, (double)f->box[0], (double)f->box[1],
			       (double)f->box[2], (double)f->box[3],
			       (double)f->confidence, (double)f->inter_eye_px);
	}
	json_object_set_new(o, "width", json_integer(info.width_px));
	json_object_set_new(o, "height", json_integer(info.height_px));
	json_object_set_new(o, "work_width", json_integer(info.work_width_px));
	json_object_set_new(o, "work_height",
			    json_integer(info.work_height_px));
	json_object_set_new(o, "orientation", json_integer(info.orientation));
	json_object_set_new(o, "progressive", json_boolean(info.progressive));
	json_object_set_new(o, "warnings", json_integer(info.warnings));
	json_object_set_new(o, "faces", list);
	return n > 0 ? ST_OK : err_set(err, ST_NO_FACE, "no face was found");
}

int cli_detect(const struct cli *cli)
{
	return each_picture(cli, detect_one);
}

/* The largest face of a picture as a template, and as an object of o. */
static enum status embed_picture(struct engine *e, const char *path,
				 struct face_template *t, json_t *o,
				 struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	size_t n;
	enum status st = cli_load(e, 0, path, &info, faces, &n, err);

	if (st == ST_OK && n == 0)
		st = err_set(err, ST_NO_FACE, "no face was found");
	if (st == ST_OK)
		st = engine_embed(e, 0, &faces[0], t, err);
	if (st != ST_OK)
		return st;
	json_object_set_new(o, "face", cli_face_json(&faces[0]));
	json_object_set_new(
		o, "quality",
		jsonvalue_quality(engine_quality(e, t), &faces[0], t));
	return ST_OK;
}

static enum status embed_crop(struct engine *e, const char *path,
			      struct face_template *t, struct errinfo *err)
{
	uint8_t rgb[ENGINE_CROP_PX * ENGINE_CROP_PX * 3];
	enum status st = ppm_read(path, ENGINE_CROP_PX, rgb, err);

	return st == ST_OK ? engine_embed_crop(e, 0, rgb, t, err) : st;
}

static enum status embed_one(const struct cli *cli, struct engine *e,
			     const char *path, json_t *o, struct errinfo *err)
{
	struct face_template t;
	enum status st = cli->aligned ? embed_crop(e, path, &t, err)
				      : embed_picture(e, path, &t, o, err);
	json_t *v;

	if (st != ST_OK)
		return st;
	v = json_array();
	for (int k = 0; k < TEMPLATE_DIM; k++)
		json_array_append_new(v, json_integer(t.v[k]));
	json_object_set_new(o, "model", json_string(engine_info(e)->model_id));
	json_object_set_new(o, "template", v);
	json_object_set_new(o, "scale", json_real((double)t.scale));
	json_object_set_new(o, "length", json_real((double)t.length));
	if (cli->json)
		return ST_OK;
	printf("%s:", path);
	for (int k = 0; k < TEMPLATE_DIM; k++)
		printf(" %d", t.v[k]);
	putchar('\n');
	return ST_OK;
}

int cli_embed(const struct cli *cli)
{
	return each_picture(cli, embed_one);
}

/* What compare finds in its two pictures, for JSON. */
struct found {
	json_t *faces, *quality;
};

/* The person of a picture by the daemon's rules, as a template. */
static enum status person_of(const struct cli *cli, struct engine *e,
			     const char *path, struct face_template *t,
			     const struct found *found, struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	size_t n;
	enum status st = cli_load(e, 0, path, &info, faces, &n, err);

	if (st == ST_OK)
		st = decide_person(faces, n, DECIDE_PROBE,
				   cli->cfg.min_inter_eye_px, err);
	if (st == ST_OK)
		st = engine_embed(e, 0, &faces[0], t, err);
	if (st == ST_OK)
		st = decide_quality(engine_quality(e, t), cli->cfg.quality_min,
				    err);
	if (st != ST_OK)
		return st;
	json_array_append_new(found->faces, cli_face_json(&faces[0]));
	json_array_append_new(
		found->quality,
		jsonvalue_quality(engine_quality(e, t), &faces[0], t));
	return ST_OK;
}

int cli_compare(const struct cli *cli)
{
	struct face_template t[2];
	struct engine *e = NULL;
	struct errinfo err;
	struct found found;
	json_t *o;
	float score, cut;
	bool match;

	err_clear(&err);
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK)
		return cli_fail(&err, NULL);
	found.faces = json_array();
	found.quality = json_array();
	engine_begin(e, 0);
	for (int i = 0; i < 2; i++) {
		if (person_of(cli, e, cli->args[i], &t[i], &found, &err) ==
		    ST_OK)
			continue;
		json_decref(found.faces);
		json_decref(found.quality);
		engine_close(e);
		return cli_fail(&err, cli->args[i]);
	}
	score = template_cosine(&t[0], &t[1]);
	cut = engine_threshold(e, cli->cfg.target_fmr);
	match = score >= cut;
	o = json_pack("{s:b, s:o, s:o, s:f, s:s, s:o, s:o}", "match", match,
		      "score", jsonvalue_real((double)score, 5), "threshold",
		      jsonvalue_real((double)cut, 5), "target_fmr",
		      cli->cfg.target_fmr, "model", engine_info(e)->model_id,
		      "faces", found.faces, "quality", found.quality);
	cli_add_cost(o, e, 0);
	if (cli->json) {
		cli_print_json(o);
	} else {
		printf("%s: score %.4f, threshold %.4f (false match rate "
		       "%g)\n",
		       match ? "match" : "no match", (double)score, (double)cut,
		       cli->cfg.target_fmr);
		json_decref(o);
	}
	engine_close(e);
	return match ? EXIT_MATCH : EXIT_NO_MATCH;
}

int cli_align(const struct cli *cli)
{
	static uint8_t rgb[ENGINE_CROP_MAX_PX * ENGINE_CROP_MAX_PX * 3];
	unsigned side = cli->side > 0 ? cli->side : ENGINE_CROP_PX;
	struct face faces[ENGINE_FACES_MAX], cropped;
	const char *blame = cli->args[0];
	struct picture_info info;
	struct engine *e = NULL;
	struct errinfo err;
	enum status st;
	size_t n, at;

	err_clear(&err);
	st = cli_open_engine(cli, 1, &e, &err);
	if (st != ST_OK)
		return cli_fail(&err, NULL);
	engine_begin(e, 0);
	st = cli_load(e, 0, cli->args[0], &info, faces, &n, &err);
	if (st == ST_OK && n == 0)
		st = err_set(&err, ST_NO_FACE, "no face was found");
	if (st != ST_OK)
		goto done;
	at = cli->centre ? cli_central_face(faces, n, &info) : 0;
	cropped = faces[at];
	if (cli->margin)
		evaluate_margin_crop(&cropped);
	st = engine_align(e, 0, &cropped, side, rgb, &err);
	if (st == ST_OK) {
		blame = cli->args[1];
		st = ppm_write(cli->args[1], side, rgb, &err);
	}
	if (st == ST_OK && cli->json)
		cli_print_json(json_pack("{s:o, s:o, s:i, s:i, s:o}", "picture",
					 cli_text(cli->args[0]), "crop",
					 cli_text(cli->args[1]), "faces",
					 (int)n, "chosen", (int)at, "face",
					 cli_face_json(&faces[at])));
done:
	engine_close(e);
	if (st == ST_OK)
		return EXIT_MATCH;
	cli_fail(&err, blame);
	return st == ST_NO_FACE ? EXIT_NO_MATCH : EXIT_ERROR;
}
