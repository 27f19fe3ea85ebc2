/* Opening, closing and the helpers that every statement goes through. A handle
 * owns its two connections, their statements, its mutexes and the lock on the
 * folder. Only one handle per folder exists at a time, in this process or any
 * other, by flock. The database file is never opened other than by SQLite
 * once SQLite has it: closing such a descriptor would drop SQLite's locks.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "internal.h"
#include "pagevfs.h"
#include "reseal.h"
#include "schema.h"
#include "sqlmem.h"

/* A transaction of ours takes milliseconds and the mutexes order them, so a
 * longer wait means that a stranger holds the file. */
#define BUSY_MS 250

/* Pages that both connections need to work at all. */
#define PAGES_MIN 12

enum status db_lock_folder(struct db *db, const char *dir, struct errinfo *err)
{
	const bool readonly = db->refuses == ST_IO_ERROR;
	char path[PATH_MAX];
	enum status st = db_join_path(dir, DB_LOCK_FILE, path, err);

	if (st != ST_OK)
		return st;
	db->lock_fd = open(path,
			   (readonly ? O_RDONLY : O_RDWR | O_CREAT) |
				   O_CLOEXEC | O_NOFOLLOW,
			   0600);
	if (db->lock_fd < 0)
		return db_fail_errno("Making the lock file in the data folder",
				     err);
	if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return readonly ? ST_OK
				: db_give_to_owner(db->lock_fd, dir, err);
	if (errno == EWOULDBLOCK)
		return err_set(err, ST_DATABASE_BUSY,
			       "Another process uses the data folder.");
	return db_fail_errno("Locking the data folder", err);
}

static enum status set_up(sqlite3 *conn, const char *sql, struct errinfo *err)
{
	int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK
		       ? ST_OK
		       : db_fail_to_open(conn, rc, "Setting up the database",
					 err);
}

enum status db_connect(const char *path, int mode, int cache_pages,
		       sqlite3 **out, struct errinfo *err)
{
	/* SQLite itself takes no notice of this flag. */
	bool alone = (mode & SQLITE_OPEN_EXCLUSIVE) != 0;
	char sql[416];
	enum status st;
	int rc = sqlite3_open_v2(path, out,
				 mode | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_PRIVATECACHE,
				 DB_VFS_NAME);

	if (rc != SQLITE_OK)
		return db_fail(*out, rc, "Opening the database", err);
	sqlite3_extended_result_codes(*out, 1);
	sqlite3_busy_timeout(*out, BUSY_MS);
	(void)sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* temp_store: what SQLite needs besides the file stays in its capped
	 * heap, so no copy of a row ever reaches a temporary file. */
	(void)snprintf(sql, sizeof sql,
		       "PRAGMA locking_mode = %s;"
		       "PRAGMA trusted_schema = OFF;"
		       "PRAGMA cell_size_check = ON;"
		       "PRAGMA mmap_size = 0;"
		       "PRAGMA temp_store = MEMORY;"
		       "PRAGMA page_size = %d;"
		       "PRAGMA auto_vacuum = NONE;"
		       "PRAGMA cache_size = %d;"
		       "PRAGMA foreign_keys = ON;"
		       "PRAGMA secure_delete = ON;",
		       alone ? "EXCLUSIVE" : "NORMAL", DB_PAGE_BYTES,
		       cache_pages);
	st = set_up(*out, sql, err);
	return st;
}

static enum status use_wal(sqlite3 *conn, struct errinfo *err)
{
	enum status st = ST_OK;
	sqlite3_stmt *s = NULL;
	const char *mode;
	int rc = sqlite3_prepare_v2(conn, "PRAGMA journal_mode = WAL", -1, &s,
				    NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc != SQLITE_ROW) {
		st = db_fail(conn, rc, "Switching the database to WAL", err);
	} else {
		mode = (const char *)sqlite3_column_text(s, 0);
		if (!mode || strcmp(mode, "wal") != 0)
			st = err_set(err, ST_IO_ERROR,
				     "The data folder's file system cannot "
				     "hold a WAL database.");
	}
	sqlite3_finalize(s);
	return st;
}

static enum status migrate(struct db *db, struct errinfo *err)
{
	enum status st = db_keys_functions(db->writer, db->seal, err);

	if (st == ST_OK)
		st = db_schema_migrate(db->writer, err);
	/* The keyring that they refer to may be replaced from here on. */
	if (st == ST_OK)
		st = db_keys_functions(db->writer, NULL, err);
	return st;
}

static enum status open_writer(struct db *db, const char *path, int pages,
			       struct errinfo *err)
{
	char sql[160];
	enum status st = db_connect(path, SQLITE_OPEN_READWRITE, pages,
				    &db->writer, err);

