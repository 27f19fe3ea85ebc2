/* DeepStack's userid, which is any text, and the person_id it becomes here. */
#ifndef FACEGATE_USERID_H
#define FACEGATE_USERID_H

#include <stdbool.h>

#include "db.h"

/* A userid that is an id stays one. Any other, of 1 to PERSON_NAME_MAX bytes of
 * UTF-8 without control characters, gets "_" for each byte that an id cannot
 * have, and so that two never meet, "-" and eight digits of its SHA-256 behind.
 * False for what is neither, and for "unknown", which is nobody's. */
bool userid_to_id(const char *userid, char id[PERSON_ID_MAX + 1]);

/* What a person is called there: the name, where the id was made from it; else
 * the id. */
const char *userid_of(const struct db_person *p);

#endif
