/* See copy.h. */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "internal.h"
#include "schema.h"

#define CACHE_PAGES 16

static enum status choose_names(struct db_copy *c, const char *file,
				struct errinfo *err)
{
	int n = snprintf(c->fresh, sizeof c->fresh, "%s.new", file);
	enum db_file_kind there = db_file_kind(file);

	if (n < 0 || n >= (int)sizeof c->fresh) {
		c->fresh[0] = 0;
		return err_set(err, ST_BAD_CONFIG,
			       "The path of the backup is too long.");
	}
	(void)snprintf(c->file, sizeof c->file, "%s", file);
	if (there == DB_FILE_UNREADABLE) {
		c->fresh[0] = 0;
		return db_fail_errno("Reading the last backup", err);
	}
	/* A slip of the hand must not replace the key file. */
	if (there != DB_FILE_NONE && there != DB_FILE_OURS) {
		c->fresh[0] = 0;
		return err_set(err, ST_BAD_CONFIG,
			       "There is another file in the backup's place, "
			       "which is no backup.");
	}
	return ST_OK;
}

enum status db_copy_begin(struct db_copy *c, sqlite3 *from, const char *file,
			  struct errinfo *err)
{
	enum status st;

	*c = (struct db_copy){ .to = NULL };
	st = choose_names(c, file, err);
	if (st != ST_OK)
		return st;
	db_remove(c->fresh);
	st = db_make_private(c->fresh, err);
	if (st == ST_OK)
		st = db_connect(c->fresh, SQLITE_OPEN_READWRITE, CACHE_PAGES,
				&c->to, err);
	/* Nothing of it counts before the end, and then it is synced whole. */
	if (st == ST_OK)
		st = db_exec(c->to,
			     "PRAGMA journal_mode = MEMORY;"
			     "PRAGMA synchronous = OFF;",
			     "Setting up the backup", err);
	if (st != ST_OK)
		return st;
	c->work = sqlite3_backup_init(c->to, "main", from, "main");
	if (!c->work)
		st = db_fail(c->to, sqlite3_errcode(c->to),
			     "Starting the backup", err);
	return st;
}

enum status db_copy_step(struct db_copy *c, int pages, bool *more,
			 struct errinfo *err)
{
	int rc = sqlite3_backup_step(c->work, pages);
	enum status st = ST_OK;

	*more = rc == SQLITE_OK;
	if (*more)
		return ST_OK;
	if (rc != SQLITE_DONE)
		st = db_fail(c->to, rc, "Copying the database", err);
	(void)sqlite3_backup_finish(c->work);
	c->work = NULL;
	return st;
}

static enum status sync_file(const char *path, struct errinfo *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status st = ST_OK;

	if (fd < 0 || fsync(fd) != 0)
		st = db_fail_errno("Writing the backup", err);
	if (fd >= 0)
		close(fd);
	return st;
}

enum status db_copy_finish(struct db_copy *c, struct errinfo *err)
{
	/* Out of WAL mode, so that it is one file and needs no other. */
	enum status st = db_exec(c->to, "PRAGMA journal_mode = DELETE",
				 "Ending the backup", err);

	if (st == ST_OK)
		st = db_schema_full_check(c->to, err);
	if (sqlite3_close(c->to) == SQLITE_OK)
		c->to = NULL;
	if (st == ST_OK)
		st = sync_file(c->fresh, err);
	if (st == ST_OK)
		st = db_rename_synced(c->fresh, c->file, err);
	return st;
}

void db_copy_drop(struct db_copy *c)
{
	if (c->work)
		(void)sqlite3_backup_finish(c->work);
	sqlite3_close(c->to);
	if (c->fresh[0])
		db_remove(c->fresh);
	*c = (struct db_copy){ .to = NULL };
}
