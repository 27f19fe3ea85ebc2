/* Backups by hand, and the way back: a file takes the place of the database
 * once it is proven to be one that the keys fit. What was there is kept under
 * another name, the last one only. A power cut in between leaves the old
 * database or none, and then the next restore puts it back first; never half of
 * one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "copy.h"
#include "files.h"
#include "internal.h"
#include "reseal.h"
#include "schema.h"

#define NAME	    "facegate.db"
#define NEW	    NAME ".new"
#define KEPT_PREFIX NAME ".replaced-"

enum status db_backup(const struct db_options *opt, const char *file,
		      struct errinfo *err)
{
	char path[PATH_MAX];
	struct db_copy copy = { .to = NULL };
	struct db *db = NULL;
	enum status st = db_join_path(opt->dir, "facegate.db", path, err);
	bool more;

	if (st == ST_OK && db_same_file(path, file))
		st = err_set(err, ST_BAD_CONFIG,
			     "The backup cannot be the database itself.");
	if (st == ST_OK)
		st = db_open_readonly(opt, &db, err);
	if (st != ST_OK)
		return st;
	st = db_copy_begin(&copy, db->reader, file, err);
	/* In one step: a daemon that writes would have it start again. */
	if (st == ST_OK)
		st = db_copy_step(&copy, -1, &more, err);
	if (st == ST_OK)
		st = db_copy_finish(&copy, err);
	db_copy_drop(&copy);
	db_close(db);
	return st;
}

static bool is_kept(const char *name)
{
	return strncmp(name, KEPT_PREFIX, strlen(KEPT_PREFIX)) == 0;
}

void db_forget_kept(const char *dir, const char *but)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, NEW, strlen(NEW)) == 0 ||
		    (is_kept(entry->d_name) &&
		     (!but || strncmp(entry->d_name, but, strlen(but)) != 0)))
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder)
		closedir(folder);
}

/* The last one, without what is beside it; "" when there is none. */
static void find_kept(const char *dir, char out[DB_KEPT_MAX])
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;
	const char *name;

	out[0] = 0;
	while (folder && (entry = readdir(folder)) != NULL) {
		name = entry->d_name;
		if (is_kept(name) && !strchr(name + strlen(KEPT_PREFIX), '-') &&
		    strcmp(name, out) > 0)
			(void)snprintf(out, DB_KEPT_MAX, "%.*s",
				       DB_KEPT_MAX - 1, name);
	}
	if (folder)
		closedir(folder);
}

/* A database and what SQLite has beside it. The database is the first to leave
 * its place and the last to come back: it is never there without its WAL. */
static const char *const tails[] = { "", "-wal", "-shm" };
#define TAILS ((int)(sizeof tails / sizeof *tails))

static enum status rename_in(const char *dir, const char *from, const char *to,
			     const char *tail, struct errinfo *err)
{
	char a[PATH_MAX + DB_KEPT_MAX], b[PATH_MAX + DB_KEPT_MAX];

	(void)snprintf(a, sizeof a, "%s/%s%s", dir, from, tail);
	(void)snprintf(b, sizeof b, "%s/%s%s", dir, to, tail);
	if (rename(a, b) != 0 && errno != ENOENT)
		return db_fail_errno("Renaming the old database", err);
	return ST_OK;
}

static enum status put_back(const char *dir, const char *kept,
			    struct errinfo *err)
{
	enum status st = ST_OK;

	for (int i = TAILS - 1; i >= 0 && st == ST_OK; i--)
		st = rename_in(dir, kept, NAME, tails[i], err);
	return st;
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Renames the database that is there; kept is "" when there is none. */
static enum status set_aside(const char *dir, const char *path,
			     char kept[DB_KEPT_MAX], struct errinfo *err)
{
	time_t now = time(NULL);
	enum status st = ST_OK;
	char to[PATH_MAX];
	struct tm utc;

	/* A restore that was cut short has left none. */
	if (is_missing(path)) {
		find_kept(dir, kept);
		if (kept[0])
			st = put_back(dir, kept, err);
		kept[0] = 0;
	}
	if (st != ST_OK || is_missing(path))
		return st;
	gmtime_r(&now, &utc);
	(void)strftime(kept, DB_KEPT_MAX, KEPT_PREFIX "%Y%m%dT%H%M%SZ", &utc);
	st = db_join_path(dir, kept, to, err);
	if (st == ST_OK)
		db_remove(to); /* of the same second */
	for (int i = 0; i < TAILS && st == ST_OK; i++)
		st = rename_in(dir, NAME, kept, tails[i], err);
	return st;
}

/* Puts fresh in the place of the database. On error all is as it was, unless
 * that failed too: then the text tells where the database is. */
static enum status take_place(const char *dir, const char *path,
			      const char *fresh, char kept[DB_KEPT_MAX],
			      struct errinfo *err)
{
	char old[PATH_MAX];
	struct errinfo why;
	enum status st;

