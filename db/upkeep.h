/* What the store does besides what it is asked: the automatic backup, the end
 * of old rows of the match log, wiping that could not be done at once, and rows
 * of the audit log that the tool asks for. */
#ifndef FACEGATE_DB_UPKEEP_H
#define FACEGATE_DB_UPKEEP_H

#include <stdint.h>

#include "copy.h"
#include "status.h"

struct db;

/* Of struct db. Everything is under the write lock but what `copy` holds while
 * it is CHECKED, which then is the upkeep's thread's alone. */
struct db_upkeep_state {
	char *file; /* NULL: no automatic backup */
	int64_t minutes;
	enum { UPKEEP_IDLE, UPKEEP_COPIED, UPKEEP_CHECKED } phase;
	struct db_copy copy;
	_Atomic int64_t made_ms; /* when the file was made, 0: there is none */
	int64_t not_before_ms;	 /* nothing is begun before */
	bool changed;		 /* people or doors, since the last was begun */
	bool dropped;		 /* by an erasure; not yet seen by the upkeep */
	int64_t expire_not_before_ms; /* as for the backup */
	bool note_stuck;	      /* one that was taken cannot be removed */
	/* The last failures, each of which is logged once. */
	enum status backup_told, expire_told, note_told;
};

enum status db_upkeep_open(struct db *db, const char *file, int64_t minutes,
			   struct errinfo *err) MUST_CHECK;
void db_upkeep_close(struct db *db);
/* Under the write lock, before the commit of an erasure: removes every file
 * that may hold what is erased. */
enum status db_forget_backups(struct db *db, struct errinfo *err) MUST_CHECK;

#endif
