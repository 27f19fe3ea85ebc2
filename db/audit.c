/* Writing the audit log. The caller of db_audit_add is in a write transaction.
 */
#include "audit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auditchain.h"
#include "log.h"

/* Rows that retention takes at once: a transaction's pages stay in the cache.
 */
#define CUT_AT_ONCE 1024

static enum status store_chain(struct db *db, const struct auditchain *c,
			       struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_CHAIN_SET];
	uint8_t sealed[AUDITCHAIN_SEALED_BYTES];

	auditchain_encrypt(db->seal, c, sealed);
	(void)sqlite3_bind_int64(s, 1, seal_newest(db->seal));
	(void)sqlite3_bind_blob(s, 2, sealed, sizeof sealed, SQLITE_STATIC);
	return db_run(db, DB_SQL_AUDIT_CHAIN_SET, "Writing the audit log", err);
}

/* Puts a row behind the head, which moves. */
static enum status append(struct db *db, struct auditchain *c,
			  const struct db_by *by, const char *action,
			  int64_t person_key, const char *object,
			  struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_ADD];
	struct db_audit_row row = { .seq = c->head.seq + 1,
				    .at_ms = by->now_ms,
				    .person_key = person_key };

	assert(strlen(action) <= DB_AUDIT_ACTION_MAX &&
	       strlen(object) <= DB_AUDIT_OBJECT_MAX);
	(void)snprintf(row.key_id, sizeof row.key_id, "%s",
		       by->key_id ? by->key_id : "");
	(void)snprintf(row.action, sizeof row.action, "%s", action);
	(void)snprintf(row.object, sizeof row.object, "%s", object);
	auditchain_hash(c, c->head.hash, &row, c->head.hash);
	c->head.seq = row.seq;
	(void)sqlite3_bind_int64(s, 1, row.seq);
	(void)sqlite3_bind_int64(s, 2, row.at_ms);
	(void)db_bind_text(s, 3, row.key_id);
	(void)db_bind_text(s, 4, row.action);
	(void)sqlite3_bind_int64(s, 5, row.person_key);
	(void)db_bind_text(s, 6, row.object);
	(void)sqlite3_bind_blob(s, 7, c->head.hash, DB_AUDIT_HASH_BYTES,
				SQLITE_STATIC);
	return db_run(db, DB_SQL_AUDIT_ADD, "Writing the audit log", err);
}

/* The chain's ends are gone or were changed: what stands in the table cannot be
 * checked any more. A new chain is begun behind it, and says so for as long as
 * its first row is kept. */
static enum status restart(struct db *db, struct auditchain *c,
			   const struct db_by *by, struct errinfo *err)
{
	int64_t last = 0;
	enum status st = db_number(db, DB_SQL_AUDIT_LAST, &last, err);

	if (st != ST_OK)
		return st;
	auditchain_begin(c);
	c->base.seq = c->head.seq = last;
	c->restarted = last + 1;
	log_line(LOG_ERROR, "audit_broken",
		 "seq=%lld text=\"the ends of the chain were changed or "
		 "damaged in the file; a new chain begins here\"",
		 (long long)c->restarted);
	return append(db, c, by, "chain_restart", 0, "", err);
}

/* Retention: rows go at the old end, and the hash of the last one that goes is
 * what the chain begins with from then on. */
static enum status cut(struct db *db, struct auditchain *c, struct errinfo *err)
{
	int64_t step = db_trim_step(db->audit_max_rows);
	int64_t last = c->head.seq - db->audit_max_rows + step - 1;
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_HASH];
	enum status st = ST_OK;
	int rc;

	if (c->head.seq % step != 0 || last <= c->base.seq)
		return ST_OK;
	if (last > c->base.seq + CUT_AT_ONCE)
		last = c->base.seq + CUT_AT_ONCE;
	(void)sqlite3_bind_int64(s, 1, last);
	rc = sqlite3_step(s);
	/* One that is not there or not whole leaves a hash that the next row
	 * does not fit, so the break stays seen. */
	memset(c->base.hash, 0, sizeof c->base.hash);
	if (rc == SQLITE_ROW &&
	    sqlite3_column_bytes(s, 0) == DB_AUDIT_HASH_BYTES)
		memcpy(c->base.hash, sqlite3_column_blob(s, 0),
		       DB_AUDIT_HASH_BYTES);
	else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		st = db_fail(db->writer, rc, "Trimming the audit log", err);
	db_reset(s);
	c->base.seq = last;
	(void)sqlite3_bind_int64(db->stmt[DB_SQL_AUDIT_CUT], 1, last);
	return st == ST_OK ? db_run(db, DB_SQL_AUDIT_CUT,
				    "Trimming the audit log", err)
			   : st;
}

