/* A copy of a database that is in use, page by page, which becomes a file of
 * its own only when it is whole and sound: it is made beside the file, under
 * the name of it with ".new", checked, synced, and put in its place.
 * Rows are copied as they are encrypted. Between two steps the source may be
 * written, as long as that is done by the connection it is copied from: then
 * the copy follows. Whoever steps keeps others off that connection meanwhile.
 */
#ifndef FACEGATE_DB_COPY_H
#define FACEGATE_DB_COPY_H

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>

#include "status.h"

struct db_copy {
	sqlite3 *to;
	sqlite3_backup *work; /* NULL when all pages are copied */
	char file[PATH_MAX], fresh[PATH_MAX];
};

/* ST_BAD_CONFIG when there is another file than a backup in its place, or the
 * path is too long. On error too, db_copy_drop must follow. */
enum status db_copy_begin(struct db_copy *c, sqlite3 *from, const char *file,
			  struct errinfo *err) MUST_CHECK;
/* At most `pages` pages, -1 for all. *more while there are others. */
enum status db_copy_step(struct db_copy *c, int pages, bool *more,
			 struct errinfo *err) MUST_CHECK;
/* Checks the copy and puts it in its place; needs the source no more.
 * ST_BAD_DATABASE when it is damaged, which its source then is as well. */
enum status db_copy_finish(struct db_copy *c, struct errinfo *err) MUST_CHECK;
/* Frees it and removes what is not finished. */
void db_copy_drop(struct db_copy *c);

#endif
