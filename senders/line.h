/* How the daemon and a sender talk: lines on the sender's standard input and
 * output (server/eventchild.h is the other end).
 *
 * In: the configuration as `key = value` lines, ended by an empty one; then a
 * line for each attempt: SEQ EXPIRES DOOR BODY, separated by one space. SEQ is
 * the decision's number, EXPIRES Unix milliseconds after which it must not
 * arrive any more, DOOR "/" for none, BODY its JSON.
 * Out: `ready` once attempts are taken; `sent SEQ` or `failed WHY` for each;
 * `ended WHY` before leaving because of a failure.
 *
 * The end of the input asks the sender to leave. Memory is fixed. */
#ifndef FACEGATE_LINE_H
#define FACEGATE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct line_reader { /* all zero to begin with */
	size_t used, taken;
	char text[4096];
};

/* The next line that has come whole, ended by NUL and good until the next
 * call; NULL when line_fill must bring more. */
char *line_next(struct line_reader *r);
/* Reads what is there, waiting for at least a byte. False at the end of the
 * input, or when a line is too long to be one. */
bool line_fill(struct line_reader *r);

/* Reads the lines of the configuration, waiting for them. */
enum status line_config(struct line_reader *r, struct config *cfg,
			struct errinfo *err) MUST_CHECK;

struct line_event {
	const char *seq, *door, *body; /* in the line */
	int64_t expires_ms;
};
bool line_event(char *line, struct line_event *ev);
/* Milliseconds until it expires; 0 when it has. */
int64_t line_left_ms(const struct line_event *ev);

/* Writes one line of an answer; text beyond 200 bytes is cut. */
void line_answer(const char *word, const char *text);

#endif
