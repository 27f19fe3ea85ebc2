/* A fixed block handed out from both ends.
 *
 * Long-lived things of a request (the working picture) grow from the head,
 * temporaries (decoder state, scratch) from the tail, so neither has to know
 * the other's size. Release is by mark only: take a mark, allocate, go back.
 * Memory: the block is the caller's. Threads: one at a time.
 */
#ifndef FACEGATE_ARENA_H
#define FACEGATE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGN 64 /* every block starts on a cache line */

struct arena {
	uint8_t *base; /* ARENA_ALIGN aligned */
	size_t size;
	size_t head; /* bytes taken from the bottom */
	size_t tail; /* bytes taken from the top */
	size_t peak; /* highest head + tail since arena_reset_peak */
};

struct arena_mark {
	size_t head, tail;
};

void arena_init(struct arena *a, void *base, size_t size);

/* Zero bytes of alignment waste beyond ARENA_ALIGN; NULL when it does not
 * fit. The memory is not cleared. */
void *arena_head(struct arena *a, size_t bytes);
void *arena_tail(struct arena *a, size_t bytes);

/* Bytes that one more arena_head or arena_tail call could get. */
size_t arena_room(const struct arena *a);

struct arena_mark arena_get_mark(const struct arena *a);
void arena_release(struct arena *a, struct arena_mark mark);
void arena_reset_peak(struct arena *a);

#endif
