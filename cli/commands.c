/* The small subcommands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "engine_setup.h"
#include "model/model.h"
#include "nn/nn.h"

static json_t *point(const float *p)
{
	return json_pack("[o, o]", cli_real((double)p[0], 2),
			 cli_real((double)p[1], 2));
}

static json_t *face_json(const struct face *f)
{
	json_t *marks = json_array();

	for (int i = 0; i < 5; i++)
		json_array_append_new(marks, point(f->landmarks[i]));
	return json_pack("{s:[o, o, o, o], s:o, s:o, s:o}", "box",
			 cli_real((double)f->box[0], 2),
			 cli_real((double)f->box[1], 2),
			 cli_real((double)f->box[2], 2),
			 cli_real((double)f->box[3], 2), "landmarks", marks,
			 "confidence", cli_real((double)f->confidence, 5),
			 "inter_eye_px", cli_real((double)f->inter_eye_px, 2));
}

static void add_cost(json_t *o, const struct engine *e, unsigned slot)
{
	struct engine_receipt r;

	engine_receipt(e, slot, &r);
	json_object_set_new(
		o, "ms",
		json_pack("{s:o, s:o, s:o, s:o}", "decode",
			  cli_real((double)r.decode_us / 1e3, 3), "detect",
			  cli_real((double)r.detect_us / 1e3, 3), "align",
			  cli_real((double)r.align_us / 1e3, 3), "embed",
			  cli_real((double)r.embed_us / 1e3, 3)));
	json_object_set_new(o, "pool_peak_bytes",
			    json_integer((json_int_t)r.pool_peak_bytes));
}

static json_t *picture_json(const char *path, const struct picture_info *p,
			    const struct face *faces, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, face_json(&faces[i]));
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:o}", "picture",
			 path, "width", (int)p->width_px, "height",
			 (int)p->height_px, "work_width", (int)p->work_width_px,
			 "work_height", (int)p->work_height_px, "orientation",
			 (int)p->orientation, "progressive", p->progressive,
			 "faces", list);
}

/* One object for one picture, an array for several. */
static void print_list(json_t *list)
{
	if (json_array_size(list) == 1) {
		json_t *only = json_incref(json_array_get(list, 0));

		json_decref(list);
		list = only;
	}
	cli_print_json(list);
}

int cli_detect(const struct cli *cli)
{
	struct face faces[ENGINE_FACES_MAX];
	struct engine *e = NULL;
	struct errinfo err;
	json_t *list = json_array();
	int code = EXIT_MATCH;

	err_clear(&err);
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK) {
		json_decref(list);
		return cli_fail(&err, "");
	}
	for (size_t i = 0; i < cli->arg_count; i++) {
		struct picture_info info;
		size_t n;
		json_t *o;

		engine_begin(e, 0);
		err_clear(&err);
		if (cli_load(e, 0, cli->args[i], &info, faces, &n, &err) !=
		    ST_OK) {
			code = cli_fail(&err, cli->args[i]);
			continue;
		}
		if (n == 0 && code == EXIT_MATCH)
			code = EXIT_NO_MATCH;
		o = picture_json(cli->args[i], &info, faces, n);
		add_cost(o, e, 0);
		json_array_append_new(list, o);
		for (size_t k = 0; k < n && !cli->json; k++)
			printf("%s: face %.0f,%.0f %.0fx%.0f confidence %.3f "
			       "eyes %.0f px apart\n",
			       cli->args[i], (double)faces[k].box[0],
			       (double)faces[k].box[1], (double)faces[k].box[2],
			       (double)faces[k].box[3],
			       (double)faces[k].confidence,
			       (double)faces[k].inter_eye_px);
		if (n == 0 && !cli->json)
			printf("%s: no face\n", cli->args[i]);
	}
	if (cli->json && json_array_size(list) > 0)
		print_list(list);
	else
		json_decref(list);
	engine_close(e);
	return code;
}

/* The face that a template is made of: the largest. */
static enum status embed_file(struct engine *e, const char *path,
			      struct face_template *t, size_t *faces_found,
			      struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	enum status st = cli_load(e, 0, path, &info, faces, faces_found, err);

	if (st == ST_OK && *faces_found == 0)
		return err_set(err, ST_NO_FACE, "no face found");
	return st == ST_OK ? engine_embed(e, 0, &faces[0], t, err) : st;
}

