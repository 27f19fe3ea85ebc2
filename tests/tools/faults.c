/* Loaded into the daemon by LD_PRELOAD, for the tests over HTTP: while the file
 * $FAULTS/full exists, every write to a regular file fails as on a full disk,
 * and while $FAULTS/readonly does, as on one that has become read-only, where
 * no file can be opened for writing either; the file $FAULTS/clock holds the
 * seconds by which the wall clock is wrong. Who finds $FAULTS/hang takes it
 * away and decodes no picture before $FAULTS/go exists; who finds $FAULTS/match
 * decodes and then, when it first asks what time it is, takes it away and waits
 * for $FAULTS/go: that is when the face has been compared and nothing logged.
 * While $FAULTS/black exists pictures are black, and while $FAULTS/silent does
 * the network thread stands still. While $FAULTS/slow exists each sync takes a
 * second. While there is a folder $FAULTS/synced, a sync writes nothing to the
 * disk but a copy of the file as it then is into that folder, named by the
 * file's inode: what a power cut right after it would leave. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <jpeglib.h>

static const char *path_of(const char *name, char path[512])
{
	const char *folder = getenv("FAULTS");

	(void)snprintf(path, 512, "%s/%s", folder ? folder : "", name);
	return path;
}

static int there(const char *name)
{
	char path[512];

	return getenv("FAULTS") && access(path_of(name, path), F_OK) == 0;
}

static void rest(void)
{
	const struct timespec tick = { 0, 10000000 };

	(void)nanosleep(&tick, NULL);
}

static int full(int fd)
{
	struct stat info;

	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
		return 0;
	errno = there("full") ? ENOSPC : there("readonly") ? EROFS : 0;
	return errno != 0;
}

/* dlsym gives a pointer to data; through a union it becomes one to a function.
 */
#define REAL(type, name)                                                       \
	union {                                                                \
		void *data;                                                    \
		type;                                                          \
	} real = { dlsym(RTLD_NEXT, name) }

/* Whether the copy was made; whole or not at all, also when the process is
 * killed meanwhile. Read by the same descriptor: closing another one of the
 * same file would drop SQLite's locks. */
static int keep_synced(int fd)
{
	char name[560], part[600], buf[65536], folder[512];
	struct stat info;
	off64_t at = 0;
	ssize_t n;
	int out;

	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
	    !there("synced") || pread64(fd, buf, 1, 0) < 0)
		return 0;
	(void)snprintf(name, sizeof name, "%s/%llu", path_of("synced", folder),
		       (unsigned long long)info.st_ino);
	(void)snprintf(part, sizeof part, "%s.new", name);
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		abort();
	for (; (n = pread64(fd, buf, sizeof buf, at)) > 0; at += n)
		if (syscall(SYS_write, out, buf, n) != n)
			abort();
	if (n < 0 || rename(part, name) != 0)
		abort();
	close(out);
	return 1;
}

static void be_slow(void)
{
	const struct timespec second = { 1, 0 };

	if (there("slow"))
		(void)nanosleep(&second, NULL);
}

int fsync(int fd)
{
	be_slow();
	return keep_synced(fd) ? 0 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	be_slow();
	return keep_synced(fd) ? 0 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t write(int fd, const void *buf, size_t n)
{
	REAL(ssize_t(*call)(int, const void *, size_t), "write");

	return full(fd) ? -1 : real.call(fd, buf, n);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
	REAL(ssize_t(*call)(int, const void *, size_t, off_t), "pwrite64");

	return full(fd) ? -1 : real.call(fd, buf, n, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t n, off64_t at)
{
	REAL(ssize_t(*call)(int, const void *, size_t, off64_t), "pwrite64");

	return full(fd) ? -1 : real.call(fd, buf, n, at);
}

/* Devices are on no disk; a program built for coverage leaves its counts. */
int open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) &&
	    strncmp(path, "/dev/", 5) != 0 && strstr(path, ".gcda") == NULL &&
	    there("readonly")) {
		errno = EROFS;
		return -1;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int statvfs64(const char *path, struct statvfs64 *info)
{
	REAL(int (*call)(const char *, struct statvfs64 *), "statvfs64");
	int rc = real.call(path, info);

	if (rc == 0 && there("readonly"))
		info->f_flag |= ST_RDONLY;
	return rc;
}

static long clock_error(void)
{
	char path[512], text[32] = "0";
	int fd;

	if (!getenv("FAULTS"))
		return 0;
	fd = open(path_of("clock", path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, 10);
}

static _Thread_local int waits_for_match;

int clock_gettime(clockid_t which, struct timespec *now)
{
	char path[512];
	int rc;

	if (which == CLOCK_REALTIME && waits_for_match) {
		waits_for_match = 0;
		(void)unlink(path_of("match", path));
		while (!there("go"))
			rest();
	}
	rc = (int)syscall(SYS_clock_gettime, which, now);
	if (rc == 0 && which == CLOCK_REALTIME)
		now->tv_sec += clock_error();
	return rc;
}

boolean jpeg_start_decompress(j_decompress_ptr info)
{
	REAL(boolean(*call)(j_decompress_ptr), "jpeg_start_decompress");
	char path[512];

	if (there("hang") && unlink(path_of("hang", path)) == 0)
		while (!there("go"))
			rest();
	waits_for_match = there("match");
	return real.call(info);
}

JDIMENSION jpeg_read_scanlines(j_decompress_ptr info, JSAMPARRAY rows,
			       JDIMENSION most)
{
	REAL(JDIMENSION(*call)(j_decompress_ptr, JSAMPARRAY, JDIMENSION),
	     "jpeg_read_scanlines");
	JDIMENSION n = real.call(info, rows, most);

	if (there("black"))
		for (JDIMENSION i = 0; i < n; i++)
			memset(rows[i], 0,
			       (size_t)info->output_width *
				       (size_t)info->output_components);
	return n;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int ms)
{
	REAL(int (*call)(int, struct epoll_event *, int, int), "epoll_wait");

	while (there("silent"))
		rest();
	return real.call(fd, events, most, ms);
}
