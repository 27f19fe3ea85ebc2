#include "tzrule.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONES "/usr/share/zoneinfo/"
#define DAY_S 86400

/* ---- reading ---- */

static bool skip_name(const char **s)
{
	const char *p = *s;
	size_t n;

	if (*p == '<') {
		n = strspn(p + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+-");
		*s = p + n + 2;
		return n >= 1 && p[n + 1] == '>';
	}
	for (n = 0; isalpha((unsigned char)p[n]); n++)
		;
	*s = p + n;
	return n >= 3;
}

static bool number(const char **s, int max, int *out)
{
	char *end;
	long v;

	if (!isdigit((unsigned char)**s))
		return false;
	v = strtol(*s, &end, 10);
	if (end - *s > 4 || v > max)
		return false;
	*s = end;
	*out = (int)v;
	return true;
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(const char **s, int hours_max, int *out)
{
	bool minus = **s == '-';
	int h, m = 0, sec = 0;

	if (**s == '-' || **s == '+')
		++*s;
	if (!number(s, hours_max, &h))
		return false;
	if (**s == ':') {
		++*s;
		if (!number(s, 59, &m))
			return false;
		if (**s == ':') {
			++*s;
			if (!number(s, 59, &sec))
				return false;
		}
	}
	*out = (minus ? -1 : 1) * (3600 * h + 60 * m + sec);
	return true;
}

static bool expect(const char **s, char c)
{
	return *(*s)++ == c;
}

static bool read_change(const char **s, struct tzrule_change *c)
{
	memset(c, 0, sizeof(*c));
	c->time_s = 2 * 3600;
	if (!expect(s, ','))
		return false;
	if (**s == 'M') {
		c->kind = 'M';
		++*s;
		if (!number(s, 12, &c->month) || !expect(s, '.') ||
		    !number(s, 5, &c->week) || !expect(s, '.') ||
		    !number(s, 6, &c->day) || c->month < 1 || c->week < 1)
			return false;
	} else if (**s == 'J') {
		c->kind = 'J';
		++*s;
		if (!number(s, 365, &c->day) || c->day < 1)
			return false;
	} else {
		c->kind = 'D';
		if (!number(s, 365, &c->day))
			return false;
	}
	if (**s != '/')
		return true;
	++*s;
	return clock_time(s, 167, &c->time_s);
}

bool tzrule_parse(const char *text, struct tzrule *out)
{
	const char *s = text;
	int west;

	memset(out, 0, sizeof(*out));
	if (!skip_name(&s) || !clock_time(&s, 24, &west))
		return false;
	out->std_s = -west;
	out->dst_s = out->std_s + 3600;
	if (*s == '\0')
		return true;
	out->changes = true;
	if (!skip_name(&s))
		return false;
	if (*s != ',') {
		if (!clock_time(&s, 24, &west))
			return false;
		out->dst_s = -west;
	}
	return read_change(&s, &out->begin) && read_change(&s, &out->end) &&
	       *s == '\0';
}

/* A zone's file ends with its present rule between two line feeds. */
static bool read_footer(const char *zone, char *rule, size_t cap)
{
	char path[128], tail[128], magic[4];
	FILE *f = NULL;
	char *first, *last = NULL;
	size_t n;

	if (zone[0] == '/' || strstr(zone, "..") != NULL ||
	    zone[strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789_+-/")] !=
		    '\0' ||
	    snprintf(path, sizeof(path), ZONES "%s", zone) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fread(magic, 1, 4, f) != 4 || memcmp(magic, "TZif", 4) != 0 ||
	    (fseek(f, -(long)sizeof(tail), SEEK_END) != 0 &&
	     fseek(f, 0, SEEK_SET) != 0))
		goto done;
	n = fread(tail, 1, sizeof(tail), f);
	if (n < 2 || tail[n - 1] != '\n')
		goto done;
	tail[n - 1] = '\0';
	first = memrchr(tail, '\n', n - 1);
	if (first != NULL && strlen(first + 1) < cap)
		last = memcpy(rule, first + 1, strlen(first + 1) + 1);
done:
	fclose(f);
	return last != NULL;
}

bool tzrule_load(const char *zone, struct tzrule *out)
{
	char rule[128];

	if (strcmp(zone, "UTC") == 0)
		return tzrule_parse("UTC0", out);
	if (read_footer(zone, rule, sizeof(rule)))
		return tzrule_parse(rule, out);
	return tzrule_parse(zone, out);
}

/* ---- reckoning ---- */

static bool leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1 January 1970 to 1 January of a year from 1970 on. */
static int64_t days_before(int64_t year)
{
	int64_t y = year - 1;

	return 365 * (year - 1970) + (y / 4 - 492) - (y / 100 - 19) +
	       (y / 400 - 4);
}

static int month_days(int month, int64_t year)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap(year));
}

/* The change's moment in seconds of local time since 1970. */
static int64_t moment(const struct tzrule_change *c, int64_t year)
{
	int64_t day = days_before(year);
	int64_t first;

	switch (c->kind) {
	case 'J':
		day += c->day - 1 + (leap(year) && c->day >= 60);
		break;
	case 'M':
		for (int m = 1; m < c->month; m++)
			day += month_days(m, year);
		/* 1 January 1970 was a Thursday, day 4. */
		first = (c->day - (day + 4) % 7 + 7) % 7;
		first += 7 * (c->week - 1);
		while (first >= month_days(c->month, year))
			first -= 7;
		day += first;
		break;
	default:
		day += c->day;
	}
	return day * DAY_S + c->time_s;
}

static int64_t year_of(int64_t local_s)
{
	int64_t year = 1970 + local_s / (366 * DAY_S);

	while (days_before(year + 1) * DAY_S <= local_s)
		year++;
	return year;
}

int tzrule_offset(const struct tzrule *r, int64_t unix_s)
{
	int64_t year, begin, end;
	bool dst;

	if (!r->changes)
		return r->std_s;
	year = year_of(unix_s + r->std_s);
	begin = moment(&r->begin, year) - r->std_s;
	end = moment(&r->end, year) - r->dst_s;
	if (begin < end)
		dst = unix_s >= begin && unix_s < end;
	else
		dst = unix_s >= begin || unix_s < end;
	return dst ? r->dst_s : r->std_s;
}
