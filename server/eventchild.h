/* The program that carries decisions to one receiver: facegate-webhook or
 * facegate-mqtt, a child process with a pipe each way. It has neither store
 * nor templates, and no library of its own is in the daemon. One line in is
 * one attempt, one line out is what became of it; senders/line.h has the
 * lines.
 *
 * Threads: all of it belongs to the thread of events.c. Memory: fixed, but for
 * the moment in which the configuration is written out. */
#ifndef FACEGATE_EVENTCHILD_H
#define FACEGATE_EVENTCHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

#define EVENTCHILD_LINE 256 /* bytes of an answer at most */

struct eventchild {
	pid_t pid;   /* 0: does not run */
	int in, out; /* its standard input and output; -1 without */
	size_t used;
	char line[EVENTCHILD_LINE];
};

enum eventchild_answer {
	EVENTCHILD_NOTHING, /* so far */
	EVENTCHILD_READY,
	EVENTCHILD_SENT,
	EVENTCHILD_FAILED, /* c->line says why */
	EVENTCHILD_GONE	   /* it ended, or talks nonsense; c->line says why */
};

/* Starts the program, which lies beside this one, and tells it the
 * configuration. */
enum status eventchild_start(struct eventchild *c, const char *program,
			     const struct config *cfg,
			     struct errinfo *err) MUST_CHECK;
/* Never waits; false when the child does not take it all. */
bool eventchild_send(struct eventchild *c, const char *text,
		     size_t n) MUST_CHECK;
/* The next answer; never waits. *number is what it speaks of. */
enum eventchild_answer eventchild_read(struct eventchild *c, int64_t *number);
/* Ends it within grace_ms, by force if need be. */
void eventchild_stop(struct eventchild *c, unsigned grace_ms);

#endif
