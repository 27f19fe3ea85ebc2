/* The LFW protocol through the very code that the daemon runs. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "engine_setup.h"
#include "metrics.h"
#include "pairs.h"

#define THREADS_MAX ENGINE_WORKERS_MAX
#define MARGIN_PX   26.0f
#define CROP_PX	    112.0f

struct result {
	struct face_template t;
	bool found;
	struct engine_receipt cost;
};

struct job {
	const struct cli *cli;
	const struct pair_list *list;
	struct engine *engine;
	struct result *results;
	atomic_size_t next, done;
	atomic_int failed;
	struct errinfo err; /* of the one thread that set failed */
};

struct thread_arg {
	struct job *job;
	unsigned slot;
};

/* The person in an LFW picture is the face nearest its centre. */
static size_t central(const struct face *f, size_t n,
		      const struct picture_info *info)
{
	float best = INFINITY;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		float dx = f[i].box[0] + f[i].box[2] / 2 -
			   (float)info->width_px / 2;
		float dy = f[i].box[1] + f[i].box[3] / 2 -
			   (float)info->height_px / 2;

		if (dx * dx + dy * dy < best) {
			best = dx * dx + dy * dy;
			at = i;
		}
	}
	return at;
}

/* The seed paper's crop: the detector's box and a fixed margin around it, not
 * rotated. It is expressed as the landmarks that align to exactly this crop. */
static void use_margin(struct face *f)
{
	static const float places[5][2] = {
		{ 38.29f, 51.70f }, { 73.53f, 51.50f }, { 56.03f, 71.74f },
		{ 41.55f, 92.37f }, { 70.73f, 92.20f },
	};
	float side = fmaxf(f->box[2], f->box[3]) + MARGIN_PX;
	float x0 = f->box[0] + f->box[2] / 2 - side / 2;
	float y0 = f->box[1] + f->box[3] / 2 - side / 2;

	for (int i = 0; i < 5; i++) {
		f->landmarks[i][0] = x0 +
				     (places[i][0] + 0.5f) * side / CROP_PX -
				     0.5f;
		f->landmarks[i][1] = y0 +
				     (places[i][1] + 0.5f) * side / CROP_PX -
				     0.5f;
	}
}

static enum status work_on(struct job *job, unsigned slot, size_t i,
			   struct errinfo *err)
{
	const struct pair_picture *p = &job->list->pictures[i];
	struct result *r = &job->results[i];
	struct face faces[ENGINE_FACES_MAX];
	struct picture_info info;
	char path[1024];
	size_t count;
	enum status st;

	snprintf(path, sizeof(path), "%s/%s/%s_%04u.jpg", job->cli->images,
		 p->name, p->name, p->index);
	engine_begin(job->engine, slot);
	st = cli_load(job->engine, slot, path, &info, faces, &count, err);
	if (st == ST_OK && count > 0) {
		struct face *f = &faces[central(faces, count, &info)];

		if (job->cli->align && strcmp(job->cli->align, "margin") == 0)
			use_margin(f);
		st = engine_embed(job->engine, slot, f, &r->t, err);
		r->found = st == ST_OK;
	}
	engine_receipt(job->engine, slot, &r->cost);
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
			int none = 0;

			if (atomic_compare_exchange_strong(&job->failed, &none,
							   1))
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
	pthread_t ids[THREADS_MAX];
	struct thread_arg args[THREADS_MAX];
	uint64_t start = srv_now_us();
	size_t total = job->list->picture_count;
	unsigned started = 0;

	for (; started < threads; started++) {
		args[started] = (struct thread_arg){ job, started };
		if (pthread_create(&ids[started], NULL, worker,
				   &args[started]) != 0)
			break;
	}
	if (started == 0)
		return err_set(err, ST_NO_MEMORY, "cannot start a thread");
	while (atomic_load(&job->done) < total && !atomic_load(&job->failed)) {
		struct timespec tick = { 0, 200000000 };

		nanosleep(&tick, NULL);
		cli_progress("embedding", atomic_load(&job->done), total,
			     (double)(srv_now_us() - start) / 1e6);
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	if (atomic_load(&job->failed)) {
		*err = job->err;
		return err->status;
	}
	return ST_OK;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Median and mean in milliseconds of one stage over all pictures. */
static json_t *stage(const struct result *r, size_t n, size_t offset,
		     uint64_t *scratch)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		memcpy(&scratch[i], (const char *)&r[i].cost + offset,
		       sizeof(*scratch));
		sum += (double)scratch[i];
	}
	qsort(scratch, n, sizeof(*scratch), by_value);
	return json_pack("{s:o, s:o}", "median",
			 cli_real((double)scratch[n / 2] / 1e3, 3), "mean",
			 cli_real(sum / (double)n / 1e3, 3));
}

