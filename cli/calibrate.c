/* calibrate: the model's threshold table against the templates that the site
 * itself has enrolled. Memory: the templates, at most gallery_max of them, and
 * one histogram a thread.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "db.h"
#include "metrics.h"
#include "parallel.h"
#include "scan.h"
#include "store_setup.h"

/* A rate is taken as measured when so many errors are expected at it: with 30
 * the true rate is within 30 % of the one found, 9 times in 10 (Doddington,
 * Przybocki, Martin, Reynolds 2000, the rule of 30). */
#define ERRORS_MIN 30

static const double rates[] = { 1e-2, 1e-3, 1e-4, 1e-5, 1e-6 };
#define RATES (sizeof(rates) / sizeof(rates[0]))

struct site {
	struct face_template *t;
	int64_t *person; /* of each template */
	size_t count, room, max;
	int64_t foreign; /* templates of other models */
	struct score_histogram h;
};

static enum status keep(void *ctx, int64_t person_key, int64_t template_id,
			const struct face_template *t)
{
	struct site *s = ctx;

	(void)template_id;
	if (s->count == s->max)
		return ST_GALLERY_FULL;
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 1024;
		struct face_template *grown = reallocarray(s->t, room,
							   sizeof(*grown));
		int64_t *persons;

		if (grown == NULL)
			return ST_NO_MEMORY;
		s->t = grown;
		persons = reallocarray(s->person, room, sizeof(*persons));
		if (persons == NULL)
			return ST_NO_MEMORY;
		s->person = persons;
		s->room = room;
	}
	s->t[s->count] = *t;
	s->person[s->count++] = person_key;
	return ST_OK;
}

static enum status read_site(const struct cli *cli, const char *model,
			     struct site *s, struct errinfo *err)
{
	struct srv_store_paths paths;
	struct db_options opt;
	struct db *db = NULL;
	enum status st;

	srv_store_options(&cli->cfg, &paths, &opt);
	st = db_open_readonly(&opt, &db, err);
	s->max = (size_t)cli->cfg.gallery_max;
	if (st == ST_OK)
		st = db_templates_each(db, model, keep, s, err);
	if (st == ST_OK)
		st = db_templates_foreign(db, model, &s->foreign, err);
	db_close(db);
	if (st == ST_GALLERY_FULL)
		err_set(err, st, "more than gallery_max = %zu templates",
			s->max);
	/* Only what keep() returned comes without a text. */
	return st == ST_OK ? st : err_set(err, st, "%s", status_title(st));
}

struct counting {
	const int64_t *person;
	struct score_histogram part[PARALLEL_MAX];
};

static void count_row(void *ctx, unsigned thread, size_t i, size_t first,
		      float *scores, size_t n)
{
	struct counting *c = ctx;

	for (size_t k = 0; k < n; k++)
		metrics_count(&c->part[thread], scores[k],
			      c->person[first + k] == c->person[i]);
}

static enum status compare(const struct engine *e, struct site *s,
			   struct errinfo *err)
{
	unsigned threads = parallel_threads(0, s->count);
	struct counting *c = calloc(1, sizeof(*c));
	enum status st;

