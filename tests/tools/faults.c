/* Loaded into the daemon by LD_PRELOAD, for the tests over HTTP: while the file
 * $FAULTS/full exists, every write to a regular file fails as on a full disk;
 * the file $FAULTS/clock holds the seconds by which the wall clock is wrong. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int full(int fd)
{
	const char *folder = getenv("FAULTS");
	struct stat info;
	char path[512];

	if (!folder || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
		return 0;
	(void)snprintf(path, sizeof path, "%s/full", folder);
	if (access(path, F_OK) != 0)
		return 0;
	errno = ENOSPC;
	return 1;
}

/* dlsym gives a pointer to data; through a union it becomes one to a function.
 */
#define REAL(type, name)                                                       \
	union {                                                                \
		void *data;                                                    \
		type;                                                          \
	} real = { dlsym(RTLD_NEXT, name) }

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

static long clock_error(void)
{
	const char *folder = getenv("FAULTS");
	char path[512], text[32] = "0";
	int fd;

	if (!folder)
		return 0;
	(void)snprintf(path, sizeof path, "%s/clock", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t which, struct timespec *now)
{
	int rc = (int)syscall(SYS_clock_gettime, which, now);

	if (rc == 0 && which == CLOCK_REALTIME)
		now->tv_sec += clock_error();
	return rc;
}
