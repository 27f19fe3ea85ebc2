/* Running statements and transactions, and what SQLite's result codes mean
 * here. Texts for people never carry SQL, values or paths. See internal.h for
 * who holds which lock.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "internal.h"
#include "log.h"
#include "schema.h"

static enum status status_of(int rc, int system_errno)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return ST_NO_MEMORY;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return ST_NO_MEMORY;
	case SQLITE_FULL:
		return ST_DISK_FULL;
	case SQLITE_IOERR:
		/* The unix layer says FULL for a failed write of the file or
		 * WAL, but not when it extends the shared memory file. */
		if (system_errno == ENOSPC || system_errno == EDQUOT)
			return ST_DISK_FULL;
		return ST_IO_ERROR;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return ST_IO_ERROR;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ST_BAD_DATABASE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return ST_DATABASE_BUSY;
	default:
		return ST_INTERNAL;
	}
}

enum status db_fail(sqlite3 *conn, int rc, const char *what,
		    struct errinfo *err)
{
	int extended = conn ? sqlite3_extended_errcode(conn) : rc;

	/* A later call on conn may have changed its code; then rc is all
	 * there is. */
	if ((extended & 0xff) != (rc & 0xff))
		extended = rc;
	return err_set(
		err, status_of(extended, conn ? sqlite3_system_errno(conn) : 0),
		"%s failed: %s.", what, sqlite3_errstr(extended));
}

enum status db_fail_to_open(sqlite3 *conn, int rc, const char *what,
			    struct errinfo *err)
{
	if (rc == SQLITE_ERROR)
		return err_set(err, ST_BAD_DATABASE,
			       "The database lacks a table or column.");
	return db_fail(conn, rc, what, err);
}

enum status db_read_begin(struct db *db, const char *what, struct errinfo *err)
{
	pthread_mutex_lock(&db->read_lock);
	return db_exec(db->reader, "BEGIN", what, err);
}

void db_read_end(struct db *db)
{
	if (!sqlite3_get_autocommit(db->reader))
		(void)sqlite3_exec(db->reader, "COMMIT", NULL, NULL, NULL);
	pthread_mutex_unlock(&db->read_lock);
}

void db_reset(sqlite3_stmt *s)
{
	/* Reset repeats the failure of the last step, which was handled. */
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
}

enum status db_run(struct db *db, enum db_sql which, const char *what,
		   struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[which];
	int rc = sqlite3_step(s);
	enum status st = ST_OK;

	if (rc != SQLITE_DONE)
		st = db_fail(sqlite3_db_handle(s), rc, what, err);
	db_reset(s);
	return st;
}

enum status db_number(struct db *db, enum db_sql which, int64_t *out,
		      struct errinfo *err)
{
	sqlite3_stmt *s = db->stmt[which];
	enum status st = ST_OK;
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(s, 0);
	else
		st = db_fail(sqlite3_db_handle(s), rc, "Counting", err);
	db_reset(s);
	return st;
}

/* Bound texts are the caller's and outlive the statement's use, so SQLite
 * need not copy them. */
