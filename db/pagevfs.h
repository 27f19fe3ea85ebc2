/* A layer over SQLite's file access that wipes what b-tree pages leave behind.
 *
 * secure_delete overwrites the cells it deletes, but when SQLite moves cells
 * between pages the old copies stay in the unused gap of a page. Such a copy
 * would outlive the deletion of the person it belongs to. So every page on
 * its way into the database file gets its gap zeroed; the gap has no meaning
 * in the file format and SQLite never reads it.
 */
#ifndef FACEGATE_DB_PAGEVFS_H
#define FACEGATE_DB_PAGEVFS_H

#define DB_VFS_NAME "facegate"

/* Pages whose number needs more bits could make an overflow or free list
 * page look like a b-tree page by its first byte. */
#define DB_MAX_PAGES 16777215

/* Both are called while no database is open. Registering layers over what is
 * SQLite's default file access at that moment. Returns a SQLite code. */
int db_vfs_register(void);
void db_vfs_unregister(void);

#endif
