/* Overflow-checked size arithmetic: each returns true when the exact result
 * fits and was stored. */
#ifndef FACEGATE_CHECKED_H
#define FACEGATE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

static inline bool size_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline bool size_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

/* Rounds up to a multiple of align, a power of two. The caller has bounded
 * n well below SIZE_MAX. */
static inline size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

#endif