/* Pairs of names or pictures to leave out: lines "name name" or
 * "name_0001 name_0002". */
static json_t *read_errata(const char *path, struct errinfo *err)
{
	json_t *set = json_object();
	FILE *f = fopen(path, "re");
	char line[512], a[128], b[128], key[260];

	if (f == NULL) {
		err_set(err, ST_IO_ERROR, "%.120s cannot be read", path);
		json_decref(set);
		return NULL;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#' || sscanf(line, "%127s %127s", a, b) != 2)
			continue;
		snprintf(key, sizeof(key), "%s %s", a, b);
		json_object_set_new(set, key, json_true());
		snprintf(key, sizeof(key), "%s %s", b, a);
		json_object_set_new(set, key, json_true());
	}
	fclose(f);
	return set;
}

static bool is_erratum(json_t *errata, const struct pair_picture *a,
		       const struct pair_picture *b)
{
	char key[320];

	if (errata == NULL)
		return false;
	snprintf(key, sizeof(key), "%s %s", a->name, b->name);
	if (json_object_get(errata, key))
		return true;
	snprintf(key, sizeof(key), "%s_%04u *", a->name, a->index);
	if (json_object_get(errata, key))
		return true;
	snprintf(key, sizeof(key), "%s_%04u *", b->name, b->index);
	return json_object_get(errata, key) != NULL;
}

/* Every comparison of two different pictures of the list. */
static enum status all_comparisons(const struct job *job, json_t *out,
				   struct errinfo *err)
{
	static const double rates[] = { 1e-2, 3e-3, 1e-3, 3e-4, 1e-4,
					3e-5, 1e-5, 3e-6, 1e-6 };
	static const char *const names[] = { "1e-2", "3e-3", "1e-3",
					     "3e-4", "1e-4", "3e-5",
					     "1e-5", "3e-6", "1e-6" };
	const struct pair_picture *p = job->list->pictures;
	size_t n = job->list->picture_count;
	struct score_histogram *h = calloc(1, sizeof(*h));
	json_t *errata = NULL, *fnmr, *cuts;
	enum status st = ST_OK;

	if (h == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory");
	if (job->cli->errata != NULL) {
		errata = read_errata(job->cli->errata, err);
		if (errata == NULL) {
			st = ST_IO_ERROR;
			goto done;
		}
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			bool same = strcmp(p[i].name, p[j].name) == 0;
			float s = -1.0f;

			if (job->results[i].found && job->results[j].found)
				s = template_cosine(&job->results[i].t,
						    &job->results[j].t);
			/* Only high scores can be label errors that matter,
			 * and the look-up is slow. */
			if (errata && (same || s > 0.2f) &&
			    is_erratum(errata, &p[i], &p[j]))
				continue;
			metrics_count(h, s, same);
		}
		if (i % 256 == 0)
			cli_progress("comparing", i, n, 0);
	}
	cli_progress("comparing", n, n, 0);
	fnmr = json_object();
	cuts = json_object();
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double miss = NAN, cut = NAN;

		metrics_fnmr_at_fmr(h, rates[i], &miss, &cut);
		json_object_set_new(fnmr, names[i], cli_real(100 * miss, 3));
		json_object_set_new(cuts, names[i], cli_real(cut, 4));
	}
	json_object_set_new(out, "genuine_comparisons",
			    json_integer((json_int_t)h->genuine_count));
	json_object_set_new(out, "impostor_comparisons",
			    json_integer((json_int_t)h->impostor_count));
	json_object_set_new(out, "fnmr_at_fmr", fnmr);
	json_object_set_new(out, "cut_at_fmr", cuts);
done:
	json_decref(errata);
	free(h);
	return st;
}

static enum status score_pairs(const struct job *job, json_t *out,
			       struct errinfo *err)
{
	size_t n = job->list->pair_count;
	struct scored_pair *pairs = calloc(n, sizeof(*pairs));
	size_t *order = calloc(n, sizeof(*order));
	struct ten_fold fold;
	enum status st = ST_OK;

	if (pairs == NULL || order == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory");
		goto done;
	}
	for (size_t i = 0; i < n; i++) {
		const struct pair_entry *p = &job->list->pairs[i];
		const struct result *a = &job->results[p->a];
		const struct result *b = &job->results[p->b];

		pairs[i].same = p->same;
		pairs[i].fold = p->fold;
		/* A picture without a face is like nobody. */
		pairs[i].score = a->found && b->found
					 ? template_cosine(&a->t, &b->t)
					 : -1.0f;
	}
	metrics_ten_fold(pairs, n, order, &fold);
	json_object_set_new(out, "accuracy", cli_real(100 * fold.accuracy, 3));
	json_object_set_new(out, "accuracy_std",
			    cli_real(100 * fold.accuracy_std, 3));
	json_object_set_new(out, "threshold", cli_real(fold.threshold, 4));
	json_object_set_new(
		out, "tar_at_far",
		json_pack("{s:o, s:o}", "1e-2",
			  cli_real(100 * metrics_tar_at_far(pairs, n, order,
							    1e-2),
				   3),
			  "1e-3",
			  cli_real(100 * metrics_tar_at_far(pairs, n, order,
							    1e-3),
				   3)));
done:
	free(pairs);
	free(order);
	return st;
}

