/* Keeps resident what the daemon works with, and no more. */
#ifndef FACEGATE_RESIDENT_H
#define FACEGATE_RESIDENT_H

/* Sets the C library's heap up to hand memory back. Before any thread exists
 * and before anything large is allocated. */
void resident_frugal_heap(void);

/* Unmaps the pages of the shared libraries that only the start has read: most
 * of what libraries bring is used once, to link and initialise them. A page
 * that is used again comes back from the file. Any thread. */
void resident_drop_libraries(void);

#endif
