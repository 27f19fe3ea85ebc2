/* Files of the store as files, before SQLite has them or after it let them go:
 * a database that SQLite has open must not be opened otherwise, since closing
 * it again would drop SQLite's locks. Everything made here has mode 0600.
 */
#ifndef FACEGATE_DB_FILES_H
#define FACEGATE_DB_FILES_H

#include <limits.h>
#include <stdbool.h>

#include "status.h"

/* What errno says of an operation ("Opening the database file"). */
enum status db_fail_errno(const char *what, struct errinfo *err);
/* Whether errno tells how the machine is, and nothing of the file. */
bool db_errno_may_pass(void);
enum status db_join_path(const char *dir, const char *file, char out[PATH_MAX],
			 struct errinfo *err) MUST_CHECK;
/* Makes the file unless it is there, and gives it its mode. */
enum status db_make_private(const char *path, struct errinfo *err) MUST_CHECK;
/* Gives the file to the folder's owner, when root works in another's folder. */
enum status db_give_to_owner(int fd, const char *dir,
			     struct errinfo *err) MUST_CHECK;
/* On the disk when it returns. Whatever was at `to` is gone. */
enum status db_copy_file(const char *from, const char *to,
			 struct errinfo *err) MUST_CHECK;
/* Puts the file from in the place of to, on the disk when it returns. */
enum status db_rename_synced(const char *from, const char *to,
			     struct errinfo *err) MUST_CHECK;
/* After renaming or removing what is at path. */
enum status db_sync_folder(const char *path, struct errinfo *err) MUST_CHECK;
/* Removes a database and what SQLite keeps beside it, if they are there. */
void db_remove(const char *path);
/* The same for path.new, which is to take the place of path. */
void db_remove_new(const char *path);

/* Whether the path lies on a file system that takes no change. */
bool db_disk_is_readonly(const char *path);

/* Whether both paths lead to one file that is there. */
bool db_same_file(const char *a, const char *b);

/* What a file says of itself in its first bytes, its WAL left aside. */
enum db_file_kind {
	DB_FILE_NONE,	    /* missing or empty */
	DB_FILE_UNREADABLE, /* at the moment, as errno says */
	DB_FILE_UNKNOWN,    /* damaged, no database, or not for us to read */
	DB_FILE_FOREIGN,    /* of another program, or a newer version */
	DB_FILE_OURS,
};
enum db_file_kind db_file_kind(const char *path);

#endif
