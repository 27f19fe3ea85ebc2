/* Pair lists in the format of LFW: "folds n", then for each fold n lines
 * "name i j" (same person) and n lines "name1 i name2 j" (different). The
 * lists belong to the caller. */
#ifndef FACEGATE_PAIRS_H
#define FACEGATE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "status.h"

#define PAIRS_NAME_MAX	96
#define PAIRS_INDEX_MAX 999999999u

struct pair_picture {
	char name[PAIRS_NAME_MAX];
	unsigned index;	 /* name/name_%04u.jpg */
	unsigned person; /* the names counted in order, from 0 */
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
/* Adds the pictures that dir holds as name/name_%04u.jpg and the list does
 * not name; other files are passed over. The pairs keep their pictures. */
enum status pairs_add_folder(struct pair_list *list, const char *dir,
			     struct errinfo *err) MUST_CHECK;
void pairs_free(struct pair_list *list);

/* By name, then by index: the order of a list's pictures. */
int pairs_order(const void *a, const void *b);

/* What lists and errata are read with. A line is cut into words in place;
 * pairs_split returns how many, PAIRS_WORDS_MAX if more. pairs_line returns
 * ST_END at the end and refuses a line that does not fit. pairs_two reads
 * "name i j" or "name1 i name2 j". */
#define PAIRS_LINE_BYTES 512
#define PAIRS_WORDS_MAX	 5
enum status pairs_line(FILE *f, char line[PAIRS_LINE_BYTES], size_t number,
		       struct errinfo *err) MUST_CHECK;
size_t pairs_split(char *line, char *words[PAIRS_WORDS_MAX]);
bool pairs_index(const char *word, unsigned *out);
bool pairs_name(const char *word, struct pair_picture *out);
bool pairs_two(char *const words[], size_t n, struct pair_picture two[2]);

#endif
