/* Counting is a second pass over all comparisons: the cut is known only after
 * the first. */
#include "groups.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"

#define COLUMNS_MAX    128
#define LINE_MAX_BYTES 8192
#define RATE	       1e-4

enum group {
	MALE,
	NOT_MALE,
	WHITE,
	BLACK,
	ASIAN,
	CHILD,
	YOUTH,
	MIDDLE_AGED,
	SENIOR,
	EYEGLASSES,
	NO_EYEGLASSES,
	GROUPS
};
static const char *const names[GROUPS] = {
	"male",	 "not_male",	"white",  "black",	"asian",	"child",
	"youth", "middle_aged", "senior", "eyeglasses", "no_eyeglasses"
};

/* The columns that are used, in this order. */
enum column { C_MALE, C_RACE, C_AGE = C_RACE + 3, C_GLASSES = C_AGE + 4, USED };
static const char *const columns[USED] = {
	"Male",	 "White",	"Black",  "Asian",     "Child",
	"Youth", "Middle Aged", "Senior", "Eyeglasses"
};

/* Cuts a line at its tabs, in place; returns how many fields. */
static size_t fields(char *line, char *out[COLUMNS_MAX])
{
	size_t n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	while (n < COLUMNS_MAX) {
		char *tab = strchr(line, '\t');

		out[n++] = line;
		if (tab == NULL)
			break;
		*tab = '\0';
		line = tab + 1;
	}
	return n;
}

/* "# person imagenum Male ...", with a tab or a space behind the #. Other
 * lines that begin with # are comments. at: the field of each column, 0 for
 * one that is not there. */
static bool read_columns(char *line, size_t at[USED])
{
	char *field[COLUMNS_MAX] = { NULL };
	size_t n = fields(line + 1 + strspn(line + 1, "\t "), field);
	bool any = false;

	if (n < 3 || strcmp(field[0], "person") != 0 ||
	    strcmp(field[1], "imagenum") != 0)
		return false;
	for (size_t c = 0; c < USED; c++) {
		at[c] = 0;
		for (size_t i = 2; i < n && at[c] == 0; i++)
			if (strcmp(field[i], columns[c]) == 0)
				at[c] = i;
		any = any || at[c] != 0;
	}
	return any;
}

/* Unknown attributes are NAN, and of no group. */
static unsigned sign_group(float v, enum group positive, enum group other)
{
	return isnan(v) ? 0 : 1u << (v > 0 ? positive : other);
}

static unsigned largest_group(const float *v, size_t n, enum group first)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		if (isnan(v[at]) || v[i] > v[at])
			at = i;
	return isnan(v[at]) ? 0 : 1u << (first + at);
}

static uint16_t groups_of(const float v[USED])
{
	return (uint16_t)(sign_group(v[C_MALE], MALE, NOT_MALE) |
			  largest_group(v + C_RACE, 3, WHITE) |
			  largest_group(v + C_AGE, 4, CHILD) |
			  sign_group(v[C_GLASSES], EYEGLASSES, NO_EYEGLASSES));
}

static bool read_picture(char *line, const size_t at[USED],
			 const struct pair_list *list, struct groups *out)
{
	const struct pair_picture *found;
	char *field[COLUMNS_MAX], *end;
	size_t n = fields(line, field);
	struct pair_picture p;
	float v[USED];

	memset(&p, 0, sizeof(p));
	for (char *c = field[0]; *c != '\0'; c++)
		if (*c == ' ')
			*c = '_';
	if (n < 3 || !pairs_name(field[0], &p) ||
	    !pairs_index(field[1], &p.index))
		return false;
	for (size_t c = 0; c < USED; c++) {
		v[c] = NAN;
		if (at[c] == 0)
			continue;
		if (at[c] >= n)
			return false;
		if (strcmp(field[at[c]], "-") == 0)
			continue;
		v[c] = strtof(field[at[c]], &end);
		if (end == field[at[c]] || *end != '\0' || !isfinite(v[c]))
			return false;
	}
	found = bsearch(&p, list->pictures, list->picture_count, sizeof(p),
			pairs_order);
	if (found != NULL)
		out->of[found - list->pictures] = groups_of(v);
	return true;
}

static enum status read_lines(FILE *f, const struct pair_list *list,
			      struct groups *out, struct errinfo *err)
{
	static const char cannot[] = "needs a line \"# person imagenum ...\" "
				     "with some of Male, White, Black, Asian, "
				     "Child, Youth, Middle Aged, Senior and "
				     "Eyeglasses before line %zu";
	char line[LINE_MAX_BYTES];
	size_t at[USED];
	bool named = false;

