/* Reading the audit log: pages of it, and following its chain. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "auditchain.h"
#include "schema.h"

/* A row of DB_AUDIT_COLUMNS. *whole is false when it holds what no row of ours
 * does. */
static enum status read_row(sqlite3_stmt *s, struct db_audit_row *row,
			    bool *whole, struct errinfo *err)
{
	const struct {
		int col;
		char *out;
		size_t cap;
	} texts[] = { { 2, row->key_id, sizeof row->key_id },
		      { 3, row->action, sizeof row->action },
		      { 5, row->object, sizeof row->object } };
	const void *hash = sqlite3_column_blob(s, 6);
	enum status st = ST_OK;

	*row = (struct db_audit_row){ .seq = sqlite3_column_int64(s, 0),
				      .at_ms = sqlite3_column_int64(s, 1),
				      .person_key = sqlite3_column_int64(s,
									 4) };
	*whole = hash && sqlite3_column_bytes(s, 6) == DB_AUDIT_HASH_BYTES;
	if (*whole)
		memcpy(row->hash, hash, sizeof row->hash);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		st = db_column_text(s, texts[i].col, texts[i].out, texts[i].cap,
				    NULL);
		if (st == ST_NO_MEMORY)
			return err_set(err, st,
				       "No memory to read the audit log.");
		*whole &= st == ST_OK;
	}
	return ST_OK;
}

enum status db_audit_list(struct db *db, int64_t before,
			  struct db_audit_row *out, size_t cap, size_t *count,
			  struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_LIST];
	enum status st = ST_OK;
	int rc = SQLITE_DONE;
	bool whole;

	*count = 0;
	pthread_mutex_lock(&db->read_lock);
	(void)sqlite3_bind_int64(s, 1, before > 0 ? before : INT64_MAX);
	(void)sqlite3_bind_int64(s, 2, (sqlite3_int64)cap);
	while (st == ST_OK && *count < cap &&
	       (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct db_audit_row *row = &out[*count];

		/* What does not fit is left empty: it is db_audit_verify that
		 * judges. */
		st = read_row(s, row, &whole, err);
		if (st == ST_OK && sqlite3_column_type(s, 7) != SQLITE_NULL)
			st = db_column_text(s, 7, row->person_id,
					    sizeof row->person_id, err);
		*count += st == ST_OK;
	}
	if (st == ST_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the audit log", err);
	db_reset(s);
	pthread_mutex_unlock(&db->read_lock);
	return st;
}

static void set_broken(struct db_audit_report *out, int64_t seq,
		       const char *why)
{
	if (out->broken_at != 0)
		return;
	out->broken_at = seq;
	out->why = why;
}

static bool same_hash(const uint8_t *a, const uint8_t *b)
{
	return sodium_memcmp(a, b, DB_AUDIT_HASH_BYTES) == 0;
}

static void check_anchor(const struct db_audit_anchor *anchor, int64_t seq,
			 const uint8_t *hash, struct db_audit_report *out)
{
	if (anchor && anchor->seq == seq && !same_hash(anchor->hash, hash))
		set_broken(out, seq,
			   "the row is not the one that the anchor is of");
}

/* One row in its turn; at is the number and the hash of the one before it. */
static void check_row(const struct auditchain *c, struct db_audit_anchor *at,
		      const struct db_audit_row *row, bool whole,
		      const struct db_audit_anchor *anchor,
		      struct db_audit_report *out)
{
	if (row->seq <= c->base.seq)
		set_broken(out, c->base.seq + 1, "a row was put in before it");
	else if (row->seq > c->head.seq)
		set_broken(out, c->head.seq + 1, "a row was put in");
	else if (row->seq != at->seq + 1)
		set_broken(out, at->seq + 1, "a row is missing");
	at->seq = row->seq;
	auditchain_hash(c, at->hash, row, at->hash);
	if (!whole || !same_hash(at->hash, row->hash))
		set_broken(out, row->seq,
			   "the row is not what was written behind the one "
			   "before it");
	check_anchor(anchor, row->seq, row->hash, out);
}

/* What comes behind the chain's last row. */
static void check_end(const struct auditchain *c,
		      const struct db_audit_anchor *at,
		      struct db_audit_report *out)
{
	if (at->seq != c->head.seq)
		set_broken(out, at->seq + 1, "the last rows are missing");
	else if (!same_hash(at->hash, c->head.hash))
		set_broken(out, at->seq, "the row is not the last one written");
}

/* Follows at most `most` of the rows with numbers above `after`, or all if it
 * is negative; at is what was followed before, and moves. *through: to the end,
 * or to a break. */
static enum status
follow(struct db *db, const struct auditchain *c, int64_t after, int64_t most,
       struct db_audit_anchor *at, const struct db_audit_anchor *anchor,
       struct db_audit_report *out, bool *through, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_EACH];
	struct db_audit_row row;
	enum status st = ST_OK;
	int64_t count = 0;
	bool whole;
	int rc;

	(void)sqlite3_bind_int64(s, 1, after);
	(void)sqlite3_bind_int64(s, 2, most);
	if (c->restarted > c->base.seq)
		set_broken(out, c->restarted,
			   "the chain was begun anew here: its ends had been "
			   "changed");
	while (out->broken_at == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		st = read_row(s, &row, &whole, err);
		if (st != ST_OK)
			break;
		check_row(c, at, &row, whole, anchor, out);
		count++;
		rc = SQLITE_DONE;
	}
	if (st == ST_OK && out->broken_at == 0 && rc != SQLITE_DONE)
		st = db_fail(db->reader, rc, "Reading the audit log", err);
	db_reset(s);
	if (st == ST_OK && count != most)
		check_end(c, at, out);
	*through = out->broken_at != 0 || count != most;
	return st;
}

