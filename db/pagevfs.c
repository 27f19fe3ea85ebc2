/* The layer copies the table of file methods of each database file it opens
 * and replaces xWrite, so all else runs at the lower layer's speed. The
 * copy lies behind the lower layer's own data in the block that SQLite
 * allocates for a file. The WAL is left alone: its frames carry checksums,
 * and it is truncated after a deletion.
 * Threads: xWrite has no state but the file's; register and unregister are
 * called under the lock of sqlmem.c.
 */
#include "pagevfs.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "checked.h"
#include "files.h"
#include "internal.h"

struct wrapped {
	const struct sqlite3_io_methods *below;
	struct sqlite3_io_methods methods;
};

static sqlite3_vfs layer;
static sqlite3_vfs *base;

static struct wrapped *wrapped_of(sqlite3_file *file)
{
	return (struct wrapped *)((char *)file +
				  align_up((size_t)base->szOsFile, 16));
}

static size_t read_be16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Finds the unused bytes between a b-tree page's cell pointers and its first
 * cell. Returns false when the page is of another kind or has no gap. */
static bool find_gap(const unsigned char *page, sqlite3_int64 offset,
		     size_t *from, size_t *to)
{
	/* The first page starts with the 100-byte file header. */
	size_t header = offset == 0 ? 100 : 0;
	unsigned char type = page[header];
	size_t header_bytes;

	if (type == 2 || type == 5) /* interior page */
		header_bytes = 12;
	else if (type == 10 || type == 13) /* leaf page */
		header_bytes = 8;
	else
		return false;
	*from = header + header_bytes + 2 * read_be16(page + header + 3);
	*to = read_be16(page + header + 5);
	return *from < *to && *to <= DB_PAGE_BYTES;
}

static bool all_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int write_clean(sqlite3_file *file, const void *data, int amount,
		       sqlite3_int64 offset)
{
	const struct sqlite3_io_methods *below = wrapped_of(file)->below;
	unsigned char page[DB_PAGE_BYTES];
	size_t from, to;

	if (amount != DB_PAGE_BYTES || offset % DB_PAGE_BYTES != 0 ||
	    !find_gap(data, offset, &from, &to) ||
	    all_zero((const unsigned char *)data + from, to - from))
		return below->xWrite(file, data, amount, offset);
	memcpy(page, data, sizeof page);
	memset(page + from, 0, to - from);
	return below->xWrite(file, page, amount, offset);
}

static int is_immutable(sqlite3_file *file)
{
	return wrapped_of(file)->below->xDeviceCharacteristics(file) |
	       SQLITE_IOCAP_IMMUTABLE;
}

/* Reading a WAL takes files beside it, which a disk that is read-only cannot
 * get; where there is no WAL the file is all, and nothing changes it. */
static bool stands_alone(const char *name)
{
	char wal[PATH_MAX];
	struct stat info;
	int n = snprintf(wal, sizeof wal, "%s-wal", name);

	return n > 0 && n < (int)sizeof wal &&
	       (stat(wal, &info) == 0 ? info.st_size == 0 : errno == ENOENT) &&
	       db_disk_is_readonly(name);
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		     int flags, int *out_flags)
{
	int rc = base->xOpen(base, name, file, flags, out_flags);
	struct wrapped *w = wrapped_of(file);

	(void)vfs;
	if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB))
		return rc;
	w->below = file->pMethods;
	w->methods = *file->pMethods;
	w->methods.xWrite = write_clean;
	if ((flags & SQLITE_OPEN_READONLY) && stands_alone(name))
		w->methods.xDeviceCharacteristics = is_immutable;
	file->pMethods = &w->methods;
	return SQLITE_OK;
}

int db_vfs_register(void)
{
	base = sqlite3_vfs_find(NULL);
	if (!base)
		return SQLITE_ERROR;
	layer = *base;
	layer.pNext = NULL;
	layer.zName = DB_VFS_NAME;
	layer.szOsFile = (int)(align_up((size_t)base->szOsFile, 16) +
			       sizeof(struct wrapped));
	layer.xOpen = open_file;
	return sqlite3_vfs_register(&layer, 0);
}

void db_vfs_unregister(void)
{
	sqlite3_vfs_unregister(&layer);
}
