#include "progress.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "engine_setup.h"

#define BAR_CELLS   30
#define INTERVAL_US 200000

/* Time as 1:02:03, 2:03 or 3 s. */
static void format_time(char *out, size_t cap, double seconds)
{
	unsigned long s = seconds < 1e9 ? (unsigned long)(seconds + 0.5)
					: 1000000000ul;

	if (s >= 3600)
		snprintf(out, cap, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60,
			 s % 60);
	else if (s >= 60)
		snprintf(out, cap, "%lu:%02lu", s / 60, s % 60);
	else
		snprintf(out, cap, "%lu s", s);
}

void progress_format(char *out, size_t cap, const char *what, uint64_t done,
		     uint64_t total, double seconds)
{
	double share = total ? (double)done / (double)total : 1.0;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	char bar[BAR_CELLS + 1], left[32] = "?";
	size_t full;

	if (share > 1.0)
		share = 1.0;
	full = (size_t)(share * BAR_CELLS);
	memset(bar, '#', full);
	memset(bar + full, '.', BAR_CELLS - full);
	bar[BAR_CELLS] = '\0';
	if (done >= total)
		format_time(left, sizeof(left), 0);
	else if (rate > 0)
		format_time(left, sizeof(left), (double)(total - done) / rate);
	snprintf(out, cap, "%s [%s] %3.0f %%  %.*f/s  %s left", what, bar,
		 100.0 * share, rate < 100 ? 1 : 0, rate, left);
}

static void draw(struct progress *p, uint64_t done, const char *end)
{
	char line[160];
	uint64_t now = srv_now_us();

	progress_format(line, sizeof(line), p->what, done, p->total,
			(double)(now - p->start_us) / 1e6);
	/* To the line's start, and what the last drawing left is erased. */
	fprintf(stderr, "\r%s\033[K%s", line, end);
	fflush(stderr);
	p->shown_us = now;
}

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	p->what = what;
	p->total = total;
	p->start_us = srv_now_us();
	p->shown_us = p->start_us;
	p->visible = cli_on_terminal();
}

void progress_at(struct progress *p, uint64_t done)
{
	if (p->visible && srv_now_us() - p->shown_us >= INTERVAL_US)
		draw(p, done, "");
}

void progress_clear(const struct progress *p)
{
	if (p->visible)
		fputs("\r\033[K", stderr);
}

void progress_end(struct progress *p, uint64_t done)
{
	if (p->visible)
		draw(p, done, "\n");
}
