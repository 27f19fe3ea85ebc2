#include "errata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first picture not before (name, index). */
static size_t lower_bound(const struct pair_list *l,
			  const struct pair_picture *key)
{
	size_t begin = 0, end = l->picture_count;

	while (begin < end) {
		size_t mid = begin + (end - begin) / 2;

		if (pairs_order(&l->pictures[mid], key) < 0)
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
	p.index = whole ? PAIRS_INDEX_MAX + 1 : p.index + 1;
	*end = lower_bound(l, &p);
}

static bool parse_erratum(char *const words[], size_t n,
			  const struct pair_list *l, struct erratum *out)
{
	struct pair_picture two[2];
	bool whole = false;

	memset(two, 0, sizeof(two));
	out->alone = false;
	if (n == 2) {
		if (!pairs_name(words[0], &two[0]))
			return false;
		if (pairs_index(words[1], &two[0].index)) {
			range_of(l, two[0], false, &out->a_begin, &out->a_end);
			out->b_begin = 0;
			out->b_end = l->picture_count;
			out->alone = true;
			return true;
		}
		if (!pairs_name(words[1], &two[1]))
			return false;
		whole = true;
	} else if (!pairs_two(words, n, two)) {
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
	char line[PAIRS_LINE_BYTES], *words[PAIRS_WORDS_MAX];
	enum status st = ST_OK;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	for (size_t number = 1; st == ST_OK; number++) {
		struct erratum e;
		size_t n;

		st = pairs_line(f, line, number, err);
		if (st != ST_OK)
			break;
		line[strcspn(line, "#")] = '\0';
		n = pairs_split(line, words);
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

bool errata_mark(const struct errata *errata, size_t i, bool *skip)
{
	bool any = false;

	for (size_t k = 0; k < errata->count; k++) {
		const struct erratum *e = &errata->items[k];

		if (i >= e->a_begin && i < e->a_end) {
			memset(skip + e->b_begin, true, e->b_end - e->b_begin);
			any = true;
		}
		if (i >= e->b_begin && i < e->b_end) {
			memset(skip + e->a_begin, true, e->a_end - e->a_begin);
			any = true;
		}
	}
	return any;
}

bool errata_drops(const struct errata *errata, size_t i)
{
	for (size_t k = 0; k < errata->count; k++) {
		const struct erratum *e = &errata->items[k];

		if (e->alone && i >= e->a_begin && i < e->a_end)
			return true;
	}
	return false;
}
