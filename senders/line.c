#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *line_next(struct line_reader *r)
{
	char *end;

	memmove(r->text, r->text + r->taken, r->used - r->taken);
	r->used -= r->taken;
	r->taken = 0;
	end = memchr(r->text, '\n', r->used);
	if (end == NULL)
		return NULL;
	*end = '\0';
	r->taken = (size_t)(end - r->text) + 1;
	return r->text;
}

bool line_fill(struct line_reader *r)
{
	ssize_t n;

	do
		n = read(STDIN_FILENO, r->text + r->used,
			 sizeof(r->text) - r->used);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		r->used += (size_t)n;
	return n > 0;
}

enum status line_config(struct line_reader *r, struct config *cfg,
			struct errinfo *err)
{
	enum status st = ST_OK;

	cfg_defaults(cfg);
	while (st == ST_OK) {
		char *line = line_next(r), *value;

		if (line == NULL) {
			if (!line_fill(r))
				return err_set(err, ST_BAD_CONFIG,
					       "the configuration breaks off; "
					       "facegated starts this program");
			continue;
		}
		if (*line == '\0')
			break;
		value = strstr(line, " = ");
		if (value == NULL)
			return err_set(err, ST_BAD_CONFIG,
				       "a line is not of the form key = value");
		*value = '\0';
		st = cfg_set(cfg, line, value + 3, err);
	}
	return st;
}

static char *cut(char **rest)
{
	char *word = *rest, *space = word ? strchr(word, ' ') : NULL;

	*rest = space ? space + 1 : NULL;
	if (space != NULL)
		*space = '\0';
	return word;
}

bool line_event(char *line, struct line_event *ev)
{
	char *rest = line;
	const char *expires;

	ev->seq = cut(&rest);
	expires = cut(&rest);
	ev->door = cut(&rest);
	ev->body = rest;
	if (rest == NULL)
		return false;
	ev->expires_ms = strtoll(expires, NULL, 10);
	return true;
}

int64_t line_left_ms(const struct line_event *ev)
{
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_REALTIME, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	return ev->expires_ms > now ? ev->expires_ms - now : 0;
}

void line_answer(const char *word, const char *text)
{
	char line[240];
	int n = snprintf(line, sizeof(line), "%s%s%.200s\n", word,
			 *text ? " " : "", text);

	for (char *c = line; c < line + n - 1; c++)
		if ((unsigned char)*c < ' ' || *c == '"')
			*c = ' ';
	/* A daemon that is gone shows at the end of the input. */
	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		return;
}
