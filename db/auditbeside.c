/* The audit log's row of an export that another process makes. One connection
 * alone writes (docs/decisions/0003-one-writer-wal.md), so where a daemon has
 * the store, the other process leaves it a note in the folder and waits until
 * it is gone: then the row is on the disk. A note that outlives who wrote it
 * ends as a row too; better one too many than an export without.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "files.h"
#include "internal.h"

#define NOTE	   "export.note"
#define NOTE_BYTES 64
/* A daemon looks every second, unless its upkeep waits for the disk. */
#define TRIES 150

static enum status add_row(struct db *db, const struct db_by *by,
			   int64_t person_key, struct errinfo *err)
{
	enum status st = db_write_begin(db, true, err);

	if (st == ST_OK)
		st = db_write_end(
			db, db_audit_add(db, by, "export", person_key, "", err),
			false, err);
	return st;
}

/* False for what no process of ours wrote. */
static bool read_note(int fd, int64_t *person_key)
{
	char text[NOTE_BYTES] = "";
	int end = 0;

	return read(fd, text, sizeof text - 1) > 0 &&
	       sscanf(text, "export %18" SCNd64 "%n", person_key, &end) == 1 &&
	       strcmp(text + end, "\n") == 0 && *person_key >= 0;
}

enum status db_audit_take(struct db *db, int64_t now_ms, struct errinfo *err)
{
	struct db_by by = { NULL, now_ms };
	int64_t person_key = 0;
	char path[PATH_MAX];
	enum status st = db_join_path(db->dir, NOTE, path, err);
	int fd;

	if (st != ST_OK || db->upkeep.note_stuck)
		return st;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? ST_OK
				       : db_fail_errno("Reading a note", err);
	if (read_note(fd, &person_key))
		st = add_row(db, &by, person_key, err);
	close(fd);
	if (st == ST_OK && unlink(path) != 0) {
		/* Else it would be a row a second. */
		db->upkeep.note_stuck = true;
		st = db_fail_errno("Removing a note", err);
	}
	return st;
}

/* Puts the note there as a whole. */
static enum status leave_note(const char *dir, const char *path,
			      int64_t person_key, struct errinfo *err)
{
	char fresh[PATH_MAX + 24], text[NOTE_BYTES];
	enum status st;
	int n = snprintf(text, sizeof text, "export %" PRId64 "\n", person_key);
	int fd;

	(void)snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return db_fail_errno("Leaving the daemon a note", err);
	st = db_give_to_owner(fd, dir, err);
	if (st == ST_OK && write(fd, text, (size_t)n) != n)
		st = db_fail_errno("Leaving the daemon a note", err);
	close(fd);
	if (st == ST_OK && link(fresh, path) != 0)
		st = errno == EEXIST
			     ? err_set(err, ST_DATABASE_BUSY,
				       "Another export waits for the daemon.")
			     : db_fail_errno("Leaving the daemon a note", err);
	(void)unlink(fresh);
	return st;
}

static enum status note_beside(const char *dir, int64_t person_key,
			       struct errinfo *err)
{
	const struct timespec tick = { 0, 200000000 };
	char path[PATH_MAX];
	enum status st = db_join_path(dir, NOTE, path, err);

	if (st == ST_OK)
		st = leave_note(dir, path, person_key, err);
	if (st != ST_OK)
		return st;
	for (int i = 0; i < TRIES; i++) {
		if (access(path, F_OK) != 0)
			return ST_OK;
		nanosleep(&tick, NULL);
	}
	if (unlink(path) != 0)
		return ST_OK;
	return err_set(err, ST_DATABASE_BUSY,
		       "The daemon does not write the row of the audit log "
		       "that an export needs; its own log says why.");
}

enum status db_audit_export(const struct db_options *opt,
			    const struct db_by *by, int64_t person_key,
			    struct errinfo *err)
{
	struct errinfo why;
	struct db *db;
	enum status st;

	err_clear(&why);
	st = db_open(opt, &db, &why);
	if (st == ST_DATABASE_BUSY)
		return note_beside(opt->dir, person_key, err);
	if (st == ST_OK)
		st = add_row(db, by, person_key, &why);
	db_close(db);
	return st == ST_OK ? ST_OK : err_set(err, st, "%s", why.text);
}
