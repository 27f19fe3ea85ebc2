#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static _Atomic int current = LOG_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&current, (int)level);
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[LINE_MAX_BYTES];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t n;
	int w;

	if ((int)level > atomic_load(&current))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	w = snprintf(line + n, sizeof(line) - n, ".%03ldZ level=%s event=%s ",
		     now.tv_nsec / 1000000, names[level], event);
	n += (size_t)w;
	va_start(args, fmt);
	w = vsnprintf(line + n, sizeof(line) - n - 1, fmt, args);
	va_end(args);
	if (w > 0)
		n += (size_t)w < sizeof(line) - n - 1 ? (size_t)w
						      : sizeof(line) - n - 2;
	/* A line feed inside a value would fake a second line. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20)
			line[i] = ' ';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere left to say it */
}