enum status db_audit_add(struct db *db, const struct db_by *by,
			 const char *action, int64_t person_key,
			 const char *object, struct errinfo *err)
{
	struct auditchain c;
	bool whole;
	enum status st = auditchain_load(db, DB_SQL_AUDIT_CHAIN, &c, &whole,
					 err);

	if (st == ST_OK && !whole)
		st = restart(db, &c, by, err);
	if (st == ST_OK)
		st = append(db, &c, by, action, person_key, object, err);
	if (st == ST_OK)
		st = cut(db, &c, err);
	if (st == ST_OK)
		st = store_chain(db, &c, err);
	explicit_bzero(&c, sizeof c);
	return st;
}

enum status db_audit_note(struct db *db, const struct db_by *by,
			  const char *action, const char *object,
			  struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	if (st == ST_OK)
		st = db_write_end(db,
				  db_audit_add(db, by, action, 0, object, err),
				  false, err);
	return st;
}

/* Whether the newest row of a whole configuration is this one. */
static enum status is_told(struct db *db, const char *whole, bool *told,
			   struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_CONFIG];
	enum status st = ST_OK;
	const char *text;
	int rc = sqlite3_step(s);

	*told = false;
	if (rc == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(s, 0);
		*told = text && strcmp(text, whole) == 0;
	} else if (rc != SQLITE_DONE) {
		st = db_fail(db->writer, rc, "Reading the audit log", err);
	}
	db_reset(s);
	return st;
}

enum status db_audit_config(struct db *db, const struct db_by *by,
			    const char *whole, const char *const *lines,
			    size_t count, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	bool told = false;

	if (st != ST_OK)
		return st;
	st = is_told(db, whole, &told, err);
	for (size_t i = 0; st == ST_OK && !told && i < count; i++)
		st = db_audit_add(db, by, "config_key", 0, lines[i], err);
	if (st == ST_OK && !told)
		st = db_audit_add(db, by, "config", 0, whole, err);
	return db_write_end(db, st, false, err);
}

static enum status note_key(struct db *db, const struct db_by *by,
			    enum db_sql change, const char *action,
			    const struct db_audit_key *key, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[change];
	char object[DB_KEY_ID_MAX + 16];
	enum status st;

	(void)snprintf(object, sizeof object, "%s %s", key->id, key->role);
	(void)db_bind_text(s, 1, key->id);
	if (change == DB_SQL_AUDIT_KEY_ADD)
		(void)db_bind_text(s, 2, key->role);
	st = db_run(db, change, "Writing the audit log", err);
	return st == ST_OK ? db_audit_add(db, by, action, 0, object, err) : st;
}

static bool is_among(const char *id, const struct db_audit_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(keys[i].id, id) == 0)
			return true;
	return false;
}

/* The first known key behind `id` that is not among the keys any more; *found
 * says whether there is one. */
static enum status next_gone(struct db *db, const struct db_audit_key *keys,
			     size_t count, char id[DB_KEY_ID_MAX],
			     char role[16], bool *found, struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[DB_SQL_AUDIT_KEY_NEXT];
	enum status st = ST_OK;
	int rc = SQLITE_ROW;

	*found = false;
	while (st == ST_OK && !*found && rc == SQLITE_ROW) {
		(void)db_bind_text(s, 1, id);
		rc = sqlite3_step(s);
		if (rc == SQLITE_ROW) {
			st = db_column_text(s, 1, role, 16, err);
			/* Last: the statement is bound to it. */
			if (st == ST_OK)
				st = db_column_text(s, 0, id, DB_KEY_ID_MAX,
						    err);
			*found = st == ST_OK && !is_among(id, keys, count);
		} else if (rc != SQLITE_DONE) {
			st = db_fail(db->writer, rc, "Reading the known keys",
				     err);
		}
		db_reset(s);
	}
	return st;
}

static enum status is_known(struct db *db, const char *id, bool *known,
			    struct errinfo *err)
{
	int64_t n = 0;
	enum status st;

	(void)db_bind_text(db->stmt[DB_SQL_AUDIT_KEY_KNOWN], 1, id);
	st = db_number(db, DB_SQL_AUDIT_KEY_KNOWN, &n, err);
	*known = n > 0;
	return st;
}

enum status db_audit_keys(struct db *db, const struct db_by *by,
			  const struct db_audit_key *keys, size_t count,
			  struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);
	char id[DB_KEY_ID_MAX] = "", role[16];
	struct db_audit_key gone = { .role = role };
	bool found = true, known = false;

	if (st != ST_OK)
		return st;
	while (st == ST_OK && found) {
		st = next_gone(db, keys, count, id, role, &found, err);
		memcpy(gone.id, id, sizeof gone.id);
		if (st == ST_OK && found)
			st = note_key(db, by, DB_SQL_AUDIT_KEY_DROP,
				      "key_revoke", &gone, err);
	}
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		st = is_known(db, keys[i].id, &known, err);
		if (st == ST_OK && !known)
			st = note_key(db, by, DB_SQL_AUDIT_KEY_ADD, "key_add",
				      &keys[i], err);
	}
	return db_write_end(db, st, false, err);
}
