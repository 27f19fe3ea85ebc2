/* Pair lists in the format of LFW: "folds n", then for each fold n lines
 * "name i j" (same person) and n lines "name1 i name2 j" (different). */
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

#endif