int cli_embed(const struct cli *cli)
{
	struct engine *e = NULL;
	struct errinfo err;
	json_t *list = json_array();
	int code = EXIT_MATCH;

	err_clear(&err);
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK) {
		json_decref(list);
		return cli_fail(&err, "");
	}
	for (size_t i = 0; i < cli->arg_count; i++) {
		struct face_template t;
		enum status st;
		json_t *v, *o;
		size_t n;

		engine_begin(e, 0);
		err_clear(&err);
		st = embed_file(e, cli->args[i], &t, &n, &err);
		if (st == ST_NO_FACE && code == EXIT_MATCH) {
			cli_fail(&err, cli->args[i]);
			code = EXIT_NO_MATCH;
		} else if (st != ST_OK) {
			code = cli_fail(&err, cli->args[i]);
		}
		if (st != ST_OK)
			continue;
		v = json_array();
		for (int k = 0; k < TEMPLATE_DIM; k++)
			json_array_append_new(v, json_integer(t.v[k]));
		o = json_pack("{s:s, s:s, s:o, s:f, s:f}", "picture",
			      cli->args[i], "model", engine_info(e)->model_id,
			      "template", v, "scale", (double)t.scale, "length",
			      (double)t.length);
		add_cost(o, e, 0);
		json_array_append_new(list, o);
		if (cli->json)
			continue;
		printf("%s:", cli->args[i]);
		for (int k = 0; k < TEMPLATE_DIM; k++)
			printf(" %d", t.v[k]);
		putchar('\n');
	}
	if (cli->json && json_array_size(list) > 0)
		print_list(list);
	else
		json_decref(list);
	engine_close(e);
	return code;
}

int cli_compare(const struct cli *cli)
{
	struct face_template t[2];
	struct engine *e = NULL;
	size_t n[2];
	struct errinfo err;
	double score, cut;
	int code = EXIT_ERROR;

	err_clear(&err);
	if (cli->arg_count != 2) {
		err_set(&err, ST_BAD_REQUEST, "compare needs two pictures");
		return cli_fail(&err, "");
	}
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK)
		return cli_fail(&err, "");
	for (int i = 0; i < 2; i++) {
		engine_begin(e, 0);
		if (embed_file(e, cli->args[i], &t[i], &n[i], &err) != ST_OK) {
			cli_fail(&err, cli->args[i]);
			goto done;
		}
	}
	score = (double)template_cosine(&t[0], &t[1]);
	cut = (double)engine_threshold(e, cli->cfg.target_fmr);
	code = score >= cut ? EXIT_MATCH : EXIT_NO_MATCH;
	if (cli->json) {
		json_t *o = json_pack(
			"{s:o, s:o, s:b, s:f, s:s, s:[i, i]}", "score",
			cli_real(score, 5), "threshold", cli_real(cut, 5),
			"match", code == EXIT_MATCH, "target_fmr",
			cli->cfg.target_fmr, "model", engine_info(e)->model_id,
			"faces", (int)n[0], (int)n[1]);

		add_cost(o, e, 0);
		cli_print_json(o);
	} else {
		printf("%s: score %.4f, cut %.4f (false match rate %g)\n",
		       code == EXIT_MATCH ? "match" : "no match", score, cut,
		       cli->cfg.target_fmr);
	}
done:
	engine_close(e);
	return code;
}

int cli_align(const struct cli *cli)
{
	static uint8_t rgb[112 * 112 * 3];
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	struct engine *e = NULL;
	struct errinfo err;
	int code = EXIT_ERROR;
	FILE *f;
	size_t n;

	err_clear(&err);
	if (cli->arg_count != 2) {
		err_set(&err, ST_BAD_REQUEST,
			"align needs a picture and a .ppm file to write");
		return cli_fail(&err, "");
	}
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK)
		return cli_fail(&err, "");
	engine_begin(e, 0);
	if (cli_load(e, 0, cli->args[0], &info, faces, &n, &err) != ST_OK) {
		cli_fail(&err, cli->args[0]);
		goto done;
	}
	if (n == 0) {
		fprintf(stderr, "facegate: %s: no face\n", cli->args[0]);
		code = EXIT_NO_MATCH;
		goto done;
	}
	if (engine_align(e, 0, &faces[0], rgb, &err) != ST_OK) {
		cli_fail(&err, cli->args[0]);
		goto done;
	}
	f = fopen(cli->args[1], "wbe");
	if (f == NULL || fprintf(f, "P6\n112 112\n255\n") < 0 ||
	    fwrite(rgb, sizeof(rgb), 1, f) != 1 || fclose(f) != 0) {
		fprintf(stderr, "facegate: %s: cannot be written\n",
			cli->args[1]);
		goto done;
	}
	code = EXIT_MATCH;
done:
	engine_close(e);
	return code;
}

