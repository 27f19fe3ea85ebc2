/* budget, model-info and version: what the engine would take, and what its
 * files hold. */
#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "cli.h"
#include "engine_setup.h"
#include "model/model.h"
#include "nn/nn.h"

int cli_budget(const struct cli *cli)
{
	struct budget_row rows[ENGINE_BUDGET_ROWS];
	struct srv_engine_paths paths;
	struct engine_options opt;
	struct errinfo err;
	enum status st;
	size_t n = 0;

	err_clear(&err);
	srv_engine_options(&cli->cfg, &paths, &opt);
	st = engine_budget(&opt, rows, &n, &err);
	if (n == 0)
		return cli_fail(&err, NULL);
	if (cli->json)
		cli_print_json(json_pack("{s:I, s:I, s:o}", "pool_bytes",
					 (json_int_t)opt.pool_bytes, "workers",
					 (json_int_t)opt.workers, "rows",
					 budget_json(rows, n)));
	else
		budget_print(rows, n);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}

/* The smallest input of a net that takes any size is P-Net's window. */
#define ANY_SIZE_PX 12

struct net_numbers {
	uint32_t height, width, dim;
	uint64_t weights, macs;
	size_t activation_bytes;
};

static enum status measure(const struct model *m, const struct fgm_net *net,
			   struct net_numbers *out, struct errinfo *err)
{
	static struct nn_plan plan; /* too large for a stack frame */
	enum status st;

	memset(out, 0, sizeof(*out));
	out->height = net->in_height ? net->in_height : ANY_SIZE_PX;
	out->width = net->in_width ? net->in_width : ANY_SIZE_PX;
	st = nn_plan_make(&plan, m, net, out->height, out->width, NN_ROWS, err);
	if (st != ST_OK)
		return st;
	for (unsigned i = 0; i < net->layer_count; i++) {
		const struct fgm_layer *l = &m->layers[net->first_layer + i];
		uint64_t k = (uint64_t)l->kernel_h * l->kernel_w;

		if (l->op == FGM_CONV)
			out->weights += k * l->in_channels * l->out_channels;
		else if (l->op == FGM_DEPTHWISE)
			out->weights += k * l->out_channels;
		out->dim = l->out_channels;
	}
	out->macs = nn_macs(&plan, m, net);
	out->activation_bytes = plan.total_bytes;
	return ST_OK;
}

static json_t *net_json(const struct fgm_net *net, const struct net_numbers *n)
{
	char name[sizeof(net->name) + 1];

	snprintf(name, sizeof(name), "%.*s", (int)sizeof(net->name), net->name);
	return json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:I}", "name",
			 cli_text(name), "layers", (int)net->layer_count,
			 "height", (json_int_t)n->height, "width",
			 (json_int_t)n->width, "weights",
			 (json_int_t)n->weights, "macs", (json_int_t)n->macs,
			 "activation_bytes", (json_int_t)n->activation_bytes);
}

static json_t *thresholds_json(const struct model *m)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < m->header->cut_count; i++) {
		char key[CLI_RATE_MAX];

		cli_rate_name((double)m->cuts[i].fmr, key);
		json_object_set_new(
			o, key, jsonvalue_real((double)m->cuts[i].score, 4));
	}
	return o;
}

static json_t *quality_json(const struct model *m)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < m->header->quality_count; i++) {
		const struct fgm_quality *q = &m->quality[i];
		char key[CLI_RATE_MAX];

		snprintf(key, sizeof(key), "%g", (double)q->share);
		json_object_set_new(o, key,
				    jsonvalue_real((double)q->length, 3));
	}
	return o;
}

static void print_model(const json_t *o)
{
	const char *key;
	json_t *v;
	size_t i;

	printf("%s: %lld bytes, %lld weights, %.2f million "
	       "multiply-accumulates\n",
	       json_string_value(json_object_get(o, "id")),
	       (long long)json_integer_value(json_object_get(o, "bytes")),
	       (long long)json_integer_value(json_object_get(o, "weights")),
	       (double)json_integer_value(json_object_get(o, "macs")) / 1e6);
	json_array_foreach(json_object_get(o, "nets"), i, v) printf(
		"  net %-8s %3lld layers, input %lldx%lld\n",
		json_string_value(json_object_get(v, "name")),
		(long long)json_integer_value(json_object_get(v, "layers")),
		(long long)json_integer_value(json_object_get(v, "width")),
		(long long)json_integer_value(json_object_get(v, "height")));
	json_object_foreach(json_object_get(o, "thresholds"), key, v)
		printf("  false match rate %-6s threshold %.4f\n", key,
		       json_real_value(v));
	json_object_foreach(json_object_get(o, "quality_table"), key, v)
		printf("  share of pictures %-6s below length %.2f\n", key,
		       json_real_value(v));
}

static enum status describe(const struct model *m, json_t **out,
			    struct errinfo *err)
{
	json_t *nets = json_array(), *dim = json_null(), *note;
	char name[sizeof(m->header->name) + 1];
	uint64_t weights = 0, macs = 0;

	for (unsigned i = 0; i < m->header->net_count; i++) {
		struct net_numbers n;
		enum status st = measure(m, &m->nets[i], &n, err);

		if (st != ST_OK) {
			json_decref(nets);
			return st;
		}
		weights += n.weights;
		macs += n.macs;
		if (&m->nets[i] == model_net(m, "embed"))
			dim = json_integer(n.dim);
		json_array_append_new(nets, net_json(&m->nets[i], &n));
	}
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(m->header->name),
		 m->header->name);
	note = json_stringn((const char *)m->file + m->header->note_off,
			    m->header->note_bytes);
	*out = json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
			 "name", cli_text(name), "id", cli_text(m->id), "bytes",
			 (json_int_t)m->bytes, "weights", (json_int_t)weights,
			 "macs", (json_int_t)macs, "dim", dim, "thresholds",
			 thresholds_json(m), "quality_table", quality_json(m),
			 "nets", nets, "note", note ? note : json_null());
	return ST_OK;
}

int cli_model_info(const struct cli *cli)
{
	struct errinfo err;
	struct model m;
	json_t *o = NULL;
	enum status st;

	err_clear(&err);
	if (model_open(&m, cli->args[0], &err) != ST_OK)
		return cli_fail(&err, cli->args[0]);
	st = describe(&m, &o, &err);
	if (st == ST_OK && cli->json) {
		cli_print_json(o);
	} else if (st == ST_OK) {
		print_model(o);
		json_decref(o);
	}
	model_close(&m);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, cli->args[0]);
}

/* The version is known even where the models cannot be opened, and then is
 * wanted most. */
int cli_version(const struct cli *cli)
{
	const struct engine_info *info = NULL;
	struct engine *e = NULL;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	st = cli_open_engine(cli, 1, &e, &err);
	if (st == ST_OK)
		info = engine_info(e);
	if (cli->json)
		cli_print_json(json_pack(
			"{s:s, s:s?, s:{s:s?, s:s?}}", "version",
			FACEGATE_VERSION, "isa", engine_isa(), "models",
			"embedder", info ? info->model_id : NULL, "detector",
			info ? info->detector_id : NULL));
	else if (info != NULL)
		printf("facegate %s, kernels %s, embedder %s, detector %s\n",
		       FACEGATE_VERSION, info->isa, info->model_id,
		       info->detector_id);
	else
		printf("facegate %s\n", FACEGATE_VERSION);
	engine_close(e);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, NULL);
}
