/* Templates of all enrolled persons in one block of fixed capacity, and the
 * search over them.
 *
 * Memory: taken from the engine's block when it opens; nothing grows later.
 * Threads: any thread may call any function; readers run side by side, a
 * writer waits for them (one pthread_rwlock inside).
 * Keys: person_key and template_id are the database's row ids, 1 .. 2^32 - 1.
 */
#ifndef FACEGATE_GALLERY_H
#define FACEGATE_GALLERY_H

#include <stddef.h>
#include <stdint.h>

#include "facetypes.h"
#include "status.h"

struct gallery;

struct gallery_hit {
	int64_t person_key;
	int64_t template_id; /* the person's closest template */
	float score;	     /* cosine, [-1, 1] */
};

/* Adds n templates of one person, all or none: ST_GALLERY_FULL when they do
 * not fit or a key is out of range. With replace, the person's older templates
 * go in the same step. */
enum status gallery_put(struct gallery *g, int64_t person_key,
			const int64_t *template_ids,
			const struct face_template *t, size_t n,
			int replace) MUST_CHECK;

/* ST_OK when n more templates would fit (after removing the person's own if
 * replace), ST_GALLERY_FULL otherwise. */
enum status gallery_room(struct gallery *g, int64_t person_key, size_t n,
			 int replace) MUST_CHECK;

/* Removes one person's templates and wipes their bytes. Returns how many. */
size_t gallery_remove(struct gallery *g, int64_t person_key);

/* Best score of one person. ST_NO_SUCH_PERSON when it has no template. */
enum status gallery_verify(struct gallery *g, int64_t person_key,
			   const struct face_template *probe,
			   struct gallery_hit *best) MUST_CHECK;

/* The k best persons, each once, best first; ties by smaller person_key.
 * Returns how many were written. k <= GALLERY_TOP_MAX. */
#define GALLERY_TOP_MAX 32
size_t gallery_identify(struct gallery *g, const struct face_template *probe,
			struct gallery_hit *hits, size_t k);

/* The same among the persons of keys[key_count], which rise; *compared is the
 * number of their templates. */
size_t gallery_identify_among(struct gallery *g,
			      const struct face_template *probe,
			      const int64_t *keys, size_t key_count,
			      struct gallery_hit *hits, size_t k,
			      size_t *compared);

size_t gallery_count(struct gallery *g); /* templates held */
size_t gallery_capacity(struct gallery *g);

float template_cosine(const struct face_template *a,
		      const struct face_template *b);

#endif
