/* What the audit log is told that happens outside of the store: the
 * configuration that a start brings, and API keys that the command line tool
 * adds and revokes in their file.
 *
 * Threads: one, the main thread. A failure is logged and stops nothing: keys
 * and chain are looked at again at the next tick. */
#ifndef FACEGATE_AUDITWATCH_H
#define FACEGATE_AUDITWATCH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config.h"
#include "db.h"

struct auditwatch {
	const struct config *cfg;
	struct db *db;
	struct stat seen; /* the file of keys that was told */
	bool known;	  /* seen holds; false: tell it again */
	/* The last failures, and the last row at which the chain was broken,
	 * each of which is logged once. */
	enum status told, chain_told;
	int64_t broken_told;
};

/* Follows the whole chain and logs where it is broken, then tells configuration
 * and keys. cfg and db must outlive w. */
void auditwatch_start(struct auditwatch *w, const struct config *cfg,
		      struct db *db, const char *model_id);
/* Tells the keys if their file has changed, and follows the chain for a few
 * rows more, again from its beginning when it has come to the end. */
void auditwatch_tick(struct auditwatch *w);

#endif