	if (c == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory");
	c->person = s->person;
	st = scan_all(e, s->t, s->count, threads, count_row, c, err);
	for (unsigned i = 0; i < threads; i++)
		metrics_merge(&s->h, &c->part[i]);
	free(c);
	if (st == ST_OK && s->h.impostor_count == 0)
		st = err_set(err, ST_NOT_READY,
			     "templates of two people are needed, and there "
			     "are %zu of one",
			     s->count);
	return st;
}

/* The site's own cut for a rate, or NaN when its comparisons are too few. */
static double site_cut(const struct site *s, double rate)
{
	double cut = NAN;

	if (rate * (double)s->h.impostor_count >= ERRORS_MIN)
		metrics_cut_at_fmr(&s->h, rate, &cut);
	return cut;
}

/* The target_fmr whose cut in the model's table is this one; NaN when the
 * table does not reach it or no such value can be configured. */
static double target_for(const struct engine *e, double cut)
{
	double rate = isnan(cut) ? NAN : engine_fmr(e, (float)cut);

	/* At its ends the table answers for everything beyond them. */
	if (isnan(rate) || fabs((double)engine_threshold(e, rate) - cut) > 1e-3)
		return NAN;
	return rate;
}

static json_t *real_or_null(double v, int digits)
{
	double scale = v > 0 ? pow(10, digits - 1 - floor(log10(v))) : 1;

	return isnan(v) ? json_null() : json_real(round(v * scale) / scale);
}

static json_t *rate_json(const struct engine *e, const struct site *s,
			 double rate)
{
	double model_cut = (double)engine_threshold(e, rate);
	double own = site_cut(s, rate);
	uint64_t matched, missed;

	metrics_errors(&s->h, model_cut, &matched, &missed);
	return json_pack(
		"{s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "threshold",
		jsonvalue_real(model_cut, 4), "matches", (json_int_t)matched,
		"fmr",
		real_or_null((double)matched / (double)s->h.impostor_count, 3),
		"fmr_at_most",
		real_or_null(metrics_upper_bound(matched, s->h.impostor_count),
			     3),
		"fnmr",
		jsonvalue_real(
			100 * (double)missed / (double)s->h.genuine_count, 3),
		"site_threshold", jsonvalue_real(own, 4), "site_target_fmr",
		real_or_null(target_for(e, own), 3));
}

static int by_key(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts the keys: the templates no longer know whose they are. */
static size_t count_people(struct site *s)
{
	size_t n = 0;

	qsort(s->person, s->count, sizeof(*s->person), by_key);
	for (size_t i = 0; i < s->count; i++)
		n += i == 0 || s->person[i] != s->person[i - 1];
	return n;
}

static json_t *report(const struct engine *e, struct site *s, double target)
{
	json_t *list = json_object();
	char key[CLI_RATE_MAX];

	for (size_t i = 0; i < RATES; i++) {
		cli_rate_name(rates[i], key);
		json_object_set_new(list, key, rate_json(e, s, rates[i]));
	}
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o}",
			 "model", engine_info(e)->model_id, "people",
			 (json_int_t)count_people(s), "templates",
			 (json_int_t)s->count, "templates_of_other_models",
			 (json_int_t)s->foreign, "genuine_comparisons",
			 (json_int_t)s->h.genuine_count, "impostor_comparisons",
			 (json_int_t)s->h.impostor_count, "target_fmr", target,
			 "at_target", rate_json(e, s, target), "rates", list);
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_cell(const json_t *o, const char *key, const char *format)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_null(v))
		printf("%12s", "-");
	else
		printf(format, json_number_value(v));
}

static void print_text(const json_t *o)
{
	const json_t *at = json_object_get(o, "at_target");
	double target = number(o, "target_fmr");
	const char *key;
	json_t *v;

	printf("model %s: %.0f people, %.0f templates, %.0f of other models\n"
	       "%.0f comparisons of different people, %.0f of one person\n\n",
	       json_string_value(json_object_get(o, "model")),
	       number(o, "people"), number(o, "templates"),
	       number(o, "templates_of_other_models"),
	       number(o, "impostor_comparisons"),
	       number(o, "genuine_comparisons"));
	printf("%-8s%12s%12s%12s%12s%12s%12s\n", "FMR", "threshold", "FMR here",
	       "at most", "FNMR, %", "threshold", "target_fmr");
	printf("%-8s%12s%12s%12s%12s%12s%12s\n", "wanted", "of model", "",
	       "(95 %)", "here", "here", "to set");
	json_object_foreach(json_object_get(o, "rates"), key, v)
	{
		printf("%-8s", key);
		print_cell(v, "threshold", "%12.4f");
		print_cell(v, "fmr", "%12.2g");
		print_cell(v, "fmr_at_most", "%12.2g");
		print_cell(v, "fnmr", "%12.2f");
		print_cell(v, "site_threshold", "%12.4f");
		print_cell(v, "site_target_fmr", "%12.2g");
		putchar('\n');
	}
	printf("\ntarget_fmr = %g means at most %.2g here", target,
	       number(at, "fmr_at_most"));
	if (!json_is_null(json_object_get(at, "site_target_fmr")))
		printf("; for %g here set target_fmr = %.2g\n", target,
		       number(at, "site_target_fmr"));
	else if (!json_is_null(json_object_get(at, "site_threshold")))
		puts("; the model's table does not reach the cut for it here");
	else
		printf("; a cut of the site's own needs %.2g comparisons of "
		       "different people\n",
		       ERRORS_MIN / target);
}

int cli_calibrate(const struct cli *cli)
{
	static struct site site; /* too large for a stack frame */
	struct engine *e = NULL;
	const char *blame = NULL;
	struct errinfo err;
	enum status st;

	err_clear(&err);
	st = cli_open_engine(cli, 1, &e, &err);
	if (st == ST_OK) {
		blame = cli->cfg.data_dir;
		st = read_site(cli, engine_info(e)->model_id, &site, &err);
	}
	if (st == ST_OK)
		st = compare(e, &site, &err);
	if (st == ST_OK) {
		json_t *o = report(e, &site, cli->cfg.target_fmr);

		if (cli->json) {
			cli_print_json(o);
		} else {
			print_text(o);
			json_decref(o);
		}
	}
	engine_close(e);
	free(site.t);
	free(site.person);
	return st == ST_OK ? EXIT_MATCH : cli_fail(&err, blame);
}
