/* The end of a JSON body: what jsonscan.c collected (one flat object, the
 * strings of pictures emptied) becomes parameters. jansson allocates here, and
 * frees again before the return. */
#ifndef FACEGATE_JSONMEMBERS_H
#define FACEGATE_JSONMEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "body.h"

/* Sets where all of jansson gets its memory from: malloc, or what a test puts
 * there; free must fit it. Before other threads use jansson. */
void jsonmembers_init(void *(*alloc)(size_t n));

/* Parses JSON text; NULL with err set: ST_BAD_JSON or ST_NO_MEMORY. The text's
 * depth must have been bounded. */
json_t *jsonmembers_load(const char *text, size_t len, struct errinfo *err);

/* image_seen, images_seen: the scanner took that member's strings as pictures.
 * The result, or the error, goes to b. */
void jsonmembers_read(struct body *b, bool image_seen, bool images_seen);

#endif
