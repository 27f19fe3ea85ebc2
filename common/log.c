/* One line is put together on the stack and written with one call, so lines of
 * different threads never mix. The level is the only state. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static const char *const names[] = { "error", "warn", "info", "debug" };

static _Atomic int current = LOG_INFO;

bool log_level_named(const char *name, enum log_level *out)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

void log_open(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd < STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

void log_set_level(enum log_level level)
{
	atomic_store(&current, (int)level);
}

/* What snprintf says it wanted to write, cut to what fitted. */
static size_t written(int wanted, size_t room)
{
	if (wanted < 0)
		return 0;
	return (size_t)wanted < room ? (size_t)wanted : room - 1;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	const size_t room = LINE_BYTES - 1; /* the line feed has its place */
	char line[LINE_BYTES];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t n;
	ssize_t done;

	if ((int)level > atomic_load(&current))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
	n += written(snprintf(line + n, room - n, ".%03ldZ level=%s event=%s ",
			      now.tv_nsec / 1000000, names[level], event),
		     room - n);
	va_start(args, fmt);
	n += written(vsnprintf(line + n, room - n, fmt, args), room - n);
	va_end(args);
	/* A line feed inside a value would fake a second line. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	while (line[n - 1] == ' ')
		n--;
	line[n++] = '\n';
	do
		done = write(STDERR_FILENO, line, n);
	while (done < 0 && errno == EINTR);
	/* Any other failure: there is nowhere left to say it. */
}
