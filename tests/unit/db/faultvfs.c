/* See faultvfs.h. */
#include "faultvfs.h"

#include <check.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dbtest.h"

enum role { ROLE_DB, ROLE_WAL, ROLE_JOURNAL, ROLES };

/* One change not yet synced. A truncation is a change without new bytes. */
struct change {
	struct change *older;
	enum role role;
	sqlite3_int64 offset, old_size;
	size_t old_bytes, new_bytes;
	bool truncates;
	unsigned char *old, *new;
};

struct tail {
	const struct sqlite3_io_methods *below;
	struct sqlite3_io_methods methods;
	enum role role;
};

struct fault_plan fault_plan;
bool fault_hit;
unsigned fault_wal_syncs, fault_db_syncs;
long fault_wal_bytes_max;

static sqlite3_vfs layer;
static sqlite3_vfs *base;
static struct change *changes;
static bool recording, dead;
static int power_countdown;
static const char *const names[ROLES] = { "facegate.db", "facegate.db-wal",
					  "facegate.db-journal" };

static struct tail *tail_of(sqlite3_file *file)
{
	size_t at = ((size_t)base->szOsFile + 15) & ~(size_t)15;

	return (struct tail *)((char *)file + at);
}

bool fault_fails(enum fault_kind kind)
{
	struct fault_plan *p = &fault_plan;

	if (p->countdown <= 0 || !(p->kinds & kind))
		return false;
	if (p->countdown > 1) {
		p->countdown--;
		return false;
	}
	if (!p->forever)
		p->countdown = 0;
	fault_hit = true;
	return true;
}

static bool power_gone(void)
{
	if (recording && !dead && --power_countdown <= 0)
		dead = true;
	return dead;
}

static void record(sqlite3_file *file, const void *data, size_t bytes,
		   sqlite3_int64 offset, bool truncates)
{
	struct tail *t = tail_of(file);
	struct change *c;
	sqlite3_int64 size;

	if (!recording)
		return;
	c = calloc(1, sizeof *c);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(t->below->xFileSize(file, &size), SQLITE_OK);
	c->role = t->role;
	c->offset = offset;
	c->old_size = size;
	c->new_bytes = bytes;
	c->truncates = truncates;
	if (truncates)
		c->old_bytes = size > offset ? (size_t)(size - offset) : 0;
	else if (size > offset)
		c->old_bytes = bytes < (size_t)(size - offset)
				       ? bytes
				       : (size_t)(size - offset);
	c->old = malloc(c->old_bytes + 1);
	c->new = malloc(bytes + 1);
	ck_assert(c->old && c->new);
	if (bytes)
		memcpy(c->new, data, bytes);
	if (c->old_bytes)
		ck_assert_int_eq(t->below->xRead(file, c->old,
						 (int)c->old_bytes, offset),
				 SQLITE_OK);
	c->older = changes;
	changes = c;
}

static void drop_changes(enum role role, bool all)
{
	struct change **at = &changes;

	while (*at) {
		struct change *c = *at;

		if (!all && c->role != role) {
			at = &c->older;
			continue;
		}
		*at = c->older;
		free(c->old);
		free(c->new);
		free(c);
	}
}

static int fault_read(sqlite3_file *file, void *out, int amount,
		      sqlite3_int64 offset)
{
	if (fault_fails(FAULT_READ))
		return fault_plan.code;
	return tail_of(file)->below->xRead(file, out, amount, offset);
}

static int fault_write(sqlite3_file *file, const void *data, int amount,
		       sqlite3_int64 offset)
{
	if (power_gone())
		return SQLITE_IOERR_WRITE;
	if (fault_fails(FAULT_WRITE)) {
		/* A write that fails may have written a part. */
		(void)tail_of(file)->below->xWrite(file, data, amount / 2,
						   offset);
		return fault_plan.code;
	}
	if (fault_wal_bytes_max && tail_of(file)->role == ROLE_WAL &&
	    offset + amount > fault_wal_bytes_max)
		return SQLITE_FULL;
	record(file, data, (size_t)amount, offset, false);
	return tail_of(file)->below->xWrite(file, data, amount, offset);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	if (power_gone())
		return SQLITE_IOERR_TRUNCATE;
	if (fault_fails(FAULT_TRUNCATE))
		return fault_plan.code;
	record(file, NULL, 0, size, true);
	return tail_of(file)->below->xTruncate(file, size);
}

/* The real sync is left out: these tests end processes, not power. */
static int fault_sync(sqlite3_file *file, int flags)
{
	enum role role = tail_of(file)->role;

	(void)flags;
	if (power_gone())
		return SQLITE_IOERR_FSYNC;
	if (fault_fails(FAULT_SYNC))
		return fault_plan.code;
	drop_changes(role, false);
	fault_wal_syncs += role == ROLE_WAL;
	fault_db_syncs += role == ROLE_DB;
	return SQLITE_OK;
}