static json_t *report(const struct job *job, uint64_t *scratch)
{
	size_t n = job->list->picture_count, missed = 0, peak = 0;
	const struct result *r = job->results;

	for (size_t i = 0; i < n; i++) {
		missed += !r[i].found;
		if (r[i].cost.pool_peak_bytes > peak)
			peak = r[i].cost.pool_peak_bytes;
	}
#define STAGE(FIELD)                                                           \
	stage(r, n, offsetof(struct engine_receipt, FIELD), scratch)
	return json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:{s:o, s:o, s:o, s:o}}",
		"model", engine_info(job->engine)->model_id, "detector",
		engine_info(job->engine)->detector_id, "isa",
		engine_info(job->engine)->isa, "pairs",
		(json_int_t)job->list->pair_count, "pictures", (json_int_t)n,
		"no_face", (json_int_t)missed, "pool_peak_bytes",
		(json_int_t)peak, "ms", "decode", STAGE(decode_us), "detect",
		STAGE(detect_us), "align", STAGE(align_us), "embed",
		STAGE(embed_us));
#undef STAGE
}

static void print_text(json_t *o)
{
	json_t *tar = json_object_get(o, "tar_at_far");
	json_t *fnmr = json_object_get(o, "fnmr_at_fmr");
	const char *key;
	json_t *v;

	printf("model              %s\n",
	       json_string_value(json_object_get(o, "model")));
	printf("pictures           %lld, %lld without a face\n",
	       (long long)json_integer_value(json_object_get(o, "pictures")),
	       (long long)json_integer_value(json_object_get(o, "no_face")));
	printf("accuracy           %.2f %% +- %.2f\n",
	       json_real_value(json_object_get(o, "accuracy")),
	       json_real_value(json_object_get(o, "accuracy_std")));
	json_object_foreach(tar, key, v)
		printf("TAR at FAR %-8s%.2f %%\n", key, json_real_value(v));
	json_object_foreach(fnmr, key, v)
		printf("FNMR at FMR %-7s%.2f %%\n", key, json_real_value(v));
	printf("pool peak          %lld bytes\n",
	       (long long)json_integer_value(
		       json_object_get(o, "pool_peak_bytes")));
	json_object_foreach(json_object_get(o, "ms"), key, v)
		printf("%-10s ms      %.2f median\n", key,
		       json_real_value(json_object_get(v, "median")));
}

int cli_evaluate(const struct cli *cli)
{
	struct pair_list list;
	struct job job = { .cli = cli, .list = &list };
	unsigned threads = cli->threads;
	uint64_t *scratch = NULL;
	json_t *out = NULL;
	struct errinfo err;
	int code = EXIT_ERROR;

	err_clear(&err);
	if (cli->pairs == NULL || cli->images == NULL) {
		err_set(&err, ST_BAD_REQUEST,
			"evaluate needs --pairs FILE and --images DIR");
		return cli_fail(&err, "");
	}
	if (threads == 0) {
		long cpus = sysconf(_SC_NPROCESSORS_ONLN);

		threads = cpus > 0 ? (unsigned)cpus : 1;
	}
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (pairs_read(cli->pairs, &list, &err) != ST_OK)
		return cli_fail(&err, "");
	job.results = calloc(list.picture_count, sizeof(*job.results));
	scratch = calloc(list.picture_count, sizeof(*scratch));
	if (job.results == NULL || scratch == NULL) {
		err_set(&err, ST_NO_MEMORY, "no memory");
		goto done;
	}
	if (cli_open_engine(cli, threads, &job.engine, &err) != ST_OK ||
	    embed_all(&job, threads, &err) != ST_OK)
		goto done;
	out = report(&job, scratch);
	if (score_pairs(&job, out, &err) != ST_OK)
		goto done;
	if (cli->all_impostors && all_comparisons(&job, out, &err) != ST_OK)
		goto done;
	if (cli->json)
		cli_print_json(json_incref(out));
	else
		print_text(out);
	code = EXIT_MATCH;
done:
	if (code != EXIT_MATCH)
		cli_fail(&err, "");
	json_decref(out);
	engine_close(job.engine);
	free(scratch);
	free(job.results);
	pairs_free(&list);
	return code;
}
