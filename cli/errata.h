/* Lists of label errors: comparisons to leave out. The lists belong to the
 * caller. */
#ifndef FACEGATE_ERRATA_H
#define FACEGATE_ERRATA_H

#include <stdbool.h>
#include <stddef.h>

#include "pairs.h"
#include "status.h"

/* Ranges of pictures [begin, end). An erratum leaves out the comparisons of
 * any picture of a with any of b. */
struct erratum {
	size_t a_begin, a_end, b_begin, b_end;
	bool alone; /* a is one picture and b is all there are */
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
 * has as many entries as the list has pictures, and those are false before.
 * Returns false when it set none. */
bool errata_mark(const struct errata *errata, size_t i, bool *skip);

/* Whether picture i is compared with nothing. */
bool errata_drops(const struct errata *errata, size_t i);

#endif
