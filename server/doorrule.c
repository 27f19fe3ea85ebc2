#include "doorrule.h"

#include <stdio.h>
#include <string.h>

#include "docvalue.h"
#include "log.h"
#include "tzrule.h"

#define WINDOWS_MAX 16
#define DAY_S	    86400

/* The day's number, from Sunday; -1 for none. */
static int day_number(const char *word)
{
	static const char *const days[] = { "sun", "mon", "tue", "wed",
					    "thu", "fri", "sat" };

	for (int i = 0; word != NULL && i < 7; i++)
		if (strcmp(days[i], word) == 0)
			return i;
	return -1;
}

/* Minutes after midnight of "HH:MM", up to 24:00; -1 for anything else. */
static int minutes(const json_t *text)
{
	const char *s = json_string_value(text);
	int h, m;

	if (s == NULL || strlen(s) != 5 ||
	    s[strspn(s, "0123456789:")] != '\0' || s[2] != ':' ||
	    sscanf(s, "%2d:%2d", &h, &m) != 2 || m > 59 || 60 * h + m > 1440)
		return -1;
	return 60 * h + m;
}

struct window {
	unsigned days; /* bit 0: Sunday */
	int from, to;  /* minutes; to <= from: over midnight */
};

static bool read_window(const json_t *o, struct window *w)
{
	const json_t *days = json_object_get(o, "days");

	w->days = 0;
	w->from = minutes(json_object_get(o, "from"));
	w->to = minutes(json_object_get(o, "to"));
	for (size_t i = 0; i < json_array_size(days); i++) {
		int day = day_number(
			json_string_value(json_array_get(days, i)));

		if (day < 0)
			return false;
		w->days |= 1u << day;
	}
	return w->days != 0 && w->from >= 0 && w->to >= 0 && w->from != w->to &&
	       w->from < 1440 && w->to > 0 && json_object_size(o) == 3;
}

const char *doorrule_windows_fault(const json_t *list)
{
	struct window w;

	if (!json_is_array(list) || json_array_size(list) > WINDOWS_MAX)
		return "windows must be a list of at most 16";
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!read_window(json_array_get(list, i), &w))
			return "a window is {\"days\": [\"mon\", ...], "
			       "\"from\": \"08:00\", \"to\": \"18:00\"}; from "
			       "ends at 23:59, to begins at 00:01, and the two "
			       "must differ";
	return NULL;
}

/* day: the weekday, at: minutes after its midnight. */
static bool within(const struct window *w, int day, int at)
{
	int before = (day + 6) % 7;

	if (w->to > w->from)
		return (w->days >> day & 1) && at >= w->from && at < w->to;
	return ((w->days >> day & 1) && at >= w->from) ||
	       ((w->days >> before & 1) && at < w->to);
}

bool doorrule_open(const struct db_door *d, int64_t now_ms)
{
	json_t *list = json_loads(d->windows, 0, NULL);
	int64_t now_s = now_ms / 1000, local;
	struct tzrule zone;
	bool open = json_is_array(list) && json_array_size(list) == 0;

	if (open || !json_is_array(list))
		goto done;
	if (!tzrule_load(d->timezone, &zone)) {
		log_line(LOG_ERROR, "no_timezone",
			 "door_id=\"%s\" timezone=\"%s\"", d->id, d->timezone);
		goto done;
	}
	local = now_s + tzrule_offset(&zone, now_s);
	for (size_t i = 0; i < json_array_size(list) && !open; i++) {
		struct window w;

		/* 1 January 1970 was a Thursday, day 4. */
		open = read_window(json_array_get(list, i), &w) &&
		       within(&w, (int)((local / DAY_S + 4) % 7),
			      (int)(local % DAY_S / 60));
	}
done:
	json_decref(list);
	return open;
}

const char *doorrule_refusal(const struct db_person *p,
			     const struct db_door *door, int64_t now_ms)
{
	if (now_ms < p->valid_from_ms ||
	    (p->valid_until_ms != 0 && now_ms >= p->valid_until_ms))
		return "person_expired";
	if (door == NULL)
		return NULL;
	if (door->groups[0] != '\0' &&
	    !docvalue_groups_meet(door->groups, p->groups))
		return "not_in_group";
	return doorrule_open(door, now_ms) ? NULL : "outside_schedule";
}
