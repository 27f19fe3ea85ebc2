/* Values of MIME header fields: "type; name=value; name="quoted value"". No
 * heap, no state; safe from any thread. */
#ifndef FACEGATE_MIMEHEAD_H
#define FACEGATE_MIMEHEAD_H

#include <stdbool.h>
#include <stddef.h>

#define MIME_NAME_BYTES	 24
#define MIME_VALUE_BYTES 128

struct mime_param {
	char name[MIME_NAME_BYTES];
	char value[MIME_VALUE_BYTES];
	size_t value_len; /* true length; what did not fit is cut off */
};

enum mime_next { MIME_PARAM, MIME_END, MIME_BAD };

/* Moves *p past the first word of a value ("text/plain") and says whether the
 * word is exactly that, letters' case apart. */
bool mime_word_is(const char **p, const char *word);

/* Reads the next "; name=value" at *p. Names longer than fit are cut. */
enum mime_next mime_next_param(const char **p, struct mime_param *out);

/* How much an Accept header wants the type, from 0 to 1: the q of the most
 * special of its ranges that covers the type, 0 when none does. */
double mime_accepts(const char *accept, const char *type);

#endif