	for (size_t number = 1; fgets(line, sizeof(line), f) != NULL;
	     number++) {
		if (strchr(line, '\n') == NULL && !feof(f))
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is too long", number);
		if (line[0] == '#')
			named = read_columns(line, at) || named;
		else if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		else if (!named)
			return err_set(err, ST_BAD_REQUEST, cannot, number);
		else if (!read_picture(line, at, list, out))
			return err_set(err, ST_BAD_REQUEST,
				       "line %zu is not a person, a number and "
				       "attributes",
				       number);
	}
	if (ferror(f))
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	return ST_OK;
}

enum status groups_read(const char *path, const struct pair_list *list,
			struct groups *out, struct errinfo *err)
{
	FILE *f = fopen(path, "re");
	enum status st;

	memset(out, 0, sizeof(*out));
	if (f == NULL)
		return err_set(err, ST_IO_ERROR, "%s", strerror(errno));
	out->of = calloc(list->picture_count, sizeof(*out->of));
	st = out->of != NULL ? read_lines(f, list, out, err)
			     : err_set(err, ST_NO_MEMORY, "no memory");
	for (size_t i = 0; st == ST_OK && i < list->picture_count; i++)
		out->known += out->of[i] != 0;
	fclose(f);
	return st;
}

void groups_free(struct groups *groups)
{
	free(groups->of);
	memset(groups, 0, sizeof(*groups));
}

struct counts {
	uint64_t genuine, missed, impostor, matched;
};

struct counting {
	const struct pair_picture *pictures;
	const uint16_t *of;
	double cut;
	struct counts part[PARALLEL_MAX][GROUPS]; /* a thread's each */
};

static void count_row(void *ctx, unsigned thread, size_t i, size_t first,
		      const float *scores, const bool *skip, size_t n)
{
	struct counting *c = ctx;
	unsigned person = c->pictures[i].person;

	for (size_t k = 0; k < n; k++) {
		size_t j = first + k;
		unsigned both = skip[k] ? 0u : c->of[i] & c->of[j];
		bool match = (double)scores[k] >= c->cut;
		bool same = c->pictures[j].person == person;

		for (; both != 0; both &= both - 1) {
			struct counts *g =
				&c->part[thread][__builtin_ctz(both)];

			g->genuine += same;
			g->missed += same && !match;
			g->impostor += !same;
			g->matched += !same && match;
		}
	}
}

static json_t *group_json(const struct counting *c, const struct evaluation *ev,
			  size_t g)
{
	struct counts sum = { 0 };
	size_t pictures = 0;
	json_t *o;

	for (unsigned i = 0; i < ev->threads; i++) {
		const struct counts *part = &c->part[i][g];

		sum.genuine += part->genuine;
		sum.missed += part->missed;
		sum.impostor += part->impostor;
		sum.matched += part->matched;
	}
	for (size_t i = 0; i < ev->list->picture_count; i++)
		pictures += c->of[i] >> g & 1;
	o = json_pack("{s:I, s:I, s:I}", "pictures", (json_int_t)pictures,
		      "genuine_comparisons", (json_int_t)sum.genuine,
		      "impostor_comparisons", (json_int_t)sum.impostor);
	/* Nothing over nothing is not a number, and null. */
	evaluate_percent(o, "fnmr", (double)sum.missed / (double)sum.genuine,
			 3);
	evaluate_percent(o, "fmr", (double)sum.matched / (double)sum.impostor,
			 6);
	return o;
}

enum status groups_report(const struct evaluation *ev,
			  const struct groups *groups,
			  const struct score_histogram *h, json_t *out,
			  struct errinfo *err)
{
	struct counting *c = calloc(1, sizeof(*c));
	json_t *list = json_null();
	enum status st = ST_OK;
	double fnmr;

	if (c == NULL)
		return err_set(err, ST_NO_MEMORY, "no memory");
	c->pictures = ev->list->pictures;
	c->of = groups->of;
	if (metrics_fnmr_at_fmr(h, RATE, &fnmr, &c->cut)) {
		st = evaluate_scan(ev, count_row, c, err);
		list = json_object();
		for (size_t g = 0; g < GROUPS; g++)
			json_object_set_new(list, names[g],
					    group_json(c, ev, g));
	}
	json_object_set_new(out, "groups", list);
	json_object_set_new(out, "pictures_with_attributes",
			    json_integer((json_int_t)groups->known));
	free(c);
	return st;
}
