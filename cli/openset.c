/* Trials run side by side; each has scratch of its own for the time it takes,
 * in the order of the gallery and of the list. */
#include "openset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "jsonvalue.h"
#include "parallel.h"

#define NOBODY SIZE_MAX

struct result {
	double rate; /* NaN when the impostors are too few for the rate */
	size_t gallery, genuine, impostor;
};

struct openset {
	const struct evaluation *ev;
	size_t persons;
	struct result trial[OPENSET_TRIALS];
};

struct trial {
	uint64_t random;
	size_t *enrolled; /* of each person: picture in the gallery or NOBODY */
	size_t *chosen;	  /* persons */
	size_t gallery;
	struct face_template *t; /* of the gallery */
	size_t *pictures;	 /* the same */
	float *scores;
	float *impostor; /* best score of each impostor probe */
	float *genuine;	 /* of each genuine probe whose best match is right */
	size_t genuine_count, right_count, impostor_count;
	bool *skip;
};

/* splitmix64 (Steele, Lea, Flood 2014). The bias of the remainder is below
 * 1e-14 for the numbers here. */
static size_t random_below(uint64_t *state, size_t n)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (size_t)((z ^ z >> 31) % n);
}

/* Chooses one picture with a face of each person who has a second picture to
 * be compared with it, at random; NOBODY for the others. */
static size_t choose_pictures(const struct openset *o, struct trial *t)
{
	const struct evaluation *ev = o->ev;
	size_t n = ev->list->picture_count, persons = 0;

	for (size_t i = 0, end; i < n; i = end) {
		unsigned person = ev->list->pictures[i].person;
		size_t usable = 0, faces = 0, at = NOBODY;

		for (end = i; end < n; end++) {
			if (ev->list->pictures[end].person != person)
				break;
			if (errata_drops(ev->errata, end))
				continue;
			usable++;
			if (ev->m[end].found &&
			    random_below(&t->random, ++faces) == 0)
				at = end;
		}
		if (usable < 2)
			at = NOBODY;
		t->enrolled[person] = at;
		if (at != NOBODY)
			t->chosen[persons++] = person;
	}
	return persons;
}

/* Two thirds of those who could be enrolled, so that some of them come as
 * strangers; the first of a random order. */
static void fill_gallery(const struct openset *o, struct trial *t)
{
	size_t n = choose_pictures(o, t), wanted = n - n / 3;

	t->gallery = wanted < OPENSET_GALLERY ? wanted : OPENSET_GALLERY;
	for (size_t i = 0; i < n; i++) {
		size_t k = i + random_below(&t->random, n - i);
		size_t person = t->chosen[k];

		t->chosen[k] = t->chosen[i];
		t->chosen[i] = person;
		if (i < t->gallery) {
			t->pictures[i] = t->enrolled[person];
			t->t[i] = o->ev->t[t->pictures[i]];
		} else {
			t->enrolled[person] = NOBODY;
		}
	}
}

static void probe(const struct openset *o, struct trial *t, size_t i)
{
	const struct evaluation *ev = o->ev;
	unsigned person = ev->list->pictures[i].person;
	size_t own = t->enrolled[person], best_at = NOBODY;
	bool marked = errata_mark(ev->errata, i, t->skip);
	float best = EVALUATE_NO_FACE;

	if (own != NOBODY && t->skip[own])
		goto done;
	if (ev->m[i].found)
		engine_cosines(ev->engine, &ev->t[i], t->t, t->gallery,
			       t->scores);
	for (size_t k = 0; ev->m[i].found && k < t->gallery; k++) {
		if (t->scores[k] <= best || t->skip[t->pictures[k]])
			continue;
		best = t->scores[k];
		best_at = t->pictures[k];
	}
	if (own == NOBODY) {
		t->impostor[t->impostor_count++] = best;
	} else {
		t->genuine_count++;
		if (best_at == own)
			t->genuine[t->right_count++] = best;
	}
done:
	if (marked)
		memset(t->skip, 0, ev->list->picture_count * sizeof(*t->skip));
}

