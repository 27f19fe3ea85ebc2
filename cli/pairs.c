#include "pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 1000000

static int compare(const void *a, const void *b)
{
	const struct pair_picture *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static size_t place_of(const struct pair_list *l, const struct pair_picture *p)
{
	const struct pair_picture *at = bsearch(
		p, l->pictures, l->picture_count, sizeof(*p), compare);

	return (size_t)(at - l->pictures);
}

static bool parse_line(const char *line, bool same, struct pair_picture two[2])
{
	char extra;

	memset(two, 0, 2 * sizeof(*two));
	if (same) {
		if (sscanf(line, "%95s %u %u %c", two[0].name, &two[0].index,
			   &two[1].index, &extra) != 3)
			return false;
		memcpy(two[1].name, two[0].name, sizeof(two[1].name));
	} else if (sscanf(line, "%95s %u %95s %u %c", two[0].name,
			  &two[0].index, two[1].name, &two[1].index,
			  &extra) != 4) {
		return false;
	}
	/* Names become paths below the picture folder, and only there. */
	return strchr(two[0].name, '/') == NULL &&
	       strchr(two[1].name, '/') == NULL && two[0].name[0] != '.' &&
	       two[1].name[0] != '.';
}

static enum status read_lines(FILE *f, struct pair_list *out,
			      struct pair_picture *two, unsigned per_fold,
			      struct errinfo *err)
{
	char line[512];

	for (size_t i = 0; i < out->pair_count; i++) {
		bool same = i / per_fold % 2 == 0;

		if (fgets(line, sizeof(line), f) == NULL)
			return err_set(err, ST_BAD_REQUEST,
				       "pair list ends at line %zu of %zu",
				       i + 1, out->pair_count + 1);
		if (!parse_line(line, same, two + 2 * i))
			return err_set(err, ST_BAD_REQUEST,
				       "pair list line %zu is not a pair",
				       i + 2);
		out->pairs[i].same = same;
		out->pairs[i].fold = (unsigned)(i / per_fold / 2);
	}
	return ST_OK;
}

enum status pairs_read(const char *path, struct pair_list *out,
		       struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	unsigned folds = 0, per_fold = 0;
	struct pair_picture *two = NULL;
	char line[512];
	enum status st = ST_OK;
	size_t n;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%.100s: %s", path,
			       strerror(errno));
	if (fgets(line, sizeof(line), f) == NULL ||
	    sscanf(line, "%u %u", &folds, &per_fold) != 2 || folds == 0 ||
	    folds > 10 || per_fold == 0 || per_fold > PAIRS_MAX / 20) {
		st = err_set(err, ST_BAD_REQUEST,
			     "pair list line 1 is not \"folds pairs\"");
		goto done;
	}
	n = (size_t)folds * per_fold * 2;
	out->pairs = calloc(n, sizeof(*out->pairs));
	two = calloc(2 * n, sizeof(*two));
	out->pictures = calloc(2 * n, sizeof(*out->pictures));
	if (!out->pairs || !two || !out->pictures) {
		st = err_set(err, ST_NO_MEMORY, "no memory for %zu pairs", n);
		goto done;
	}
	out->pair_count = n;
	st = read_lines(f, out, two, per_fold, err);
	if (st != ST_OK)
		goto done;
	memcpy(out->pictures, two, 2 * n * sizeof(*two));
	qsort(out->pictures, 2 * n, sizeof(*two), compare);
	for (size_t i = 0; i < 2 * n; i++)
		if (i == 0 || compare(&out->pictures[out->picture_count - 1],
				      &out->pictures[i]) != 0)
			out->pictures[out->picture_count++] = out->pictures[i];
	for (size_t i = 0; i < n; i++) {
		out->pairs[i].a = place_of(out, &two[2 * i]);
		out->pairs[i].b = place_of(out, &two[2 * i + 1]);
	}
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