int cli_budget(const struct cli *cli)
{
	struct budget_row rows[ENGINE_BUDGET_ROWS];
	struct srv_engine_paths paths;
	struct engine_options opt;
	struct errinfo err;
	size_t n;
	enum status st;
	json_t *list;

	err_clear(&err);
	srv_engine_options(&cli->cfg, &paths, &opt);
	st = engine_budget(&opt, rows, &n, &err);
	if (n == 0)
		return cli_fail(&err, "");
	list = json_array();
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(
			list,
			json_pack("{s:s, s:I, s:b, s:b}", "name", rows[i].name,
				  "bytes", (json_int_t)rows[i].bytes, "mapped",
				  rows[i].mapped, "in_pool", rows[i].in_pool));
		if (!cli->json)
			printf("%s%-32s %12zu%s\n", rows[i].in_pool ? "  " : "",
			       rows[i].name, rows[i].bytes,
			       rows[i].mapped ? "  mapped, shared" : "");
	}
	if (cli->json)
		cli_print_json(json_pack("{s:I, s:o}", "pool_bytes",
					 (json_int_t)opt.pool_bytes, "rows",
					 list));
	else
		json_decref(list);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, "");
}

static json_t *net_json(const struct model *m, const struct fgm_net *net,
			size_t *weights, uint64_t *macs)
{
	static struct nn_plan plan;
	uint32_t h = net->in_height ? net->in_height : 12;
	uint32_t w = net->in_width ? net->in_width : 12;
	size_t sum = 0;

	if (nn_plan_make(&plan, m, net, h, w, NULL) != ST_OK)
		return json_null();
	for (unsigned i = 0; i < net->layer_count; i++) {
		const struct fgm_layer *l = &m->layers[net->first_layer + i];
		size_t k = (size_t)l->kernel_h * l->kernel_w;

		if (l->op == FGM_CONV)
			sum += k * l->in_channels * l->out_channels;
		else if (l->op == FGM_DEPTHWISE)
			sum += k * l->out_channels;
	}
	*weights += sum;
	*macs += nn_macs(&plan, m, net);
	return json_pack("{s:s, s:i, s:i, s:i, s:I, s:I, s:I}", "name",
			 net->name, "layers", (int)net->layer_count, "height",
			 (int)h, "width", (int)w, "weights", (json_int_t)sum,
			 "macs", (json_int_t)nn_macs(&plan, m, net),
			 "activation_bytes", (json_int_t)plan.total_bytes);
}

int cli_model_info(const struct cli *cli)
{
	struct model m;
	struct errinfo err;
	json_t *nets, *cuts, *o;
	size_t weights = 0;
	uint64_t macs = 0;

	err_clear(&err);
	if (cli->arg_count != 1) {
		err_set(&err, ST_BAD_REQUEST, "model-info needs a model file");
		return cli_fail(&err, "");
	}
	if (model_open(&m, cli->args[0], &err) != ST_OK)
		return cli_fail(&err, "");
	nets = json_array();
	cuts = json_object();
	for (unsigned i = 0; i < m.header->net_count; i++)
		json_array_append_new(
			nets, net_json(&m, &m.nets[i], &weights, &macs));
	for (unsigned i = 0; i < m.header->cut_count; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%g", (double)m.cuts[i].fmr);
		json_object_set_new(cuts, key,
				    cli_real((double)m.cuts[i].score, 4));
	}
	o = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "id", m.id,
		      "bytes", (json_int_t)m.bytes, "weights",
		      (json_int_t)weights, "macs", (json_int_t)macs, "dim",
		      model_net(&m, "embed") ? json_integer(TEMPLATE_DIM)
					     : json_null(),
		      "thresholds", cuts, "nets", nets);
	json_object_set_new(
		o, "note",
		json_stringn((const char *)m.file + m.header->note_off,
			     m.header->note_bytes));
	if (cli->json) {
		cli_print_json(o);
	} else {
		printf("%s: %zu bytes, %zu weights, %.1f million "
		       "multiply-adds\n",
		       m.id, m.bytes, weights, (double)macs / 1e6);
		json_decref(o);
	}
	model_close(&m);
	return EXIT_MATCH;
}

int cli_version(const struct cli *cli)
{
	struct engine *e = NULL;
	struct errinfo err;
	const struct engine_info *info;

	err_clear(&err);
	if (cli_open_engine(cli, 1, &e, &err) != ST_OK)
		return cli_fail(&err, "");
	info = engine_info(e);
	if (cli->json)
		cli_print_json(json_pack("{s:s, s:s, s:s, s:s}", "version",
					 FACEGATE_VERSION, "isa", info->isa,
					 "model", info->model_id, "detector",
					 info->detector_id));
	else
		printf("facegate %s, kernels %s, %s, %s\n", FACEGATE_VERSION,
		       info->isa, info->model_id, info->detector_id);
	engine_close(e);
	return EXIT_MATCH;
}
