#include "timetext.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void timetext_print(int64_t ms, char out[TIMETEXT_BYTES])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, TIMETEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, TIMETEXT_BYTES - n, ".%03dZ", (int)(ms % 1000));
}

bool timetext_parse(const char *s, int64_t *ms)
{
	struct tm tm = { 0 };
	int n = 0, y, mo, d, h, mi, sec, frac = 0;
	char *end;

	if (strlen(s) > 32 || s[strspn(s, "0123456789-:.TZ")] != '\0')
		return false;
	*ms = strtoll(s, &end, 10);
	if (isdigit((unsigned char)*s) && *end == '\0' && strlen(s) <= 18)
		return true;
	if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &y, &mo, &d, &h, &mi, &sec,
		   &n) != 6 ||
	    mo < 1 || mo > 12 || d < 1 || d > 31 || h < 0 || h > 23 || mi < 0 ||
	    mi > 59 || sec < 0 || sec > 60 || y < 1970)
		return false;
	s += n;
	if (*s == '.') {
		if (sscanf(s, ".%3d%n", &frac, &n) != 1 || frac < 0)
			return false;
		for (int digits = n - 1; digits < 3; digits++)
			frac *= 10;
		s += n;
	}
	if (strcmp(s, "Z") != 0)
		return false;
	tm.tm_year = y - 1900;
	tm.tm_mon = mo - 1;
	tm.tm_mday = d;
	timegm(&tm);
	if (tm.tm_mday != d)
		return false; /* 31 February, say */
	tm.tm_hour = h;
	tm.tm_min = mi;
	tm.tm_sec = sec;
	*ms = (int64_t)timegm(&tm) * 1000 + frac;
	return true;
}
