/* A memory manager for libjpeg that serves everything from an arena.
 *
 * libjpeg reaches memory only through the function pointers of its
 * jpeg_memory_mgr. Once a decoder exists they are replaced by these: what
 * libjpeg calls permanent (quantisation and Huffman tables, allocated at most
 * once each) comes from a small fixed block, everything else from the arena's
 * tail. Running out is JERR_OUT_OF_MEMORY. Threads: one at a time.
 */
#ifndef FACEGATE_JMEM_H
#define FACEGATE_JMEM_H

#include <stdio.h>

#include <jpeglib.h>

#include "mem/arena.h"

/* Four quantisation and eight Huffman tables take 3,328. A multiple of 64. */
#define JMEM_PERMANENT_BYTES 4096
#define JMEM_VIRTUAL_MAX     16

/* A "virtual" array, which here is always whole in memory. */
struct jmem_array {
	void **rows; /* JSAMPARRAY or JBLOCKARRAY; NULL until realised */
	size_t row_bytes;
	JDIMENSION row_count;
	boolean pre_zero;
};

struct jmem {
	struct jpeg_memory_mgr mgr; /* first: libjpeg holds a pointer to it */
	struct arena *pool;	    /* NULL between pictures */
	struct arena_mark mark;
	struct jmem_array arrays[JMEM_VIRTUAL_MAX];
	size_t array_count;
	size_t permanent_used;
	_Alignas(64) uint8_t permanent[JMEM_PERMANENT_BYTES];
};

void jmem_init(struct jmem *m);
/* The next picture's memory comes from the tail of pool. Whoever calls this
 * has dropped all pointers to permanent memory. */
void jmem_begin(struct jmem *m, struct arena *pool);
/* Gives it all back. */
void jmem_end(struct jmem *m);

#endif
