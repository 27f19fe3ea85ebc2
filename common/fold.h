/* Looking for text in text, letters' case apart: in all of Unicode where each
 * letter has one counterpart ("Ä" and "ä", not "ß" and "SS"), by the C
 * library's tables of the locale C.UTF-8. Letters with and without an accent
 * differ. Threads: any. Memory: the locale, once. */
#ifndef FACEGATE_FOLD_H
#define FACEGATE_FOLD_H

#include <stdbool.h>
#include <wchar.h>

#define FOLD_BYTES_MAX 512 /* of UTF-8 */

struct fold {
	wchar_t text[FOLD_BYTES_MAX + 1]; /* in lower case */
};

/* False for text that is longer or not UTF-8. */
bool fold_set(struct fold *f, const char *utf8);
/* Whether utf8 contains what; false for text that fold_set refuses. */
bool fold_contains(const char *utf8, const struct fold *what);

#endif
