/* evaluate: the LFW protocol through the very code that the daemon runs.
 *
 * Every picture of the pair list is decoded, searched and embedded once, on
 * as many threads as there are engine slots; scoring follows on one thread.
 * Memory: one struct measured a picture, the caller's lists, and the engine's
 * own block.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "engine_setup.h"
#include "evaluate.h"
#include "progress.h"

#define THREADS_MAX ENGINE_WORKERS_MAX

/* The seed paper's crop: this many pixels of the full-size picture are added
 * to the box, half of them on each side. */
#define MARGIN_PX 26.0f
#define CROP_PX	  112.0f

struct job {
	const struct cli *cli;
	const struct pair_list *list;
	const struct errata *errata;
	struct engine *engine;
	struct measured *measured; /* each entry one thread's */
	atomic_size_t next, done;
	atomic_bool failed;
	struct errinfo err; /* of the one thread that set failed */
};

struct thread_arg {
	struct job *job;
	unsigned slot;
};

/* The box with the fixed margin, as a square around its centre, not rotated.
 * It is expressed as the landmarks that align to exactly this crop, so that
 * both kinds of crop take one path through the engine. */
void evaluate_margin_crop(struct face *f)
{
	static const float places[5][2] = {
		{ 38.29f, 51.70f }, { 73.53f, 51.50f }, { 56.03f, 71.74f },
		{ 41.55f, 92.37f }, { 70.73f, 92.20f },
	};
	float side = (f->box[2] > f->box[3] ? f->box[2] : f->box[3]) +
		     MARGIN_PX;
	float corner[2] = { f->box[0] + f->box[2] / 2 - side / 2,
			    f->box[1] + f->box[3] / 2 - side / 2 };

	/* Pixel centres are at whole numbers in both pictures. */
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 2; j++)
			f->landmarks[i][j] = corner[j] +
					     (places[i][j] + 0.5f) * side /
						     CROP_PX -
					     0.5f;
}

static enum status measure(struct job *job, unsigned slot, const char *path,
			   struct measured *out, struct errinfo *err)
{
	struct face faces[ENGINE_FACES_MAX], *f;
	struct picture_info info;
	size_t count;
	enum status st;

	engine_begin(job->engine, slot);
	st = cli_load(job->engine, slot, path, &info, faces, &count, err);
	if (st == ST_OK && count > 0) {
		f = &faces[cli_central_face(faces, count, &info)];
		if (job->cli->margin)
			evaluate_margin_crop(f);
		st = engine_embed(job->engine, slot, f, &out->t, err);
		out->found = st == ST_OK;
	}
	engine_receipt(job->engine, slot, &out->cost);
	return st == ST_NO_FACE ? ST_OK : st;
}

/* Names the picture in the error. */
static enum status work_on(struct job *job, unsigned slot, size_t i,
			   struct errinfo *err)
{
	const struct pair_picture *p = &job->list->pictures[i];
	struct errinfo cause;
	char path[4096];
	enum status st;
	int n = snprintf(path, sizeof(path), "%s/%s/%s_%04u.jpg",
			 job->cli->images, p->name, p->name, p->index);

	err_clear(&cause);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ST_BAD_REQUEST,
			       "--images: the path is too long");
	st = measure(job, slot, path, &job->measured[i], &cause);
	if (st != ST_OK)
		err_set(err, st, "%s_%04u.jpg: %s", p->name, p->index,
			cause.text[0] ? cause.text : status_title(st));
	return st;
}

static void *worker(void *arg)
{
	struct thread_arg *a = arg;
	struct job *job = a->job;
	struct errinfo err;

	while (!atomic_load(&job->failed)) {
		size_t i = atomic_fetch_add(&job->next, 1);

		if (i >= job->list->picture_count)
			break;
		err_clear(&err);
		if (work_on(job, a->slot, i, &err) != ST_OK) {
			if (!atomic_exchange(&job->failed, true))
				job->err = err;
			break;
		}
		atomic_fetch_add(&job->done, 1);
	}
	return NULL;
}

