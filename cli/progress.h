/* A progress bar with rate and time left on stderr; nothing at all where
 * stderr is not a terminal. One thread. */
#ifndef FACEGATE_PROGRESS_H
#define FACEGATE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	const char *what;
	uint64_t start_us, shown_us;
	uint64_t total;
	bool visible;
};

void progress_begin(struct progress *p, const char *what, uint64_t total);
/* Draws at most a few times a second: call it as often as you like. */
void progress_at(struct progress *p, uint64_t done);
/* Before something else is written to stderr. */
void progress_clear(const struct progress *p);
/* Draws the last state and ends the line. */
void progress_end(struct progress *p, uint64_t done);

/* The bar as text, without control characters. */
void progress_format(char *out, size_t cap, const char *what, uint64_t done,
		     uint64_t total, double seconds);

#endif