static int falling(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

/* Scores above the first impostor that is one too many pass. */
static double rate_of(struct trial *t)
{
	size_t allowed = (size_t)floor(OPENSET_FAR * (double)t->impostor_count +
				       1e-9);
	size_t passed = 0;

	if (allowed == 0 || t->genuine_count == 0)
		return NAN;
	qsort(t->impostor, t->impostor_count, sizeof(*t->impostor), falling);
	for (size_t i = 0; i < t->right_count; i++)
		passed += t->genuine[i] > t->impostor[allowed];
	return (double)passed / (double)t->genuine_count;
}

static enum status run_trial(void *ctx, unsigned thread, size_t number,
			     struct errinfo *err)
{
	struct openset *o = ctx;
	size_t n = o->ev->list->picture_count;
	struct trial t = { .random = number + 1 };
	enum status st = ST_OK;

	(void)thread;
	t.enrolled = calloc(o->persons, sizeof(*t.enrolled));
	t.chosen = calloc(o->persons, sizeof(*t.chosen));
	t.t = calloc(OPENSET_GALLERY, sizeof(*t.t));
	t.pictures = calloc(OPENSET_GALLERY, sizeof(*t.pictures));
	t.scores = calloc(OPENSET_GALLERY, sizeof(*t.scores));
	t.impostor = calloc(n, sizeof(*t.impostor));
	t.genuine = calloc(n, sizeof(*t.genuine));
	t.skip = calloc(n, sizeof(*t.skip));
	if (t.enrolled == NULL || t.chosen == NULL || t.t == NULL ||
	    t.pictures == NULL || t.scores == NULL || t.impostor == NULL ||
	    t.genuine == NULL || t.skip == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory for a trial");
		goto done;
	}
	fill_gallery(o, &t);
	for (size_t i = 0; i < n; i++)
		if (!errata_drops(o->ev->errata, i) &&
		    t.enrolled[o->ev->list->pictures[i].person] != i)
			probe(o, &t, i);
	o->trial[number] = (struct result){ rate_of(&t), t.gallery,
					    t.genuine_count, t.impostor_count };
done:
	free(t.enrolled);
	free(t.chosen);
	free(t.t);
	free(t.pictures);
	free(t.scores);
	free(t.impostor);
	free(t.genuine);
	free(t.skip);
	return st;
}

enum status openset_report(const struct evaluation *ev, json_t *out,
			   struct errinfo *err)
{
	size_t n = ev->list->picture_count;
	struct openset o = { .ev = ev,
			     .persons = ev->list->pictures[n - 1].person + 1u };
	double mean = 0, squares = 0, genuine = 0, impostor = 0;
	unsigned threads = ev->threads < OPENSET_TRIALS ? ev->threads
							: OPENSET_TRIALS;
	enum status st = parallel_run("identifying", OPENSET_TRIALS, threads,
				      run_trial, &o, err);
	json_t *v;

	if (st != ST_OK)
		return st;
	for (int i = 0; i < OPENSET_TRIALS; i++) {
		mean += o.trial[i].rate / OPENSET_TRIALS;
		genuine += (double)o.trial[i].genuine / OPENSET_TRIALS;
		impostor += (double)o.trial[i].impostor / OPENSET_TRIALS;
	}
	for (int i = 0; i < OPENSET_TRIALS; i++)
		squares += (o.trial[i].rate - mean) * (o.trial[i].rate - mean);
	v = json_pack("{s:f, s:i, s:I, s:o, s:o}", "far", OPENSET_FAR, "trials",
		      OPENSET_TRIALS, "gallery", (json_int_t)o.trial[0].gallery,
		      "genuine_probes", jsonvalue_real(genuine, 1),
		      "impostor_probes", jsonvalue_real(impostor, 1));
	evaluate_percent(v, "rank1_dir_mean", mean, 3);
	evaluate_percent(v, "rank1_dir_std",
			 sqrt(squares / (OPENSET_TRIALS - 1)), 3);
	json_object_set_new(out, "open_set", v);
	return ST_OK;
}
