/* The page cache block belongs to this file and lives as long as the process:
 * SQLite may only be given one while it is shut down. Nobody else in the
 * process may use SQLite while db_open runs for the first time, since that
 * shuts the library down to configure it. A static mutex makes acquire and
 * release safe from any thread.
 */
#include "sqlmem.h"

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "internal.h"
#include "pagevfs.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t users;
static void *block;
static size_t block_bytes;
static int block_pages;

static enum status configure(size_t cache_bytes, struct errinfo *err)
{
	int header_bytes = 0;
	int slot_bytes;
	int pages;
	void *fresh;

	sqlite3_shutdown();
	if (sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header_bytes) !=
	    SQLITE_OK)
		return err_set(err, ST_INTERNAL,
			       "SQLite does not tell its page header size.");
	slot_bytes = (DB_PAGE_BYTES + header_bytes + 7) & ~7;
	if (cache_bytes / (size_t)slot_bytes > INT_MAX / 2)
		return err_set(err, ST_BAD_CONFIG,
			       "The database page cache is too large.");
	pages = (int)(cache_bytes / (size_t)slot_bytes);
	fresh = malloc((size_t)pages * (size_t)slot_bytes);
	if (!fresh)
		return err_set(err, ST_NO_MEMORY,
			       "No memory for the database page cache.");
	if (sqlite3_config(SQLITE_CONFIG_PAGECACHE, fresh, slot_bytes, pages) !=
	    SQLITE_OK) {
		free(fresh);
		return err_set(err, ST_INTERNAL,
			       "SQLite does not take a page cache.");
	}
	free(block);
	block = fresh;
	block_bytes = cache_bytes;
	block_pages = pages;
	return ST_OK;
}

static enum status start(size_t cache_bytes, size_t heap_bytes,
			 struct errinfo *err)
{
	enum status st;
	int rc;

	if (cache_bytes != block_bytes) {
		st = configure(cache_bytes, err);
		if (st != ST_OK)
			return st;
	}
	rc = sqlite3_initialize();
	if (rc == SQLITE_OK) {
		sqlite3_hard_heap_limit64((sqlite3_int64)heap_bytes);
		rc = db_vfs_register();
	}
	if (rc != SQLITE_OK)
		return err_set(
			err, rc == SQLITE_NOMEM ? ST_NO_MEMORY : ST_INTERNAL,
			"SQLite does not start: %s.", sqlite3_errstr(rc));
	return ST_OK;
}

enum status db_memory_acquire(size_t cache_bytes, size_t heap_bytes, int *pages,
			      struct errinfo *err)
{
	enum status st = ST_OK;

	pthread_mutex_lock(&lock);
	if (users == 0)
		st = start(cache_bytes, heap_bytes, err);
	if (st == ST_OK) {
		users++;
		*pages = block_pages;
	}
	pthread_mutex_unlock(&lock);
	return st;
}

void db_memory_release(void)
{
	pthread_mutex_lock(&lock);
	users--;
	if (users == 0)
		db_vfs_unregister();
	pthread_mutex_unlock(&lock);
}
