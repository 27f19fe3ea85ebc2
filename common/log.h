/* Levelled key=value lines on stderr. No heap; one write per line, so lines
 * of different threads never mix. Never log templates, keys or pictures. */
#ifndef FACEGATE_LOG_H
#define FACEGATE_LOG_H

#include <stdbool.h>

#include "status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The level of a name: error, warn, info, debug. False when it is none. */
bool log_level_named(const char *name, enum log_level *out);

/* To be called first in main. A standard descriptor that is closed is opened on
 * nothing, so that no file or socket becomes it and gets what is said there. */
void log_open(void);

void log_set_level(enum log_level level);
/* event is a short stable word; fmt gives key=value pairs (quote free text
 * yourself). Control characters become spaces; lines over 1 KiB are cut. */
void log_line(enum log_level level, const char *event, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
