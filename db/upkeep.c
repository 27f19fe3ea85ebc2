/* See upkeep.h. Rows of the match log that are too old go in steps, so that no
 * decision waits for them.
 *
 * The backup is copied from the writing connection, a few pages
 * at a time under the write lock, so that a change waits for milliseconds and
 * goes into the copy as well; it is checked and synced without the lock.
 *
 * An erasure removes the backup, and the copy under way, before it is
 * committed: so no moment exists at which somebody erased is in one of them,
 * not even after a power cut. The next backup is made when erasures have ended
 * for a minute.
 */
#include "upkeep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "internal.h"
#include "log.h"
#include "schema.h"

#define PAGES_AT_ONCE 64
#define PAGES_TO_LOOK 16
#define MINUTE_MS     ((int64_t)60 * 1000)
#define DAY_MS	      (24 * 60 * MINUTE_MS)

/* SQLite passes over what lies behind damage in a WAL without a word. */
static void look_for_loss(struct db *db, const char *backup)
{
	int64_t last = 0, kept = 0;
	sqlite3 *conn = NULL;

	if (db_number(db, DB_SQL_AUDIT_LAST, &last, NULL) == ST_OK &&
	    db_connect(backup, SQLITE_OPEN_READONLY, PAGES_TO_LOOK, &conn,
		       NULL) == ST_OK &&
	    db_schema_number(conn, "SELECT coalesce(max(seq), 0) FROM audit",
			     &kept, NULL) == ST_OK &&
	    kept > last)
		log_line(LOG_ERROR, "changes_lost",
			 "last=%lld backup_last=%lld text=\"The automatic "
			 "backup has changes that the database lacks.\"",
			 (long long)last, (long long)kept);
	sqlite3_close(conn);
}

enum status db_upkeep_open(struct db *db, const char *file, int64_t minutes,
			   struct errinfo *err)
{
	struct db_upkeep_state *u = &db->upkeep;
	char fresh[PATH_MAX];
	struct stat info;
	int n;

	if (!file)
		return ST_OK;
	n = snprintf(fresh, sizeof fresh, "%s/facegate.db", db->dir);
	if (n > 0 && n < (int)sizeof fresh && db_same_file(fresh, file))
		return err_set(err, ST_BAD_CONFIG,
			       "backup_file: the backup cannot be the database "
			       "itself");
	u->file = strdup(file);
	if (!u->file)
		return err_set(err, ST_NO_MEMORY,
			       "No memory for the database.");
	u->minutes = minutes;
	u->changed = true;
	u->dropped = true; /* a minute after the start, if there is none */
	if (db_file_kind(file) == DB_FILE_OURS && stat(file, &info) == 0) {
		u->made_ms = (int64_t)info.st_mtime * 1000;
		look_for_loss(db, file);
	}
	/* What a process that died has left. */
	db_remove_new(file);
	return ST_OK;
}

void db_upkeep_close(struct db *db)
{
	if (db->upkeep.phase != UPKEEP_IDLE)
		db_copy_drop(&db->upkeep.copy);
	free(db->upkeep.file);
}

static enum status forget(const char *file, struct errinfo *err)
{
	enum db_file_kind there;

	/* A copy that is being made, here or by the tool, then cannot be put
	 * in its place any more. */
	db_remove_new(file);
	there = db_file_kind(file);
	if (there == DB_FILE_UNREADABLE)
		return db_fail_errno("Reading the backup", err);
	/* What is in its place by mistake is not ours to remove. */
	if (there != DB_FILE_OURS)
		return ST_OK;
	if (unlink(file) == 0)
		return db_sync_folder(file, err);
	return db_fail_errno("Removing the backup with what is erased", err);
}

enum status db_forget_backups(struct db *db, struct errinfo *err)
{
	struct db_upkeep_state *u = &db->upkeep;
	char path[PATH_MAX];
	enum status st;

	db_forget_kept(db->dir, NULL);
	if (u->phase == UPKEEP_COPIED) {
		db_copy_drop(&u->copy);
		u->phase = UPKEEP_IDLE;
	}
	u->dropped = true;
	u->made_ms = 0;
	/* That one may be of a time when no other place was configured. */
	st = db_join_path(db->dir, "facegate.backup", path, err);
	if (st == ST_OK)
		st = forget(path, err);
	return st == ST_OK && u->file ? forget(u->file, err) : st;
}

/* The clock may have been set back since a wait was begun. */
static bool waits(int64_t *until_ms, int64_t now_ms)
{
	if (*until_ms > now_ms + MINUTE_MS)
		*until_ms = now_ms + MINUTE_MS;
	return now_ms < *until_ms;
}