	if (st == ST_OK)
		(void)sqlite3_db_config(
			db->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (st == ST_OK)
		st = db_schema_check(db->writer, err);
	if (st == ST_OK)
		st = db_schema_quick_check(db->writer, err);
	if (st == ST_OK)
		st = use_wal(db->writer, err);
	(void)snprintf(sql, sizeof sql,
		       "PRAGMA max_page_count = %d;"
		       "PRAGMA journal_size_limit = 4194304;"
		       "PRAGMA wal_autocheckpoint = 1000;"
		       "PRAGMA synchronous = FULL;",
		       DB_MAX_PAGES);
	if (st == ST_OK)
		st = set_up(db->writer, sql, err);
	db->sync_full = true;
	if (st == ST_OK)
		st = db_keys_load(db, db->writer, err);
	if (st == ST_OK)
		st = migrate(db, err);
	/* A WAL left by a dead process may hold what was deleted since. */
	if (st == ST_OK)
		st = db_exec(db->writer, "PRAGMA wal_checkpoint(TRUNCATE)",
			     "Writing the WAL back", err);
	return st;
}

static enum status open_reader(struct db *db, const char *path, int mode,
			       int pages, struct errinfo *err)
{
	enum status st = db_connect(path, mode, pages, &db->reader, err);

	if (st == ST_OK)
		st = set_up(db->reader,
			    "PRAGMA wal_autocheckpoint = 0;"
			    "PRAGMA query_only = ON;",
			    err);
	return st;
}

static enum status prepare_all(struct db *db, struct errinfo *err)
{
	sqlite3 *const writer = db->writer, *const reader = db->reader;
	const struct {
		sqlite3 *conn;
		const char *sql;
	} table[DB_SQL_COUNT] = {
#define X(name, conn, sql) [DB_SQL_##name] = { conn, sql },
		DB_STATEMENTS(X)
#undef X
	};
	int rc;

	for (size_t i = 0; i < DB_SQL_COUNT; i++) {
		if (table[i].conn == NULL) /* opened to read alone */
			continue;
		rc = sqlite3_prepare_v3(table[i].conn, table[i].sql, -1,
					SQLITE_PREPARE_PERSISTENT, &db->stmt[i],
					NULL);
		if (rc != SQLITE_OK)
			return db_fail_to_open(table[i].conn, rc,
					       "Preparing the database", err);
	}
	return ST_OK;
}

static enum status check_options(const struct db_options *opt,
				 struct errinfo *err)
{
	if (opt->log_max_rows < 1)
		return err_limit(err, ST_BAD_CONFIG, 1, opt->log_max_rows,
				 "The match log needs room for a row.");
	if (opt->audit_max_rows < 1)
		return err_limit(err, ST_BAD_CONFIG, 1, opt->audit_max_rows,
				 "The audit log needs room for a row.");
	if (opt->heap_bytes < DB_HEAP_MIN_BYTES)
		return err_limit(err, ST_BAD_CONFIG, DB_HEAP_MIN_BYTES,
				 (int64_t)opt->heap_bytes,
				 "The database heap limit is too low.");
	if (opt->cache_bytes < DB_CACHE_MIN_BYTES)
		return err_limit(err, ST_BAD_CONFIG, DB_CACHE_MIN_BYTES,
				 (int64_t)opt->cache_bytes,
				 "The database page cache is too small.");
	return ST_OK;
}

enum status db_handle(const struct db_options *opt, struct db **out,
		      char path[PATH_MAX], struct errinfo *err)
{
	enum status st = check_options(opt, err);
	struct db *db;

	if (st == ST_OK)
		st = db_join_path(opt->dir, "facegate.db", path, err);
	if (st != ST_OK)
		return st;
	db = calloc(1, sizeof *db);
	if (!db)
		return err_set(err, ST_NO_MEMORY,
			       "No memory for the database.");
	db->lock_fd = -1;
	db->log_max_rows = opt->log_max_rows;
	db->log_days = opt->log_days;
	db->audit_max_rows = opt->audit_max_rows;
	db->people_max = opt->people_max;
	db->model_id = opt->model_id;
	db->doors_max = opt->doors_max;
	pthread_mutex_init(&db->write_lock, NULL);
	pthread_mutex_init(&db->read_lock, NULL);
	*out = db;
	db->key_path = strdup(opt->key_file);
	db->dir = strdup(opt->dir);
	if (!db->key_path || !db->dir)
		return err_set(err, ST_NO_MEMORY,
			       "No memory for the database.");
	return ST_OK;
}

enum status db_take_memory(struct db *db, const struct db_options *opt,
			   int *pages, struct errinfo *err)
{
	enum status st = db_memory_acquire(opt->cache_bytes, opt->heap_bytes,
					   pages, err);

	db->memory_held = st == ST_OK;
	return st;
}

/* Gives an opened handle to the caller, or closes one that did not open. */
static enum status hand_over(struct db *db, enum status st, struct db **out)
{
	if (st == ST_OK)
		*out = db;
	else
		db_close(db);
	return st;
}

enum status db_open(const struct db_options *opt, struct db **out,
		    struct errinfo *err)
{
	char path[PATH_MAX];
	struct db *db = NULL;
	enum status st;
	int pages = 0;

