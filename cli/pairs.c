#include "pairs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDS_MAX    10
#define PER_FOLD_MAX 50000

int pairs_order(const void *a, const void *b)
{
	const struct pair_picture *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->index > y->index) - (x->index < y->index);
}

size_t pairs_split(char *line, char *words[PAIRS_WORDS_MAX])
{
	static const char space[] = " \t\r\n";
	char *at = line;
	size_t n = 0;

	for (;;) {
		at += strspn(at, space);
		if (*at == '\0' || n == PAIRS_WORDS_MAX)
			return n;
		words[n++] = at;
		at += strcspn(at, space);
		if (*at != '\0')
			*at++ = '\0';
	}
}

bool pairs_index(const char *word, unsigned *out)
{
	size_t digits = strspn(word, "0123456789");

	/* Nine digits always fit. */
	if (digits == 0 || digits > 9 || word[digits] != '\0')
		return false;
	*out = (unsigned)strtoul(word, NULL, 10);
	return true;
}

/* Names become paths below the picture folder, and only there. */
bool pairs_name(const char *word, struct pair_picture *out)
{
	size_t n = strlen(word);

	if (n >= PAIRS_NAME_MAX || word[0] == '.' || strchr(word, '/') != NULL)
		return false;
	memset(out->name, 0, sizeof(out->name));
	memcpy(out->name, word, n);
	return true;
}

bool pairs_two(char *const words[], size_t n, struct pair_picture two[2])
{
	if (n == 3)
		return pairs_name(words[0], &two[0]) &&
		       pairs_name(words[0], &two[1]) &&
		       pairs_index(words[1], &two[0].index) &&
		       pairs_index(words[2], &two[1].index);
	return n == 4 && pairs_name(words[0], &two[0]) &&
	       pairs_index(words[1], &two[0].index) &&
	       pairs_name(words[2], &two[1]) &&
	       pairs_index(words[3], &two[1].index);
}

enum status pairs_line(FILE *f, char line[PAIRS_LINE_BYTES], size_t number,
		       struct errinfo *err)
{
	if (fgets(line, PAIRS_LINE_BYTES, f) == NULL) {
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
	char line[PAIRS_LINE_BYTES], *words[PAIRS_WORDS_MAX];
	enum status st;

	for (size_t i = 0; i < out->pair_count; i++) {
		bool same = i / per_fold % 2 == 0;

		st = pairs_line(f, line, i + 2, err);
		if (st == ST_END)
			return err_set(err, ST_BAD_REQUEST,
				       "the list ends before line %zu of %zu",
				       i + 2, out->pair_count + 1);
		if (st != ST_OK)
			return st;
		if (pairs_split(line, words) != (same ? 3 : 4) ||
		    !pairs_two(words, same ? 3 : 4, two + 2 * i))
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is not \"%s\"", i + 2,
				       same ? "name i j" : "name1 i name2 j");
		out->pairs[i].same = same;
		out->pairs[i].fold = (unsigned)(i / per_fold / 2);
	}
	for (size_t number = out->pair_count + 2;; number++) {
		st = pairs_line(f, line, number, err);
		if (st != ST_OK)
			return st == ST_END ? ST_OK : st;
		if (pairs_split(line, words) > 0)
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is one more than line 1 "
				       "announces",
				       number);
	}
}

static enum status read_head(FILE *f, unsigned *folds, unsigned *per_fold,
			     struct errinfo *err)
{
	char line[PAIRS_LINE_BYTES], *words[PAIRS_WORDS_MAX];
	enum status st = pairs_line(f, line, 1, err);

	if (st == ST_IO_ERROR)
		return st;
	if (st != ST_OK || pairs_split(line, words) != 2 ||
	    !pairs_index(words[0], folds) || !pairs_index(words[1], per_fold) ||
	    *folds < 2 || *folds > FOLDS_MAX || *per_fold < 1 ||
	    *per_fold > PER_FOLD_MAX)
		return err_set(err, ST_BAD_REQUEST,
			       "line 1 is not \"folds pairs\" with 2 to %d "
			       "folds and 1 to %d pairs of each kind",
			       FOLDS_MAX, PER_FOLD_MAX);
	return ST_OK;
}

/* Sorts pictures and drops repeats; returns how many are left. */
static size_t sort_pictures(struct pair_picture *p, size_t n)
{
	size_t kept = 0;
	unsigned person = 0;

	assert(p != NULL); /* a list has a pair at least */
	qsort(p, n, sizeof(*p), pairs_order);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && pairs_order(&p[kept - 1], &p[i]) == 0)
			continue;
		if (kept > 0 && strcmp(p[kept - 1].name, p[i].name) != 0)
			person++;
		p[kept] = p[i];
		p[kept++].person = person;
	}
	return kept;
}

