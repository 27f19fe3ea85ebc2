/* Time zones without the C library's: localtime looks at one zone for the
 * whole process, and other threads must not change it. A zone is its present
 * rule, as POSIX writes it in TZ; times long ago are not asked for.
 * No heap, no state; safe from any thread. */
#ifndef FACEGATE_TZRULE_H
#define FACEGATE_TZRULE_H

#include <stdbool.h>
#include <stdint.h>

struct tzrule_change {
	char kind; /* 'J', 'M', or 'D': days from 0, with 29 February */
	int month, week, day; /* day alone for J and D */
	int time_s;	      /* after midnight of that day; may be negative */
};

struct tzrule {
	int std_s, dst_s; /* east of UTC */
	bool changes;
	struct tzrule_change begin, end; /* of daylight saving time */
};

/* Reads a rule such as "CET-1CEST,M3.5.0,M10.5.0/3". */
bool tzrule_parse(const char *text, struct tzrule *out);

/* The same for "UTC", a zone of the machine's time zone database such as
 * "Europe/Berlin", or a rule. */
bool tzrule_load(const char *zone, struct tzrule *out);

/* Seconds to add to a Unix time for the local time. */
int tzrule_offset(const struct tzrule *r, int64_t unix_s);

#endif
