/* Pair lists in the format of LFW: "folds n", then for each fold n lines
 * "name i j" (same person) and n lines "name1 i name2 j" (different), and
 * lists of label errors. The lists belong to the caller. */
#ifndef FACEGATE_PAIRS_H
#define FACEGATE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define PAIRS_NAME_MAX 96

struct pair_picture {
	char name[PAIRS_NAME_MAX];
	unsigned index; /* name/name_%04u.jpg */
};

struct pair_entry {
	size_t a, b; /* into pictures */
	bool same;
	unsigned fold;
};

struct pair_list {
	struct pair_picture *pictures; /* each once, sorted by name and index */
	size_t picture_count;
	struct pair_entry *pairs;
	size_t pair_count;
};

/* Reads a list; errors name the line. pairs_free is safe after either. */
enum status pairs_read(const char *path, struct pair_list *out,
		       struct errinfo *err) MUST_CHECK;
void pairs_free(struct pair_list *list);

/* Ranges of pictures [begin, end). An erratum leaves out the comparisons of
 * any picture of a with any of b. */
struct erratum {
	size_t a_begin, a_end, b_begin, b_end;
};

struct errata {
	struct erratum *items;
	size_t count;
	size_t unused; /* lines that name no picture of the list */
};

/* Reads known label errors, one a line, `#` starts a comment:
 *   name1 name2      the two identities are not to be compared
 *   name i           the picture is compared with nothing
 *   name i j         these two pictures are not compared
 *   name1 i name2 j  nor are these
 * Errors name the line. errata_free is safe after either. */
enum status errata_read(const char *path, const struct pair_list *list,
			struct errata *out, struct errinfo *err) MUST_CHECK;
void errata_free(struct errata *errata);

/* Sets skip[j] for each picture j that picture i is not compared with; skip
 * has as many entries as the list has pictures, and those are false before. */
void errata_mark(const struct errata *errata, size_t i, bool *skip);

#endif
