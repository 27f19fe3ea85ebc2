/* A person as the API and the files of `facegate export` tell it. */
#ifndef FACEGATE_PERSONDOC_H
#define FACEGATE_PERSONDOC_H

#include <jansson.h>

#include "db.h"

json_t *persondoc_json(const struct db_person *p);

/* name, groups, validity, metadata and card, as far as the object has them; the
 * rest of p stays. ST_BAD_REQUEST with a sentence that names what cannot be. */
enum status persondoc_take(const json_t *o, struct db_person *p,
			   struct errinfo *err) MUST_CHECK;

#endif