static int fault_map(sqlite3_file *file, int region, int bytes, int extend,
		     void volatile **out)
{
	if (fault_fails(FAULT_SHARED))
		return fault_plan.code;
	return tail_of(file)->below->xShmMap(file, region, bytes, extend, out);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		      int flags, int *out_flags)
{
	struct tail *t = tail_of(file);
	int rc;

	(void)vfs;
	if (dead || fault_fails(FAULT_OPEN)) {
		file->pMethods = NULL;
		return SQLITE_CANTOPEN;
	}
	rc = base->xOpen(base, name, file, flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	t->role = flags & SQLITE_OPEN_MAIN_DB ? ROLE_DB
		  : flags & SQLITE_OPEN_WAL   ? ROLE_WAL
					      : ROLE_JOURNAL;
	t->below = file->pMethods;
	t->methods = *file->pMethods;
	t->methods.xRead = fault_read;
	t->methods.xWrite = fault_write;
	t->methods.xTruncate = fault_truncate;
	t->methods.xSync = fault_sync;
	t->methods.xShmMap = fault_map;
	file->pMethods = &t->methods;
	return SQLITE_OK;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
	(void)vfs;
	if (dead || fault_fails(FAULT_FOLDER))
		return SQLITE_IOERR_DELETE;
	return base->xDelete(base, name, sync_folder);
}

void fault_disarm(void)
{
	fault_plan = (struct fault_plan){ 0 };
	fault_wal_bytes_max = 0;
	fault_hit = false;
}

void fault_install(void)
{
	db_close(test_open());
	fault_disarm();
	base = sqlite3_vfs_find(NULL);
	layer = *base;
	layer.pNext = NULL;
	layer.zName = "fault";
	layer.szOsFile = (int)((((size_t)base->szOsFile + 15) & ~(size_t)15) +
			       sizeof(struct tail));
	layer.xOpen = fault_open;
	layer.xDelete = fault_delete;
	ck_assert_int_eq(sqlite3_vfs_register(&layer, 1), SQLITE_OK);
}

void fault_remove(void)
{
	fault_disarm();
	recording = dead = false;
	drop_changes(ROLES, true);
	ck_assert_int_eq(sqlite3_vfs_unregister(&layer), SQLITE_OK);
	ck_assert_int_eq(sqlite3_vfs_register(base, 1), SQLITE_OK);
}

void fault_power_on(int countdown)
{
	drop_changes(ROLES, true);
	dead = false;
	recording = true;
	power_countdown = countdown;
}

bool fault_power_failed(void)
{
	return dead;
}

static void put(int fd, const unsigned char *data, size_t n, off_t at)
{
	ck_assert_int_eq(pwrite(fd, data, n, at), (ssize_t)n);
}

static void undo(int fd, const struct change *c)
{
	ck_assert_int_eq(ftruncate(fd, c->old_size), 0);
	put(fd, c->old, c->old_bytes, c->offset);
}

/* Redoes a change wholly, for whole sectors of it, or not. */
static void redo(int fd, const struct change *c, unsigned chance)
{
	size_t n = c->new_bytes;

	if (chance % 4 == 0)
		return;
	if (c->truncates) {
		ck_assert_int_eq(ftruncate(fd, c->offset), 0);
		return;
	}
	if (chance % 4 == 1)
		n = n / 512 * (chance / 4 % 8) / 8 * 512;
	put(fd, c->new, n, c->offset);
}

void fault_power_settle(unsigned seed)
{
	struct change *forward = NULL;
	int fds[ROLES];
	char path[512];

	for (int r = 0; r < ROLES; r++) {
		test_path(names[r], path);
		fds[r] = open(path, O_RDWR | O_CLOEXEC);
	}
	while (changes) {
		struct change *c = changes;

		if (fds[c->role] >= 0)
			undo(fds[c->role], c);
		changes = c->older;
		c->older = forward;
		forward = c;
	}
	for (struct change *c = forward; c; c = c->older) {
		seed = seed * 1664525U + 1013904223U;
		if (fds[c->role] >= 0)
			redo(fds[c->role], c, seed >> 16);
	}
	changes = forward;
	drop_changes(ROLES, true);
	for (int r = 0; r < ROLES; r++) {
		if (fds[r] >= 0)
			close(fds[r]);
	}
	/* Shared memory does not outlive the machine. */
	test_path("facegate.db-shm", path);
	(void)unlink(path);
	recording = dead = false;
}
