#include "pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDS_MAX    10
#define PER_FOLD_MAX 50000
#define LINE_BYTES   512
#define WORDS_MAX    5
#define INDEX_MAX    999999999u

static int compare(const void *a, const void *b)
{
	const struct pair_picture *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* Cuts a line into words in place; returns how many, WORDS_MAX if more. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	static const char space[] = " \t\r\n";
	char *at = line;
	size_t n = 0;

	for (;;) {
		at += strspn(at, space);
		if (*at == '\0' || n == WORDS_MAX)
			return n;
		words[n++] = at;
		at += strcspn(at, space);
		if (*at != '\0')
			*at++ = '\0';
	}
}

static bool parse_index(const char *word, unsigned *out)
{
	size_t digits = strspn(word, "0123456789");

	/* Nine digits always fit. */
	if (digits == 0 || digits > 9 || word[digits] != '\0')
		return false;
	*out = (unsigned)strtoul(word, NULL, 10);
	return true;
}

/* Names become paths below the picture folder, and only there. */
static bool parse_name(const char *word, struct pair_picture *out)
{
	size_t n = strlen(word);

	if (n >= PAIRS_NAME_MAX || word[0] == '.' || strchr(word, '/') != NULL)
		return false;
	memset(out->name, 0, sizeof(out->name));
	memcpy(out->name, word, n);
	return true;
}

/* "name i j" or "name1 i name2 j". */
static bool parse_two(char *const words[], size_t n, struct pair_picture two[2])
{
	if (n == 3)
		return parse_name(words[0], &two[0]) &&
		       parse_name(words[0], &two[1]) &&
		       parse_index(words[1], &two[0].index) &&
		       parse_index(words[2], &two[1].index);
	return n == 4 && parse_name(words[0], &two[0]) &&
	       parse_index(words[1], &two[0].index) &&
	       parse_name(words[2], &two[1]) &&
	       parse_index(words[3], &two[1].index);
}

/* A whole line; one that is cut off by the buffer is refused. ST_END at the
 * end of the file. */
static enum status next_line(FILE *f, char line[LINE_BYTES], size_t number,
			     struct errinfo *err)
{
	if (fgets(line, LINE_BYTES, f) == NULL) {
		if (ferror(f))
			return err_set(err, ST_IO_ERROR, "line %zu: %s", number,
				       strerror(errno));
		return ST_END;
	}
	if (strchr(line, '\n') == NULL && !feof(f))
		return err_set(err, ST_BAD_REQUEST,
			       "line %zu is too long or holds NUL bytes",
			       number);
	return ST_OK;
}

static enum status read_pairs(FILE *f, struct pair_list *out,
			      struct pair_picture *two, size_t per_fold,
			      struct errinfo *err)
{
	char line[LINE_BYTES], *words[WORDS_MAX];
	enum status st;

	for (size_t i = 0; i < out->pair_count; i++) {
		bool same = i / per_fold % 2 == 0;

		st = next_line(f, line, i + 2, err);
		if (st == ST_END)
			return err_set(err, ST_BAD_REQUEST,
				       "the list ends before line %zu of %zu",
				       i + 2, out->pair_count + 1);
		if (st != ST_OK)
			return st;
		if (split(line, words) != (same ? 3 : 4) ||
		    !parse_two(words, same ? 3 : 4, two + 2 * i))
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is not \"%s\"", i + 2,
				       same ? "name i j" : "name1 i name2 j");
		out->pairs[i].same = same;
		out->pairs[i].fold = (unsigned)(i / per_fold / 2);
	}
	for (size_t number = out->pair_count + 2;; number++) {
		st = next_line(f, line, number, err);
		if (st != ST_OK)
			return st == ST_END ? ST_OK : st;
		if (split(line, words) > 0)
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is one more than line 1 "
				       "announces",
				       number);
	}
}

static enum status read_head(FILE *f, unsigned *folds, unsigned *per_fold,
			     struct errinfo *err)
{
	char line[LINE_BYTES], *words[WORDS_MAX];
	enum status st = next_line(f, line, 1, err);

	if (st == ST_IO_ERROR)
		return st;
	if (st != ST_OK || split(line, words) != 2 ||
	    !parse_index(words[0], folds) || !parse_index(words[1], per_fold) ||
	    *folds < 2 || *folds > FOLDS_MAX || *per_fold < 1 ||
	    *per_fold > PER_FOLD_MAX)
		return err_set(err, ST_BAD_REQUEST,
			       "line 1 is not \"folds pairs\" with 2 to %d "
			       "folds and 1 to %d pairs of each kind",
			       FOLDS_MAX, PER_FOLD_MAX);
	return ST_OK;
}

/* Makes the sorted list of pictures and points the pairs into it. */
static void index_pictures(struct pair_list *out,
			   const struct pair_picture *two)
{
	size_t n = 2 * out->pair_count;
	struct pair_picture *p = out->pictures;

	memcpy(p, two, n * sizeof(*p));
	qsort(p, n, sizeof(*p), compare);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || compare(&p[out->picture_count - 1], &p[i]) != 0)
			p[out->picture_count++] = p[i];
	for (size_t i = 0; i < n; i++) {
		const struct pair_picture *at = bsearch(
			&two[i], p, out->picture_count, sizeof(*p), compare);
		size_t *side = i % 2 ? &out->pairs[i / 2].b
				     : &out->pairs[i / 2].a;

		*side = (size_t)(at - p);
	}
}

