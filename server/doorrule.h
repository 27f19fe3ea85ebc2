/* What a door asks of a person besides the face. Pure but for the time zone
 * database that is read; any thread. */
#ifndef FACEGATE_DOORRULE_H
#define FACEGATE_DOORRULE_H

#include <jansson.h>

#include "db.h"

/* Checks a list of windows, [{"days": ["mon", ...], "from": "08:00",
 * "to": "18:00"}, ...]; NULL when it is one, or what is wrong. */
const char *doorrule_windows_fault(const json_t *list);

/* Whether now is within the door's windows. A time zone that cannot be read
 * any more closes the door. */
bool doorrule_open(const struct db_door *d, int64_t now_ms);

/* Why the person may not pass, or NULL: "person_expired", "not_in_group",
 * "outside_schedule". door may be NULL. */
const char *doorrule_refusal(const struct db_person *p,
			     const struct db_door *door, int64_t now_ms);

#endif
