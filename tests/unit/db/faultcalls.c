/* See faultcalls.h. */
#include "faultcalls.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dbtest.h"
#include "faultvfs.h"

/* The names that the linker looks for. They need a declaration of their own:
 * __real_X is what X is without the option --wrap=X. */
#define WRAPPED(type, name, ...)                                               \
	type __real_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__)

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, ...);

static sqlite3_mem_methods real_memory;

static bool refused(enum fault_kind kind)
{
	if (!fault_fails(kind))
		return false;
	if (kind == FAULT_MEMORY)
		errno = ENOMEM;
	else
		errno = fault_plan.code == SQLITE_FULL ? ENOSPC : EIO;
	return true;
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list more;

	va_start(more, flags);
	if (flags & O_CREAT)
		mode = va_arg(more, mode_t);
	va_end(more);
	return refused(FAULT_OPEN) ? -1 : __real_open64(path, flags, mode);
}

WRAPPED(ssize_t, read, int fd, void *buf, size_t n)
{
	return refused(FAULT_READ) ? -1 : __real_read(fd, buf, n);
}

WRAPPED(ssize_t, write, int fd, const void *buf, size_t n)
{
	return refused(FAULT_WRITE) ? -1 : __real_write(fd, buf, n);
}

/* As in faultvfs.c, the real sync is left out. */
WRAPPED(int, fsync, int fd)
{
	return refused(FAULT_SYNC) ? -1 : fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

WRAPPED(int, ftruncate64, int fd, off_t size)
{
	return refused(FAULT_TRUNCATE) ? -1 : __real_ftruncate64(fd, size);
}

WRAPPED(int, rename, const char *from, const char *to)
{
	return refused(FAULT_FOLDER) ? -1 : __real_rename(from, to);
}

WRAPPED(int, unlink, const char *path)
{
	return refused(FAULT_FOLDER) ? -1 : __real_unlink(path);
}

WRAPPED(void *, calloc, size_t n, size_t size)
{
	return refused(FAULT_MEMORY) ? NULL : __real_calloc(n, size);
}

WRAPPED(char *, strdup, const char *text)
{
	return refused(FAULT_MEMORY) ? NULL : __real_strdup(text);
}

WRAPPED(void *, sodium_malloc, size_t n)
{
	return refused(FAULT_MEMORY) ? NULL : __real_sodium_malloc(n);
}

static void *faulty_malloc(int n)
{
	return fault_fails(FAULT_MEMORY) ? NULL : real_memory.xMalloc(n);
}

static void *faulty_realloc(void *p, int n)
{
	return fault_fails(FAULT_MEMORY) ? NULL : real_memory.xRealloc(p, n);
}

void fault_memory_install(void)
{
	sqlite3_mem_methods m;

	db_close(test_open());
	sqlite3_shutdown();
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory),
			 SQLITE_OK);
	m = real_memory;
	m.xMalloc = faulty_malloc;
	m.xRealloc = faulty_realloc;
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &m), SQLITE_OK);
}

void fault_memory_remove(void)
{
	sqlite3_shutdown();
	ck_assert_int_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &real_memory),
			 SQLITE_OK);
}