	err_clear(&why);
	st = set_aside(dir, path, kept, &why);
	if (st == ST_OK)
		st = db_rename_synced(fresh, path, &why);
	if (st == ST_OK) {
		if (kept[0])
			db_forget_kept(dir, kept);
		return ST_OK;
	}
	if (!kept[0])
		(void)unlink(path);
	else if (put_back(dir, kept, NULL) != ST_OK &&
		 db_join_path(dir, kept, old, NULL) == ST_OK &&
		 !is_missing(old))
		return err_set(err, st, "%s The old database is now called %s.",
			       why.text, kept);
	kept[0] = 0;
	return err_set(err, st, "%s", why.text);
}

/* With the WAL beside it, should it be the copy of a folder and no backup. */
static enum status copy_in(const char *file, const char *fresh,
			   struct errinfo *err)
{
	char from[PATH_MAX + 8], to[PATH_MAX + 8];
	enum status st = db_copy_file(file, fresh, err);

	(void)snprintf(from, sizeof from, "%s-wal", file);
	(void)snprintf(to, sizeof to, "%s-wal", fresh);
	if (st == ST_OK && access(from, F_OK) == 0)
		st = db_copy_file(from, to, err);
	return st;
}

static enum status prove(const struct db_options *opt, const char *fresh,
			 int pages, struct errinfo *err)
{
	sqlite3 *conn = NULL;
	enum status st = db_connect(fresh, SQLITE_OPEN_READWRITE, pages, &conn,
				    err);

	if (st == ST_OK)
		st = db_schema_check(conn, err);
	if (st == ST_OK)
		st = db_schema_full_check(conn, err);
	if (st == ST_OK)
		st = db_keys_fit(conn, opt->key_file, err);
	if (st == ST_OK)
		st = db_exec(conn, "PRAGMA journal_mode = DELETE",
			     "Preparing the database", err);
	sqlite3_close(conn);
	return st;
}

static enum status make_ready(const char *dir, const char *fresh,
			      struct errinfo *err)
{
	int fd = open(fresh, O_RDONLY | O_CLOEXEC);
	enum status st;

	if (fd < 0)
		return db_fail_errno("Opening the copy", err);
	st = db_give_to_owner(fd, dir, err);
	if (st == ST_OK && fsync(fd) != 0)
		st = db_fail_errno("Writing the copy", err);
	close(fd);
	return st;
}

/* Under the lock of the folder. */
static enum status put_in_place(const struct db_options *opt, const char *file,
				const char *path, int pages,
				char kept[DB_KEPT_MAX], struct errinfo *err)
{
	char fresh[PATH_MAX];
	enum status st = db_join_path(opt->dir, NEW, fresh, err);

	if (st != ST_OK)
		return st;
	db_remove(fresh);
	if (db_file_kind(file) == DB_FILE_NONE)
		st = err_set(err, ST_IO_ERROR,
			     "There is no such backup, or it is empty.");
	if (st == ST_OK)
		st = copy_in(file, fresh, err);
	if (st == ST_OK)
		st = prove(opt, fresh, pages, err);
	if (st == ST_OK)
		st = make_ready(opt->dir, fresh, err);
	if (st == ST_OK)
		st = take_place(opt->dir, path, fresh, kept, err);
	db_remove(fresh);
	return st;
}

enum status db_restore(const struct db_options *opt, const char *file,
		       char kept[DB_KEPT_MAX], struct errinfo *err)
{
	char path[PATH_MAX];
	struct db *db = NULL;
	int pages = 0;
	enum status st = db_handle(opt, &db, path, err);

	kept[0] = 0;
	if (st == ST_OK)
		st = db_lock_folder(db, opt->dir, err);
	if (st == ST_OK)
		st = db_take_memory(db, opt, &pages, err);
	if (st == ST_OK && db_same_file(path, file))
		st = err_set(err, ST_BAD_CONFIG,
			     "The backup cannot be the database itself.");
	if (st == ST_OK)
		st = put_in_place(opt, file, path, pages, kept, err);
	/* The automatic backup is of what was replaced. */
	if (st == ST_OK && opt->backup_file &&
	    !db_same_file(opt->backup_file, file) &&
	    db_file_kind(opt->backup_file) == DB_FILE_OURS)
		(void)unlink(opt->backup_file);
	db_close(db);
	return st;
}