	*out = NULL;
	st = db_handle(opt, &db, path, err);
	if (st == ST_OK)
		st = db_lock_folder(db, opt->dir, err);
	/* What a restoration that was cut short has left. */
	if (st == ST_OK)
		db_remove_new(path);
	/* With its final mode before SQLite sees it; the WAL and the shared
	 * memory file take theirs from it. */
	if (st == ST_OK)
		st = db_make_private(path, err);
	if (st == ST_OK)
		st = db_take_memory(db, opt, &pages, err);
	/* The writer needs more: a transaction's changed pages stay in its
	 * cache until the commit. */
	if (st == ST_OK)
		st = open_writer(db, path, pages - pages / 4, err);
	if (st == ST_OK)
		st = open_reader(db, path, SQLITE_OPEN_READWRITE, pages / 4,
				 err);
	if (st == ST_OK)
		st = prepare_all(db, err);
	if (st == ST_OK)
		st = db_keys_adopt(db, db->seal, err);
	if (st == ST_OK)
		st = db_log_trim_all(db, err);
	if (st == ST_OK)
		st = db_upkeep_open(db, opt->backup_file, opt->backup_minutes,
				    err);
	/* Until here a damaged database keeps its WAL as it was found. */
	if (st == ST_OK)
		(void)sqlite3_db_config(
			db->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return hand_over(db, st, out);
}

enum status db_open_to_read(const struct db_options *opt, enum status refuses,
			    struct db **out, struct errinfo *err)
{
	/* On a full disk locks need a file that can be written, though nothing
	 * is. */
	int mode = refuses == ST_DISK_FULL
			   ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXCLUSIVE
			   : SQLITE_OPEN_READONLY;
	char path[PATH_MAX];
	struct db *db = NULL;
	enum status st;
	int pages = 0;

	*out = NULL;
	st = db_handle(opt, &db, path, err);
	if (st == ST_OK)
		db->refuses = refuses;
	if (st == ST_OK && refuses)
		st = db_lock_folder(db, opt->dir, err);
	if (st == ST_OK && access(path, R_OK) != 0)
		st = db_fail_errno("Reading the database file", err);
	if (st == ST_OK)
		st = db_take_memory(db, opt, &pages, err);
	if (st == ST_OK)
		st = open_reader(db, path, mode, pages, err);
	/* The WAL stays as it was found. */
	if (st == ST_OK)
		(void)sqlite3_db_config(
			db->reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (st == ST_OK)
		st = db_schema_check(db->reader, err);
	if (st == ST_OK)
		st = db_schema_check_newest(db->reader, err);
	if (st == ST_OK)
		st = db_keys_load(db, db->reader, err);
	if (st == ST_OK)
		st = prepare_all(db, err);
	return hand_over(db, st, out);
}

enum status db_open_readonly(const struct db_options *opt, struct db **out,
			     struct errinfo *err)
{
	return db_open_to_read(opt, ST_OK, out, err);
}

void db_close(struct db *db)
{
	if (!db)
		return;
	db_upkeep_close(db);
	for (size_t i = 0; i < DB_SQL_COUNT; i++)
		sqlite3_finalize(db->stmt[i]);
	/* The last connection to close checkpoints and removes the WAL, and
	 * that must be the writer. */
	sqlite3_close(db->reader);
	sqlite3_close(db->writer);
	if (db->memory_held)
		db_memory_release();
	if (db->lock_fd >= 0)
		close(db->lock_fd);
	seal_free(db->seal);
	free(db->key_path);
	free(db->dir);
	pthread_mutex_destroy(&db->read_lock);
	pthread_mutex_destroy(&db->write_lock);
	free(db);
}

enum status db_writable(struct db *db, struct errinfo *err)
{
	enum status st = db_write_begin(db, false, err);

	if (st != ST_OK)
		return st;
	if (db->write_failed) {
		db->write_failed = false;
		st = db_run(db, DB_SQL_PROBE, "Testing the database", err);
		return db_write_end(db, st, false, err);
	}
	st = db_run(db, DB_SQL_ROLLBACK, "Testing the database", err);
	pthread_mutex_unlock(&db->write_lock);
	return st;
}
