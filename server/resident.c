#include "resident.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server.h"

#define HEADERS_MAX 32

void resident_frugal_heap(void)
{
#ifdef __GLIBC__
	/* One heap for all threads: separate ones only hold on to memory. */
	mallopt(M_ARENA_MAX, 1);
	/* The buffer of each connection, which is so large, on pages of its
	 * own that go with it, and little taken in advance: a heap that was
	 * once large would stay so. */
	mallopt(M_MMAP_THRESHOLD, SRV_CONNECTION_BYTES);
	mallopt(M_TOP_PAD, 4 * 1024);
#endif
}

/* Whether its code was changed to fit its place; such pages are not in the
 * file. */
static bool has_changed_code(const struct dl_phdr_info *info)
{
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		const ElfW(Dyn) * d;

		if (p->p_type != PT_DYNAMIC)
			continue;
		d = (const void *)(info->dlpi_addr + p->p_vaddr);
		for (; d->d_tag != DT_NULL; d++)
			if (d->d_tag == DT_TEXTREL ||
			    (d->d_tag == DT_FLAGS &&
			     (d->d_un.d_val & DF_TEXTREL)))
				return true;
	}
	return false;
}

static int drop(struct dl_phdr_info *info, size_t size, void *page_bytes)
{
	const uintptr_t mask = *(const uintptr_t *)page_bytes - 1;
	ElfW(Phdr) header[HEADERS_MAX];
	size_t n = info->dlpi_phnum;

	(void)size;
	/* The program itself has no name. A debugger's breakpoints are in its
	 * code, and they would be lost. */
	if (info->dlpi_name[0] == '\0' || n > HEADERS_MAX ||
	    has_changed_code(info))
		return 0;
	/* A copy, because they lie in the first page to go. */
	memcpy(header, info->dlpi_phdr, n * sizeof(header[0]));
	for (size_t i = 0; i < n; i++) {
		uintptr_t from = info->dlpi_addr + header[i].p_vaddr;
		uintptr_t to = (from + header[i].p_memsz + mask) & ~mask;

		from &= ~mask;
		/* Where this fails, more stays in memory: no harm. */
		if (header[i].p_type == PT_LOAD && !(header[i].p_flags & PF_W))
			(void)madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

void resident_drop_libraries(void)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);

	dl_iterate_phdr(drop, &page_bytes);
}
