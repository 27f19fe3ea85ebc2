/* application/x-www-form-urlencoded: name=value pairs of a text that was
 * collected in the body's parameters become parameters. No heap; one thread at
 * a time. */
#ifndef FACEGATE_URLENCODED_H
#define FACEGATE_URLENCODED_H

#include "body.h"

/* The text is complete. A damaged escape, a NUL or what paramstore refuses sets
 * the body's error. */
void urlencoded_finish(struct body *b);

#endif