static bool is_due(struct db_upkeep_state *u, int64_t now_ms)
{
	int64_t age = now_ms - u->made_ms, interval = u->minutes * MINUTE_MS;

	if (u->dropped) {
		u->dropped = false;
		u->not_before_ms = now_ms + MINUTE_MS;
	}
	if (waits(&u->not_before_ms, now_ms))
		return false;
	if (u->made_ms == 0 || age < 0)
		return true;
	/* Match log alone is not worth the wear of a copy an hour. */
	return age >= interval && (u->changed || age >= DAY_MS);
}

/* Under the write lock. *check: the copy waits for its check. */
static enum status copy_some(struct db *db, int64_t now_ms, bool *more,
			     bool *check, struct errinfo *err)
{
	struct db_upkeep_state *u = &db->upkeep;
	enum status st = ST_OK;

	if (u->phase == UPKEEP_IDLE) {
		if (!is_due(u, now_ms))
			return ST_OK;
		u->phase = UPKEEP_COPIED;
		u->changed = false;
		st = db_copy_begin(&u->copy, db->writer, u->file, err);
	}
	if (st == ST_OK)
		st = db_copy_step(&u->copy, PAGES_AT_ONCE, more, err);
	if (st != ST_OK) {
		db_copy_drop(&u->copy);
		u->phase = UPKEEP_IDLE;
	} else if (!*more) {
		u->phase = UPKEEP_CHECKED;
		*check = true;
	}
	return st;
}

/* Without the lock until the copy is in its place, or not. */
static enum status check_copy(struct db *db, int64_t now_ms,
			      struct errinfo *err)
{
	struct db_upkeep_state *u = &db->upkeep;
	struct errinfo why;
	enum status st;

	err_clear(&why);
	st = db_copy_finish(&u->copy, &why);
	pthread_mutex_lock(&db->write_lock);
	db_copy_drop(&u->copy);
	u->phase = UPKEEP_IDLE;
	if (u->dropped)
		st = ST_OK; /* its failure too was the erasure's doing */
	else if (st == ST_OK)
		u->made_ms = now_ms;
	pthread_mutex_unlock(&db->write_lock);
	return st == ST_OK ? ST_OK : err_set(err, st, "%s", why.text);
}

static enum status keep_backup(struct db *db, int64_t now_ms, bool *more,
			       struct errinfo *err)
{
	struct db_upkeep_state *u = &db->upkeep;
	bool check = false;
	enum status st;

	if (!u->file)
		return ST_OK;
	pthread_mutex_lock(&db->write_lock);
	st = copy_some(db, now_ms, more, &check, err);
	pthread_mutex_unlock(&db->write_lock);
	if (check)
		st = check_copy(db, now_ms, err);
	if (st != ST_OK) {
		pthread_mutex_lock(&db->write_lock);
		u->changed = true;
		u->not_before_ms = now_ms + MINUTE_MS;
		pthread_mutex_unlock(&db->write_lock);
	}
	return st;
}

static enum status expire_log(struct db *db, int64_t now_ms, bool *more,
			      struct errinfo *err)
{
	int64_t *until_ms = &db->upkeep.expire_not_before_ms;
	enum status st;

	if (db->log_days == 0 || waits(until_ms, now_ms))
		return ST_OK;
	st = db_log_expire(db, now_ms - db->log_days * DAY_MS, more, err);
	if (!*more)
		*until_ms = now_ms + MINUTE_MS;
	return st;
}

static void tell(const char *event, enum status st, const struct errinfo *err,
		 enum status *told)
{
	if (st != ST_OK && st != *told)
		log_line(LOG_ERROR, event, "code=%s text=\"%s\"",
			 status_code(st), err->text);
	*told = st;
}

void db_upkeep(struct db *db, int64_t now_ms, bool *more)
{
	struct db_upkeep_state *u = &db->upkeep;
	bool expiring = false, copying = false;
	struct errinfo err;
	enum status st;

	*more = false;
	if (!db->writer)
		return;
	db_wipe_due(db);
	err_clear(&err);
	st = db_audit_take(db, now_ms, &err);
	tell("audit_note_failed", st, &err, &u->note_told);
	err_clear(&err);
	st = expire_log(db, now_ms, &expiring, &err);
	tell("log_not_expired", st, &err, &u->expire_told);
	err_clear(&err);
	st = keep_backup(db, now_ms, &copying, &err);
	tell("backup_failed", st, &err, &u->backup_told);
	*more = expiring || (copying && st == ST_OK);
}

void db_condition(struct db *db, struct db_condition *out)
{
	out->backup_ms = db->upkeep.made_ms;
	out->verify_only = db->refuses != ST_OK;
	out->restored = db->restored;
	out->wiping_due = db->empty_due;
	out->audit_broken_at = db->audit_broken_at;
}
