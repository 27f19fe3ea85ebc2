/* evaluate: the LFW protocol through the very code that the daemon runs.
 *
 * Every picture is decoded, searched and embedded once, on as many threads as
 * there are engine slots; scoring follows. Memory: one struct measured and one
 * template a picture, the caller's lists, counts for each thread, and the
 * engine's own block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "curves.h"
#include "engine_setup.h"
#include "evaluate.h"
#include "groups.h"
#include "openset.h"
#include "parallel.h"
#include "quality.h"

/* The seed paper's crop: this many pixels of the full-size picture are added
 * to the box, half of them on each side. */
#define MARGIN_PX 26.0f

struct job {
	const struct cli *cli;
	struct pair_list list;
	struct errata errata;
	struct groups groups;
	struct engine *engine;
	struct measured *measured; /* each entry one thread's */
	struct face_template *t;   /* the same */
	unsigned threads;
};

/* The box with the fixed margin, as a square around its centre, not rotated.
 * It is expressed as the landmarks that align to exactly this crop, so that
 * both kinds of crop take one path through the engine. */
void evaluate_margin_crop(struct face *f)
{
	float side = (f->box[2] > f->box[3] ? f->box[2] : f->box[3]) +
		     MARGIN_PX;
	float corner[2] = { f->box[0] + f->box[2] / 2 - side / 2,
			    f->box[1] + f->box[3] / 2 - side / 2 };
	float places[5][2];

	engine_crop_landmarks(places);
	/* Pixel centres are at whole numbers in both pictures. */
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 2; j++)
			f->landmarks[i][j] = corner[j] +
					     (places[i][j] + 0.5f) * side /
						     (float)ENGINE_CROP_PX -
					     0.5f;
}

static enum status measure(struct job *job, unsigned slot, const char *path,
			   size_t at, struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX], f;
	struct measured *out = &job->measured[at];
	struct picture_info info;
	size_t count;
	enum status st;

	engine_begin(job->engine, slot);
	st = cli_load(job->engine, slot, path, &info, faces, &count, err);
	if (st == ST_OK && count > 0) {
		f = faces[cli_central_face(faces, count, &info)];
		out->face = f;
		if (job->cli->margin)
			evaluate_margin_crop(&f);
		st = engine_embed(job->engine, slot, &f, &job->t[at], err);
		out->found = st == ST_OK;
	}
	engine_receipt(job->engine, slot, &out->cost);
	return st == ST_NO_FACE ? ST_OK : st;
}

/* Names the picture in the error. */
static enum status work_on(void *ctx, unsigned slot, size_t i,
			   struct errinfo *err)
{
	struct job *job = ctx;
	const struct pair_picture *p = &job->list.pictures[i];
	struct errinfo cause;
	char path[4096];
	enum status st;
	int n = snprintf(path, sizeof(path), "%s/%s/%s_%04u.jpg",
			 job->cli->images, p->name, p->name, p->index);

	err_clear(&cause);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ST_BAD_REQUEST,
			       "--images: the path is too long");
	st = measure(job, slot, path, i, &cause);
	if (st != ST_OK)
		err_set(err, st, "%s_%04u.jpg: %s", p->name, p->index,
			cause.text[0] ? cause.text : status_title(st));
	return st;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

enum stage { DECODE, DETECT, ALIGN, EMBED, TOTAL, STAGES };

static uint64_t stage_us(const struct engine_receipt *r, enum stage stage)
{
	switch (stage) {
	case DECODE:
		return r->decode_us;
	case DETECT:
		return r->detect_us;
	case ALIGN:
		return r->align_us;
	case EMBED:
		return r->embed_us;
	default:
		return r->decode_us + r->detect_us + r->align_us + r->embed_us;
	}
}

/* Median and mean in milliseconds of each stage over the pictures that had a
 * face: the others skip stages. */
static json_t *times_json(const struct measured *m, size_t n, uint64_t *scratch)
{
	static const char *const names[STAGES] = { "decode", "detect", "align",
						   "embed", "total" };
	json_t *o = json_object();

	for (int s = 0; s < STAGES; s++) {
		double sum = 0, median = 0;
		size_t count = 0, middle;

		for (size_t i = 0; i < n; i++) {
			if (!m[i].found)
				continue;
			scratch[count] = stage_us(&m[i].cost, (enum stage)s);
			sum += (double)scratch[count++];
		}
		if (count > 0) {
			qsort(scratch, count, sizeof(*scratch), by_value);
			middle = count / 2;
			median = (double)scratch[middle];
			sum /= (double)count;
		}
		json_object_set_new(o, names[s],
				    json_pack("{s:o, s:o}", "median",
					      jsonvalue_real(median / 1e3, 3),
					      "mean",
					      jsonvalue_real(sum / 1e3, 3)));
	}
	return o;
}

static size_t embedder_bytes(const struct cli *cli)
{
	struct srv_engine_paths paths;
	struct engine_options opt;
	struct stat s;

	srv_engine_options(&cli->cfg, &paths, &opt);
	return stat(opt.embedder_path, &s) == 0 ? (size_t)s.st_size : 0;
}