static size_t find_picture(const struct pair_picture *p, size_t n,
			   const struct pair_picture *key)
{
	const struct pair_picture *at = bsearch(key, p, n, sizeof(*p),
						pairs_order);

	return (size_t)(at - p);
}

/* Makes the sorted list of pictures and points the pairs into it. */
static void index_pictures(struct pair_list *out,
			   const struct pair_picture *two)
{
	size_t n = 2 * out->pair_count;
	struct pair_picture *p = out->pictures;

	assert(p != NULL);
	memcpy(p, two, n * sizeof(*p));
	out->picture_count = sort_pictures(p, n);
	for (size_t i = 0; i < out->pair_count; i++) {
		out->pairs[i].a = find_picture(p, out->picture_count,
					       &two[2 * i]);
		out->pairs[i].b = find_picture(p, out->picture_count,
					       &two[2 * i + 1]);
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

/* Pictures as they are found. */
struct found {
	struct pair_picture *p;
	size_t count, room;
};

static enum status keep(struct found *f, const struct pair_picture *p,
			struct errinfo *err)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 1024;
		struct pair_picture *grown = reallocarray(f->p, room,
							  sizeof(*grown));

		if (grown == NULL)
			return err_set(err, ST_NO_MEMORY,
				       "no memory for %zu pictures", room);
		f->p = grown;
		f->room = room;
	}
	f->p[f->count++] = *p;
	return ST_OK;
}

/* Whether a file is the picture p->name has of some index: the name must be
 * the very one that is opened later. */
static bool is_picture(const char *file, struct pair_picture *p)
{
	size_t n = strlen(p->name);
	char expected[PAIRS_NAME_MAX + 20];
	char digits[11];
	size_t k;

	if (strncmp(file, p->name, n) != 0 || file[n] != '_')
		return false;
	k = strspn(file + n + 1, "0123456789");
	if (k == 0 || k >= sizeof(digits))
		return false;
	memcpy(digits, file + n + 1, k);
	digits[k] = '\0';
	if (!pairs_index(digits, &p->index))
		return false;
	snprintf(expected, sizeof(expected), "%s_%04u.jpg", p->name, p->index);
	return strcmp(file, expected) == 0;
}

static enum status read_person(const char *dir, struct pair_picture *p,
			       struct found *f, struct errinfo *err)
{
	enum status st = ST_OK;
	struct dirent *entry;
	char path[4096];
	DIR *d;
	int n = snprintf(path, sizeof(path), "%s/%s", dir, p->name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, ST_BAD_REQUEST, "the path is too long");
	d = opendir(path);
	if (d == NULL)
		/* A file beside the folders is no person. */
		return errno == ENOTDIR ? ST_OK
					: err_set(err, ST_IO_ERROR, "%s: %s",
						  p->name, strerror(errno));
	while (st == ST_OK && (entry = readdir(d)) != NULL)
		if (is_picture(entry->d_name, p))
			st = keep(f, p, err);
	closedir(d);
	return st;
}

/* Takes the list's own pictures in, and points the pairs to where they are. */
static enum status merge(struct pair_list *list, struct found *f,
			 struct errinfo *err)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < list->picture_count; i++)
		st = keep(f, &list->pictures[i], err);
	if (st != ST_OK)
		return st;
	f->count = sort_pictures(f->p, f->count);
	for (size_t i = 0; i < list->pair_count; i++) {
		struct pair_entry *e = &list->pairs[i];

		e->a = find_picture(f->p, f->count, &list->pictures[e->a]);
		e->b = find_picture(f->p, f->count, &list->pictures[e->b]);
	}
	free(list->pictures);
	list->pictures = f->p;
	list->picture_count = f->count;
	f->p = NULL;
	return ST_OK;
}

enum status pairs_add_folder(struct pair_list *list, const char *dir,
			     struct errinfo *err)
{
	struct found f = { .p = NULL };
	struct pair_picture p;
	enum status st = ST_OK;
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (d == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	memset(&p, 0, sizeof(p));
	while (st == ST_OK && (entry = readdir(d)) != NULL)
		if (pairs_name(entry->d_name, &p))
			st = read_person(dir, &p, &f, err);
	closedir(d);
	if (st == ST_OK)
		st = merge(list, &f, err);
	free(f.p);
	return st;
}
