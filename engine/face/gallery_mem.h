/* The gallery's memory, for the engine that gives it. */
#ifndef FACEGATE_GALLERY_MEM_H
#define FACEGATE_GALLERY_MEM_H

#include "gallery.h"
#include "nn/kernels.h"

size_t gallery_bytes(size_t capacity);
/* mem is ARENA_ALIGN aligned and gallery_bytes(capacity) long. */
struct gallery *gallery_open(void *mem, size_t capacity,
			     const struct k_table *k);
void gallery_close(struct gallery *g);

#endif
