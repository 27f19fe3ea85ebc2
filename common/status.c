/* The texts of the status codes and the recording of error details. Holds no
 * state: the caller owns every struct errinfo. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

/* What status.h tells analysers instead. */
#undef err_set
#undef err_limit

static const char *const codes[STATUS_COUNT] = {
#define X(name, code, title) code,
	STATUS_LIST(X)
#undef X
};

static const char *const titles[STATUS_COUNT] = {
#define X(name, code, title) title,
	STATUS_LIST(X)
#undef X
};

const char *status_code(enum status st)
{
	return (unsigned)st < STATUS_COUNT ? codes[st] : codes[ST_INTERNAL];
}

const char *status_title(enum status st)
{
	return (unsigned)st < STATUS_COUNT ? titles[st] : titles[ST_INTERNAL];
}

void err_clear(struct errinfo *err)
{
	err->status = ST_OK;
	err->text[0] = '\0';
	err->limit = ERR_NO_NUMBER;
	err->found = ERR_NO_NUMBER;
}

static void record(struct errinfo *err, enum status st, int64_t limit,
		   int64_t found, const char *fmt, va_list args)
{
	if (err == NULL || err->status != ST_OK)
		return;
	err->status = st;
	err->limit = limit;
	err->found = found;
	vsnprintf(err->text, sizeof(err->text), fmt, args);
}

enum status err_set(struct errinfo *err, enum status st, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	record(err, st, ERR_NO_NUMBER, ERR_NO_NUMBER, fmt, args);
	va_end(args);
	return st;
}

enum status err_limit(struct errinfo *err, enum status st, int64_t limit,
		      int64_t found, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	record(err, st, limit, found, fmt, args);
	va_end(args);
	return st;
}
