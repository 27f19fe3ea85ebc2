/* Times as the API writes and reads them: UTC, "2026-01-31T12:34:56.789Z". */
#ifndef FACEGATE_TIMETEXT_H
#define FACEGATE_TIMETEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TIMETEXT_BYTES 40

/* Unix milliseconds, from year 1970 on, as text. */
void timetext_print(int64_t ms, char out[TIMETEXT_BYTES]);
/* A time after RFC 3339 up to the year 9999, or whole Unix milliseconds. */
bool timetext_parse(const char *s, int64_t *ms);

#endif