/* The chain's ends, which out then tells. *whole: there is something to follow.
 */
static enum status load(struct db *db, struct auditchain *c,
			struct db_audit_report *out, bool *whole,
			struct errinfo *err)
{
	enum status st = auditchain_load(db, DB_SQL_AUDIT_CHAIN_READ, c, whole,
					 err);

	*out = (struct db_audit_report){ .first = 1 };
	if (st == ST_OK && !*whole)
		set_broken(out, 1, "the ends of the chain were changed");
	if (st != ST_OK || !*whole)
		return st;
	out->first = c->base.seq + 1;
	out->last = c->head.seq;
	out->head = c->head;
	return ST_OK;
}

static enum status verify(struct db *db, const struct db_audit_anchor *anchor,
			  struct db_audit_report *out, struct errinfo *err)
{
	struct db_audit_anchor at;
	struct auditchain c;
	bool whole, through;
	enum status st = load(db, &c, out, &whole, err);

	if (st != ST_OK || !whole)
		goto done;
	if (anchor && anchor->seq < c.base.seq) {
		st = err_limit(err, ST_BAD_REQUEST, c.base.seq, anchor->seq,
			       "The anchor is of a row that is not kept any "
			       "more; the oldest is %lld.",
			       (long long)c.base.seq + 1);
		goto done;
	}
	if (anchor && anchor->seq > c.head.seq)
		set_broken(out, c.head.seq + 1,
			   "the anchor is of a row that is missing");
	at = c.base;
	check_anchor(anchor, at.seq, at.hash, out);
	st = follow(db, &c, INT64_MIN, -1, &at, anchor, out, &through, err);
done:
	explicit_bzero(&c, sizeof c);
	return st;
}

static enum status step(struct db *db, struct db_audit_report *out,
			bool *through, struct errinfo *err)
{
	struct db_audit_anchor *at = &db->audit_at;
	struct auditchain c;
	bool whole;
	enum status st = load(db, &c, out, &whole, err);

	*through = !whole;
	if (st != ST_OK || !whole)
		goto done;
	/* Retention may have overtaken it. */
	if (!db->audit_begun || at->seq < c.base.seq) {
		*at = c.base;
		db->audit_begun = false;
	}
	st = follow(db, &c, db->audit_begun ? at->seq : INT64_MIN,
		    DB_AUDIT_STEP_ROWS, at, NULL, out, through, err);
done:
	explicit_bzero(&c, sizeof c);
	return st;
}

enum status db_audit_verify(struct db *db, const struct db_audit_anchor *anchor,
			    struct db_audit_report *out, struct errinfo *err)
{
	enum status st = db_read_begin(db, "Reading the audit log", err);

	if (st == ST_OK)
		st = verify(db, anchor, out, err);
	db_read_end(db);
	return st;
}

enum status db_audit_step(struct db *db, struct db_audit_report *out,
			  bool *through, struct errinfo *err)
{
	enum status st = db_read_begin(db, "Reading the audit log", err);

	*through = false;
	if (st == ST_OK)
		st = step(db, out, through, err);
	db->audit_begun = st == ST_OK && !*through;
	db_read_end(db);
	if (st == ST_OK && *through)
		db->audit_broken_at = out->broken_at;
	return st;
}