int db_bind_text(sqlite3_stmt *s, int at, const char *text)
{
	if (!text)
		return sqlite3_bind_null(s, at);
	return sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

double db_column_number(sqlite3_stmt *s, int col)
{
	if (sqlite3_column_type(s, col) == SQLITE_NULL)
		return (double)NAN;
	return sqlite3_column_double(s, col);
}

enum status db_column_text(sqlite3_stmt *s, int col, char *out, size_t cap,
			   struct errinfo *err)
{
	const unsigned char *text = sqlite3_column_text(s, col);
	size_t bytes = (size_t)sqlite3_column_bytes(s, col);

	if (!text && sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
		return err_set(err, ST_NO_MEMORY,
			       "No memory to read the database.");
	if (!text || bytes >= cap || memchr(text, 0, bytes))
		return err_set(err, ST_BAD_DATABASE,
			       "The database holds a text that does not fit.");
	memcpy(out, text, bytes);
	out[bytes] = 0;
	return ST_OK;
}

/* What has been answered must not lie in the WAL alone for long: one flipped
 * bit there loses all that is behind it. */
#define SETTLE_TURNS 3

/* Moves the WAL into the file, which passes every page through the cleaner of
 * pagevfs.c, and truncates it. Cached pages of the writer are dropped, since
 * they may carry uncleaned gaps back into the WAL. Readers are kept out, so
 * no snapshot of ours can stop the checkpoint. */
static int move_wal(struct db *db)
{
	int rc;

	pthread_mutex_lock(&db->read_lock);
	rc = sqlite3_wal_checkpoint_v2(db->writer, "main",
				       SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_db_release_memory(db->writer);
	pthread_mutex_unlock(&db->read_lock);
	db->settle_in = rc == SQLITE_OK ? 0 : SETTLE_TURNS;
	return rc;
}

/* This follows a committed deletion, and a full disk, where it may free enough
 * for the next change. When it fails it is tried again at the next write or
 * upkeep, and at close and open. */
static void empty_wal(struct db *db)
{
	int rc = move_wal(db);

	if (rc != SQLITE_OK && !db->empty_due)
		log_line(LOG_WARN, "wiping_delayed", "reason=\"%s\"",
			 sqlite3_errstr(rc));
	db->empty_due = rc != SQLITE_OK;
}

/* After some failures SQLite has rolled back by itself. A rollback without
 * memory fails and is tried again at the next change. */
static void roll_back(struct db *db)
{
	int rc;

	if (sqlite3_get_autocommit(db->writer))
		return;
	rc = sqlite3_step(db->stmt[DB_SQL_ROLLBACK]);
	db_reset(db->stmt[DB_SQL_ROLLBACK]);
	if (rc != SQLITE_DONE)
		log_line(LOG_ERROR, "rollback_failed", "reason=\"%s\"",
			 sqlite3_errstr(rc));
}

void db_wipe_due(struct db *db)
{
	pthread_mutex_lock(&db->write_lock);
	if (db->empty_due)
		empty_wal(db);
	else if (db->settle_in > 0 && --db->settle_in == 0)
		(void)move_wal(db);
	pthread_mutex_unlock(&db->write_lock);
}

/* What is written into a file that was moved or removed, the next start does
 * not find; and without the lock in its place another process may have the
 * folder. */
static enum status still_in_place(const struct db *db, struct errinfo *err)
{
	struct stat held, named;
	char path[PATH_MAX];
	int moved = 0;
	enum status st = db_join_path(db->dir, DB_LOCK_FILE, path, err);

	if (st != ST_OK)
		return st;
	(void)sqlite3_file_control(db->writer, "main", SQLITE_FCNTL_HAS_MOVED,
				   &moved);
	if (!moved && stat(path, &named) == 0 &&
	    fstat(db->lock_fd, &held) == 0 && held.st_ino == named.st_ino &&
	    held.st_dev == named.st_dev)
		return ST_OK;
	return err_set(err, ST_IO_ERROR,
		       "The database or its lock was moved or removed while "
		       "the daemon runs.");
}

enum status db_write_begin(struct db *db, bool sync_full, struct errinfo *err)
{
	enum status st = ST_OK;

	if (db->refuses == ST_VERIFY_ONLY)
		return err_set(err, db->refuses,
			       "The database is damaged and nothing could be "
			       "restored; nothing is stored.");
	if (db->refuses)
		return err_set(err, db->refuses,
			       "The disk was %s at the start: see to it, then "
			       "restart the daemon.",
			       db->refuses == ST_DISK_FULL ? "full"
							   : "read-only");
	pthread_mutex_lock(&db->write_lock);
	roll_back(db);
	st = still_in_place(db, err);
	if (st == ST_OK && db->empty_due)
		empty_wal(db);
	if (st == ST_OK && db->sync_full != sync_full) {
		st = db_exec(db->writer,
			     sync_full ? "PRAGMA synchronous = FULL"
				       : "PRAGMA synchronous = NORMAL",
			     "Setting up the database", err);
		if (st == ST_OK)
			db->sync_full = sync_full;
	}
	if (st == ST_OK)
		st = db_run(db, DB_SQL_BEGIN, "Starting a change", err);
	if (st != ST_OK)
		pthread_mutex_unlock(&db->write_lock);
	return st;
}

enum status db_write_end(struct db *db, enum status st, bool wipe,
			 struct errinfo *err)
{
	if (st == ST_OK)
		st = db_run(db, DB_SQL_COMMIT, "Saving", err);
	if (st == ST_OK && db->sync_full) {
		db->upkeep.changed = true;
		db->settle_in = SETTLE_TURNS;
	}
	if (st == ST_DISK_FULL || st == ST_IO_ERROR)
		db->write_failed = true;
	roll_back(db);
	if ((st == ST_OK && wipe) || st == ST_DISK_FULL)
		empty_wal(db);
	pthread_mutex_unlock(&db->write_lock);
	return st;
}
