#include "mem/arena.h"

#include <assert.h>

#include "checked.h"

void arena_init(struct arena *a, void *base, size_t size)
{
	assert(((uintptr_t)base & (ARENA_ALIGN - 1)) == 0);
	a->base = base;
	a->size = size & ~(size_t)(ARENA_ALIGN - 1);
	a->head = 0;
	a->tail = 0;
	a->peak = 0;
}

size_t arena_room(const struct arena *a)
{
	return a->size - a->head - a->tail;
}

/* Rounds a request up to whole cache lines; 0 when it cannot fit. */
static size_t whole_lines(const struct arena *a, size_t bytes)
{
	if (bytes == 0)
		bytes = 1;
	if (bytes > arena_room(a))
		return 0;
	bytes = align_up(bytes, ARENA_ALIGN);
	return bytes > arena_room(a) ? 0 : bytes;
}

static void note_peak(struct arena *a)
{
	if (a->head + a->tail > a->peak)
		a->peak = a->head + a->tail;
}

void *arena_head(struct arena *a, size_t bytes)
{
	size_t n = whole_lines(a, bytes);
	void *p;

	if (n == 0)
		return NULL;
	p = a->base + a->head;
	a->head += n;
	note_peak(a);
	return p;
}

void *arena_tail(struct arena *a, size_t bytes)
{
	size_t n = whole_lines(a, bytes);

	if (n == 0)
		return NULL;
	a->tail += n;
	note_peak(a);
	return a->base + a->size - a->tail;
}

struct arena_mark arena_get_mark(const struct arena *a)
{
	return (struct arena_mark){ a->head, a->tail };
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	assert(mark.head <= a->head && mark.tail <= a->tail);
	a->head = mark.head;
	a->tail = mark.tail;
}

void arena_reset_peak(struct arena *a)
{
	a->peak = a->head + a->tail;
}
