/* A line of an export: a person, as GET /people/{id} tells it, or a template of
 * the person before, as GET /people/{id}/templates does, with its numbers as
 * `facegate embed` prints them. */
#ifndef FACEGATE_PERSONRECORD_H
#define FACEGATE_PERSONRECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "db.h"

struct personrecord {
	bool is_template;
	/* A person: id to card, and created_ms. */
	struct db_person person;
	/* A template: model, quality and created_ms. The API key that enrolled
	 * it is another gateway's and is left out. */
	struct db_template about;
	struct face_template t;
};

json_t *personrecord_template(const struct db_template *about,
			      const struct face_template *t);

/* Reads a line. ST_BAD_EXPORT when it is neither, or says of a person or a
 * template what cannot be. */
enum status personrecord_read(const char *line, size_t n,
			      struct personrecord *out,
			      struct errinfo *err) MUST_CHECK;

#endif