static json_t *report(const struct job *job, uint64_t *scratch)
{
	const struct engine_info *info = engine_info(job->engine);
	size_t n = job->list.picture_count, no_face = 0, peak = 0;
	const struct measured *m = job->measured;

	for (size_t i = 0; i < n; i++) {
		no_face += !m[i].found;
		if (m[i].cost.pool_peak_bytes > peak)
			peak = m[i].cost.pool_peak_bytes;
	}
	return json_pack(
		"{s:s, s:I, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, "
		"s:I, s:o}",
		"model", info->model_id, "bytes",
		(json_int_t)embedder_bytes(job->cli), "detector",
		info->detector_id, "isa", info->isa, "align",
		job->cli->margin ? "margin" : "points", "threads",
		(int)job->threads, "pairs", (json_int_t)job->list.pair_count,
		"pictures", (json_int_t)n, "no_face", (json_int_t)no_face,
		"pool_bytes", (json_int_t)info->pool_bytes, "pool_peak_bytes",
		(json_int_t)peak, "ms", times_json(m, n, scratch));
}

/* Everything about all pictures. */
static enum status score_all(const struct job *job, const struct evaluation *ev,
			     struct score_histogram *h, json_t *out,
			     struct errinfo *err)
{
	enum status st = evaluate_all(ev, h, out, err);

	if (st == ST_OK)
		st = openset_report(ev, out, err);
	if (st == ST_OK)
		st = quality_report(ev, h, out, err);
	if (st == ST_OK && job->cli->attributes != NULL)
		st = groups_report(ev, &job->groups, h, out, err);
	return st;
}

static enum status score(const struct job *job, json_t *out,
			 struct errinfo *err)
{
	const struct evaluation ev = {
		job->engine, &job->list,   job->measured,
		job->t,	     &job->errata, job->threads
	};
	const struct cli *cli = job->cli;
	struct score_histogram *h = NULL;
	enum status st = evaluate_pairs(&ev, out, err);

	if (st == ST_OK && cli->all_impostors) {
		h = malloc(sizeof(*h));
		st = h != NULL ? score_all(job, &ev, h, out, err)
			       : err_set(err, ST_NO_MEMORY, "no memory");
	}
	if (st == ST_OK && cli->curves != NULL)
		st = curves_write(cli->curves, &ev, h, err);
	free(h);
	return st;
}

static enum status evaluate(struct job *job, struct errinfo *err)
{
	size_t n = job->list.picture_count;
	uint64_t *scratch = calloc(n, sizeof(*scratch));
	json_t *out = NULL;
	enum status st = ST_OK;

	job->threads = parallel_threads(job->cli->threads, n);
	job->measured = calloc(n, sizeof(*job->measured));
	job->t = calloc(n, sizeof(*job->t));
	if (job->measured == NULL || job->t == NULL || scratch == NULL)
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pictures",
			     n);
	if (st == ST_OK)
		st = cli_open_engine(job->cli, job->threads, &job->engine, err);
	if (st == ST_OK)
		st = parallel_run("embedding", n, job->threads, work_on, job,
				  err);
	if (st != ST_OK)
		goto done;
	out = report(job, scratch);
	st = score(job, out, err);
	if (st == ST_OK && job->cli->json)
		cli_print_json(json_incref(out));
	else if (st == ST_OK)
		evaluate_print(out);
done:
	json_decref(out);
	engine_close(job->engine);
	free(job->measured);
	free(job->t);
	free(scratch);
	return st;
}

static enum status read_lists(struct job *job, const char **blame,
			      struct errinfo *err)
{
	const struct cli *cli = job->cli;
	enum status st;

	*blame = cli->pairs;
	st = pairs_read(cli->pairs, &job->list, err);
	if (st == ST_OK && cli->all_impostors) {
		*blame = cli->images;
		st = pairs_add_folder(&job->list, cli->images, err);
	}
	if (st == ST_OK && cli->errata != NULL) {
		*blame = cli->errata;
		st = errata_read(cli->errata, &job->list, &job->errata, err);
	}
	if (st == ST_OK && cli->attributes != NULL) {
		*blame = cli->attributes;
		st = groups_read(cli->attributes, &job->list, &job->groups,
				 err);
	}
	return st;
}

int cli_evaluate(const struct cli *cli)
{
	struct job job = { .cli = cli };
	const char *blame = NULL;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (cli->pairs == NULL || cli->images == NULL) {
		err_set(&err, ST_BAD_CONFIG,
			"evaluate needs --pairs FILE and --images DIR");
		return cli_fail(&err, NULL);
	}
	if ((cli->errata != NULL || cli->attributes != NULL) &&
	    !cli->all_impostors) {
		err_set(&err, ST_BAD_CONFIG,
			"--%s takes effect with --all-impostors only",
			cli->errata != NULL ? "errata" : "attributes");
		return cli_fail(&err, NULL);
	}
	st = read_lists(&job, &blame, &err);
	if (st == ST_OK) {
		blame = NULL;
		st = evaluate(&job, &err);
	}
	groups_free(&job.groups);
	errata_free(&job.errata);
	pairs_free(&job.list);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, blame);
}
