/* SQLite's memory: one block for all pages, a hard limit for all else. */
#ifndef FACEGATE_DB_SQLMEM_H
#define FACEGATE_DB_SQLMEM_H

#include <stddef.h>

#include "status.h"

/* Sets SQLite up before its first use in this process, and again when no
 * database is open and cache_bytes has changed; while one is open, its
 * settings stay and apply to the next one too. *pages is the number of pages
 * in the block. Pair with db_memory_release. */
enum status db_memory_acquire(size_t cache_bytes, size_t heap_bytes, int *pages,
			      struct errinfo *err) MUST_CHECK;
void db_memory_release(void);

#endif