enum status pairs_read(const char *path, struct pair_list *out,
		       struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	unsigned folds = 0, per_fold = 0;
	struct pair_picture *two = NULL;
	enum status st;
	size_t n;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	st = read_head(f, &folds, &per_fold, err);
	if (st != ST_OK)
		goto done;
	n = (size_t)folds * per_fold * 2;
	out->pairs = calloc(n, sizeof(*out->pairs));
	two = calloc(2 * n, sizeof(*two));
	out->pictures = calloc(2 * n, sizeof(*out->pictures));
	if (out->pairs == NULL || two == NULL || out->pictures == NULL) {
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pairs", n);
		goto done;
	}
	out->pair_count = n;
	st = read_pairs(f, out, two, per_fold, err);
	if (st == ST_OK)
		index_pictures(out, two);
done:
	fclose(f);
	free(two);
	if (st != ST_OK)
		pairs_free(out);
	return st;
}

void pairs_free(struct pair_list *list)
{
	free(list->pictures);
	free(list->pairs);
	memset(list, 0, sizeof(*list));
}

/* The first picture not before (name, index). */
static size_t lower_bound(const struct pair_list *l,
			  const struct pair_picture *key)
{
	size_t begin = 0, end = l->picture_count;

	while (begin < end) {
		size_t mid = begin + (end - begin) / 2;

		if (compare(&l->pictures[mid], key) < 0)
			begin = mid + 1;
		else
			end = mid;
	}
	return begin;
}

static void range_of(const struct pair_list *l, struct pair_picture p,
		     bool whole, size_t *begin, size_t *end)
{
	if (whole)
		p.index = 0;
	*begin = lower_bound(l, &p);
	p.index = whole ? INDEX_MAX + 1 : p.index + 1;
	*end = lower_bound(l, &p);
}

static bool parse_erratum(char *const words[], size_t n,
			  const struct pair_list *l, struct erratum *out)
{
	struct pair_picture two[2];
	bool whole = false;

	memset(two, 0, sizeof(two));
	if (n == 2) {
		if (!parse_name(words[0], &two[0]))
			return false;
		if (parse_index(words[1], &two[0].index)) {
			range_of(l, two[0], false, &out->a_begin, &out->a_end);
			out->b_begin = 0;
			out->b_end = l->picture_count;
			return true;
		}
		if (!parse_name(words[1], &two[1]))
			return false;
		whole = true;
	} else if (!parse_two(words, n, two)) {
		return false;
	}
	range_of(l, two[0], whole, &out->a_begin, &out->a_end);
	range_of(l, two[1], whole, &out->b_begin, &out->b_end);
	return true;
}

static enum status add_erratum(struct errata *out, const struct erratum *e,
			       struct errinfo *err)
{
	/* Grows by doubling: full when the count is a power of two. */
	if ((out->count & (out->count - 1)) == 0) {
		size_t room = out->count ? 2 * out->count : 1;
		struct erratum *grown = reallocarray(out->items, room,
						     sizeof(*grown));

		if (grown == NULL)
			return err_set(err, ST_NO_MEMORY, "no memory");
		out->items = grown;
	}
	out->items[out->count++] = *e;
	return ST_OK;
}

enum status errata_read(const char *path, const struct pair_list *list,
			struct errata *out, struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	char line[LINE_BYTES], *words[WORDS_MAX];
	enum status st = ST_OK;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	for (size_t number = 1; st == ST_OK; number++) {
		struct erratum e;
		size_t n;

		st = next_line(f, line, number, err);
		if (st != ST_OK)
			break;
		line[strcspn(line, "#")] = '\0';
		n = split(line, words);
		if (n == 0)
			continue;
		if (!parse_erratum(words, n, list, &e))
			st = err_set(err, ST_BAD_REQUEST,
				     "line %zu is not \"name1 name2\", "
				     "\"name i\", \"name i j\" or \"name1 i "
				     "name2 j\"",
				     number);
		else if (e.a_begin == e.a_end || e.b_begin == e.b_end)
			out->unused++;
		else
			st = add_erratum(out, &e, err);
	}
	fclose(f);
	if (st == ST_END)
		return ST_OK;
	errata_free(out);
	return st;
}

void errata_free(struct errata *errata)
{
	free(errata->items);
	memset(errata, 0, sizeof(*errata));
}

void errata_mark(const struct errata *errata, size_t i, bool *skip)
{
	for (size_t k = 0; k < errata->count; k++) {
		const struct erratum *e = &errata->items[k];

		if (i >= e->a_begin && i < e->a_end)
			memset(skip + e->b_begin, true, e->b_end - e->b_begin);
		if (i >= e->b_begin && i < e->b_end)
			memset(skip + e->a_begin, true, e->a_end - e->a_begin);
	}
}