static enum status embed_all(struct job *job, unsigned threads,
			     struct errinfo *err)
{
	const struct timespec tick = { .tv_nsec = 100000000 };
	size_t total = job->list->picture_count;
	struct thread_arg args[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	struct progress bar;
	unsigned started = 0;

	progress_begin(&bar, "embedding", total);
	for (; started < threads; started++) {
		args[started] = (struct thread_arg){ job, started };
		if (pthread_create(&ids[started], NULL, worker,
				   &args[started]) != 0)
			break;
	}
	if (started == 0)
		return err_set(err, ST_NO_MEMORY, "cannot start a thread");
	while (bar.visible && atomic_load(&job->done) < total &&
	       !atomic_load(&job->failed)) {
		nanosleep(&tick, NULL);
		progress_at(&bar, atomic_load(&job->done));
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	progress_end(&bar, atomic_load(&job->done));
	if (!atomic_load(&job->failed))
		return ST_OK;
	*err = job->err;
	return err->status;
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
		size_t count = 0;

		for (size_t i = 0; i < n; i++) {
			if (!m[i].found)
				continue;
			scratch[count] = stage_us(&m[i].cost, (enum stage)s);
			sum += (double)scratch[count++];
		}
		if (count > 0) {
			qsort(scratch, count, sizeof(*scratch), by_value);
			median = (double)scratch[count / 2];
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

static json_t *report(const struct job *job, unsigned threads,
		      uint64_t *scratch)
{
	const struct engine_info *info = engine_info(job->engine);
	size_t n = job->list->picture_count, no_face = 0, peak = 0;
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
		job->cli->margin ? "margin" : "points", "threads", (int)threads,
		"pairs", (json_int_t)job->list->pair_count, "pictures",
		(json_int_t)n, "no_face", (json_int_t)no_face, "pool_bytes",
		(json_int_t)info->pool_bytes, "pool_peak_bytes",
		(json_int_t)peak, "ms", times_json(m, n, scratch));
}

static long long integer(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_text(const json_t *o)
{
	const char *key;
	json_t *v;

	printf("model              %s, %lld bytes, %s alignment\n",
	       json_string_value(json_object_get(o, "model")),
	       integer(o, "bytes"),
	       json_string_value(json_object_get(o, "align")));
	printf("pictures           %lld, %lld without a face\n",
	       integer(o, "pictures"), integer(o, "no_face"));
	printf("accuracy           %.2f %% +- %.2f, threshold %.4f\n",
	       number(o, "accuracy"), number(o, "accuracy_std"),
	       number(o, "threshold"));
	json_object_foreach(json_object_get(o, "tar_at_far"), key, v)
		printf("TAR at FAR %-8s%.2f %%\n", key, json_number_value(v));
	json_object_foreach(json_object_get(o, "fnmr_at_fmr"), key, v)
	{
		const json_t *cuts = json_object_get(o, "threshold_at_fmr");

		if (json_is_null(v))
			printf("FNMR at FMR %-7stoo few comparisons\n", key);
		else
			printf("FNMR at FMR %-7s%.2f %%, threshold %.4f\n", key,
			       json_number_value(v), number(cuts, key));
	}
	printf("pool peak          %lld of %lld bytes\n",
	       integer(o, "pool_peak_bytes"), integer(o, "pool_bytes"));
	json_object_foreach(json_object_get(o, "ms"), key, v)
		printf("%-10s         %.2f ms median, %.2f ms mean\n", key,
		       number(v, "median"), number(v, "mean"));
}

static unsigned thread_count(const struct cli *cli, size_t pictures)
{
	long n = cli->threads ? (long)cli->threads
			      : sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		n = 1;
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	return (size_t)n > pictures ? (unsigned)pictures : (unsigned)n;
}

static enum status evaluate(struct job *job, struct errinfo *err)
{
	const struct cli *cli = job->cli;
	size_t n = job->list->picture_count;
	unsigned threads = thread_count(cli, n);
	uint64_t *scratch = calloc(n, sizeof(*scratch));
	json_t *out = NULL;
	enum status st = ST_OK;

	job->measured = calloc(n, sizeof(*job->measured));
	if (job->measured == NULL || scratch == NULL)
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pictures",
			     n);
	if (st == ST_OK)
		st = cli_open_engine(cli, threads, &job->engine, err);
	if (st == ST_OK)
		st = embed_all(job, threads, err);
	if (st != ST_OK)
		goto done;
	out = report(job, threads, scratch);
	st = evaluate_pairs(job->list, job->measured, out, err);
	if (st == ST_OK && cli->all_impostors)
		st = evaluate_all(job->list, job->measured, job->errata, out,
				  err);
	if (st == ST_OK && cli->json)
		cli_print_json(json_incref(out));
	else if (st == ST_OK)
		print_text(out);
done:
	json_decref(out);
	engine_close(job->engine);
	free(job->measured);
	free(scratch);
	return st;
}

int cli_evaluate(const struct cli *cli)
{
	struct errata errata = { .items = NULL };
	struct pair_list list;
	struct job job = { .cli = cli, .list = &list, .errata = &errata };
	const char *blame = NULL;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	if (cli->pairs == NULL || cli->images == NULL) {
		err_set(&err, ST_BAD_CONFIG,
			"evaluate needs --pairs FILE and --images DIR");
		return cli_fail(&err, NULL);
	}
	if (cli->errata != NULL && !cli->all_impostors) {
		err_set(&err, ST_BAD_CONFIG,
			"--errata takes effect with --all-impostors only");
		return cli_fail(&err, NULL);
	}
	if (pairs_read(cli->pairs, &list, &err) != ST_OK)
		return cli_fail(&err, cli->pairs);
	st = ST_OK;
	if (cli->errata != NULL) {
		st = errata_read(cli->errata, &list, &errata, &err);
		blame = cli->errata;
	}
	if (st == ST_OK) {
		blame = NULL;
		st = evaluate(&job, &err);
	}
	errata_free(&errata);
	pairs_free(&list);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, blame);
}
