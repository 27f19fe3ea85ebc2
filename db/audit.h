/* The audit log: who did what to people, doors, keys and configuration, as a
 * chain of rows. Each has a keyed hash over itself and the hash before it, so
 * that a row that was changed, dropped, moved or put in shows; its key and the
 * two ends of the chain are encrypted in a row of their own
 * (docs/decisions/0010-audit-chain.md). A person is a number here that is never
 * used again, so that erasing a person leaves the chain whole.
 *
 * Rows of the store's own acts are written in the transaction of the act. Rules
 * for threads as in db.h.
 */
#ifndef FACEGATE_DB_AUDIT_H
#define FACEGATE_DB_AUDIT_H

#include "db.h"

#define DB_AUDIT_ACTION_MAX 19 /* bytes */
#define DB_AUDIT_OBJECT_MAX 127
#define DB_AUDIT_HASH_BYTES 32

struct db_audit_row {
	int64_t seq; /* counts from 1 without a gap */
	int64_t at_ms;
	char key_id[DB_KEY_ID_MAX]; /* "": who has the machine itself */
	char action[DB_AUDIT_ACTION_MAX + 1];
	int64_t person_key; /* 0: not about a person */
	char object[DB_AUDIT_OBJECT_MAX + 1];
	uint8_t hash[DB_AUDIT_HASH_BYTES];
	/* Looked up, and no part of the chain: "" for a person who is no more.
	 */
	char person_id[PERSON_ID_MAX + 1];
};

/* Fills up to cap rows with numbers below `before` (0: all), newest first. */
enum status db_audit_list(struct db *db, int64_t before,
			  struct db_audit_row *out, size_t cap, size_t *count,
			  struct errinfo *err) MUST_CHECK;

/* What somebody kept of the chain elsewhere: a row's number and its hash. */
struct db_audit_anchor {
	int64_t seq;
	uint8_t hash[DB_AUDIT_HASH_BYTES];
};

struct db_audit_report {
	int64_t first, last; /* the rows that must be there; none: last < first
			      */
	struct db_audit_anchor head; /* of the last row */
	int64_t broken_at;	     /* 0: the chain is whole */
	const char *why;	     /* a sentence, NULL while it is whole */
};

/* Follows the chain from its oldest row to its end. With an anchor, that row
 * must be the one that it was made of. A broken chain is ST_OK, and told in the
 * report; so is one that ends before the anchor. ST_BAD_REQUEST when the
 * anchor is of a row that retention has taken. */
enum status db_audit_verify(struct db *db, const struct db_audit_anchor *anchor,
			    struct db_audit_report *out,
			    struct errinfo *err) MUST_CHECK;

#define DB_AUDIT_STEP_ROWS 64
/* The same without an anchor, and with at most DB_AUDIT_STEP_ROWS rows a call,
 * so that no reader waits for it; rows may come and go in between. *through is
 * true when a call has come to the end or met a break: db_condition tells it
 * from then on, and the next call begins at the oldest row. To be called by one
 * thread. */
enum status db_audit_step(struct db *db, struct db_audit_report *out,
			  bool *through, struct errinfo *err) MUST_CHECK;

/* One row of an act that changes nothing in the store. object has at most
 * DB_AUDIT_OBJECT_MAX bytes. */
enum status db_audit_note(struct db *db, const struct db_by *by,
			  const char *action, const char *object,
			  struct errinfo *err) MUST_CHECK;

/* The row of an export, written before it is made and without an open store: by
 * the daemon that has it, which is waited for, else here. person_key is 0 for
 * an export of everybody. ST_DATABASE_BUSY when the daemon does not write it,
 * or another process waits for the same; else as db_open. */
enum status db_audit_export(const struct db_options *opt,
			    const struct db_by *by, int64_t person_key,
			    struct errinfo *err) MUST_CHECK;

/* The configuration in force: its lines "key=value", and what stands for all
 * of it. Writes a row for each line and one for the whole, unless that is what
 * the newest such row says. */
enum status db_audit_config(struct db *db, const struct db_by *by,
			    const char *whole, const char *const *lines,
			    size_t count, struct errinfo *err) MUST_CHECK;

/* The API keys in force. Writes a row for each that is new or gone since the
 * last call, in this process or an earlier one. */
struct db_audit_key {
	char id[DB_KEY_ID_MAX];
	const char *role;
};
enum status db_audit_keys(struct db *db, const struct db_by *by,
			  const struct db_audit_key *keys, size_t count,
			  struct errinfo *err) MUST_CHECK;

#endif
