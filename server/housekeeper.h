/* The thread that keeps the store's backup: the check and the sync of a copy
 * take as long as the disk needs, and nobody else waits for that. */
#ifndef FACEGATE_HOUSEKEEPER_H
#define FACEGATE_HOUSEKEEPER_H

#include "db.h"

struct housekeeper; /* opaque */

/* The store must outlive it. */
enum status housekeeper_start(struct db *db, struct housekeeper **out,
			      struct errinfo *err) MUST_CHECK;
/* Ends it behind the step it is at. NULL is fine. */
void housekeeper_stop(struct housekeeper *h);

#endif
