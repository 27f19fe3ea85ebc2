#include "timetext.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIME_MAX_MS 253402300799999 /* the end of the year 9999 */

void timetext_print(int64_t ms, char out[TIMETEXT_BYTES])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, TIMETEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIMETEXT_BYTES - n, ".%03dZ", (int)(ms % 1000));
}

/* Whether s begins as the pattern, in which 0 stands for any digit; letters'
 * case apart. */
static bool begins(const char *s, const char *pattern)
{
	for (; *pattern != '\0'; s++, pattern++)
		if (*pattern == '0' ? !isdigit((unsigned char)*s)
				    : toupper((unsigned char)*s) != *pattern)
			return false;
	return true;
}

/* Two digits as a number. */
static int two(const char *s)
{
	return (s[0] - '0') * 10 + s[1] - '0';
}

/* From the end of the seconds on: a fraction, if there is one, and the zone. */
static bool parse_tail(const char *s, int64_t *ms)
{
	int unit = 100, minutes;

	if (begins(s, ".0"))
		for (s++; isdigit((unsigned char)*s); s++, unit /= 10)
			*ms += (*s - '0') * unit;
	if (begins(s, "Z"))
		return s[1] == '\0';
	if ((*s != '+' && *s != '-') || !begins(s + 1, "00:00") ||
	    s[6] != '\0' || two(s + 1) > 23 || two(s + 4) > 59)
		return false;
	minutes = two(s + 1) * 60 + two(s + 4);
	*ms -= (int64_t)(*s == '-' ? -minutes : minutes) * 60000;
	return true;
}

bool timetext_parse(const char *s, int64_t *ms)
{
	struct tm tm = { 0 };
	char *end;

	*ms = strtoll(s, &end, 10);
	if (isdigit((unsigned char)*s) && *end == '\0' && strlen(s) <= 18)
		return true;
	if (!begins(s, "0000-00-00T00:00:00"))
		return false;
	tm.tm_year = two(s) * 100 + two(s + 2) - 1900;
	tm.tm_mon = two(s + 5) - 1;
	tm.tm_mday = two(s + 8);
	if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1)
		return false;
	timegm(&tm);
	if (tm.tm_mday != two(s + 8))
		return false; /* 31 February, say */
	tm.tm_hour = two(s + 11);
	tm.tm_min = two(s + 14);
	tm.tm_sec = two(s + 17);
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	*ms = (int64_t)timegm(&tm) * 1000;
	return parse_tail(s + 19, ms) && *ms >= 0 && *ms <= TIME_MAX_MS;
}
