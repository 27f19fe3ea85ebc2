/* libjpeg's memory calls, answered from an arena. What it calls permanent is
 * kept for a picture too: the decoder forgets its tables between two. The
 * memory is the decoder's and the arena's; one thread at a time. */
#include "image/jmem.h"

#include <string.h>

#include <jerror.h>

#include "checked.h"

/* libjpeg-turbo's vector code may touch whole vectors past a row's end. */
#define ROW_ALIGN 64

static struct jmem *self(j_common_ptr cinfo)
{
	return (struct jmem *)cinfo->mem;
}

static _Noreturn void out_of_memory(j_common_ptr cinfo)
{
	ERREXIT1(cinfo, JERR_OUT_OF_MEMORY, 0);
	__builtin_unreachable(); /* the line above jumps */
}

static void *take(j_common_ptr cinfo, int pool_id, size_t bytes)
{
	struct jmem *m = self(cinfo);
	void *p = NULL;

	if (pool_id == JPOOL_PERMANENT) {
		if (bytes <= JMEM_PERMANENT_BYTES - m->permanent_used) {
			p = m->permanent + m->permanent_used;
			m->permanent_used += align_up(bytes, ROW_ALIGN);
		}
	} else if (m->pool != NULL) {
		p = arena_tail(m->pool, bytes);
	}
	if (p == NULL)
		out_of_memory(cinfo);
	return p;
}

static void *alloc_any(j_common_ptr cinfo, int pool_id, size_t bytes)
{
	return take(cinfo, pool_id, bytes);
}

/* Row pointers and rows in one piece of memory. */
static void **take_rows(j_common_ptr cinfo, int pool_id, size_t row_bytes,
			size_t row_count, int clear)
{
	size_t head = align_up(row_count * sizeof(void *), ROW_ALIGN);
	size_t total;
	uint8_t *p;
	void **rows;

	row_bytes = align_up(row_bytes, ROW_ALIGN);
	if (!size_mul(row_bytes, row_count, &total) ||
	    !size_add(total, head, &total))
		out_of_memory(cinfo);
	p = take(cinfo, pool_id, total);
	rows = (void **)(void *)p;
	p += head;
	if (clear)
		memset(p, 0, row_bytes * row_count);
	for (size_t i = 0; i < row_count; i++)
		rows[i] = p + i * row_bytes;
	return rows;
}

static JSAMPARRAY alloc_sarray(j_common_ptr cinfo, int pool_id,
			       JDIMENSION samples, JDIMENSION rows)
{
	return (JSAMPARRAY)take_rows(cinfo, pool_id, samples * sizeof(JSAMPLE),
				     rows, 0);
}

static JBLOCKARRAY alloc_barray(j_common_ptr cinfo, int pool_id,
				JDIMENSION blocks, JDIMENSION rows)
{
	return (JBLOCKARRAY)take_rows(cinfo, pool_id, blocks * sizeof(JBLOCK),
				      rows, 0);
}

static struct jmem_array *request(j_common_ptr cinfo, size_t row_bytes,
				  JDIMENSION rows, boolean pre_zero)
{
	struct jmem *m = self(cinfo);
	struct jmem_array *a;

	if (m->array_count == JMEM_VIRTUAL_MAX)
		out_of_memory(cinfo);
	a = &m->arrays[m->array_count++];
	a->rows = NULL;
	a->row_bytes = row_bytes;
	a->row_count = rows;
	a->pre_zero = pre_zero;
	return a;
}

static jvirt_sarray_ptr request_sarray(j_common_ptr cinfo, int pool_id,
				       boolean pre_zero, JDIMENSION samples,
				       JDIMENSION rows, JDIMENSION max_access)
{
	(void)pool_id;
	(void)max_access;
	return (jvirt_sarray_ptr)(void *)request(
		cinfo, samples * sizeof(JSAMPLE), rows, pre_zero);
}

static jvirt_barray_ptr request_barray(j_common_ptr cinfo, int pool_id,
				       boolean pre_zero, JDIMENSION blocks,
				       JDIMENSION rows, JDIMENSION max_access)
{
	(void)pool_id;
	(void)max_access;
	return (jvirt_barray_ptr)(void *)request(cinfo, blocks * sizeof(JBLOCK),
						 rows, pre_zero);
}

static void realize(j_common_ptr cinfo)
{
	struct jmem *m = self(cinfo);

	for (size_t i = 0; i < m->array_count; i++) {
		struct jmem_array *a = &m->arrays[i];

		if (a->rows == NULL)
			a->rows = take_rows(cinfo, JPOOL_IMAGE, a->row_bytes,
					    a->row_count, a->pre_zero);
	}
}

static void **rows_of(j_common_ptr cinfo, struct jmem_array *a,
		      JDIMENSION first, JDIMENSION count)
{
	if (a->rows == NULL || first > a->row_count ||
	    count > a->row_count - first)
		ERREXIT(cinfo, JERR_BAD_VIRTUAL_ACCESS);
	return a->rows + first;
}

static JSAMPARRAY access_sarray(j_common_ptr cinfo, jvirt_sarray_ptr ptr,
				JDIMENSION first, JDIMENSION count,
				boolean writable)
{
	(void)writable;
	return (JSAMPARRAY)rows_of(cinfo, (struct jmem_array *)(void *)ptr,
				   first, count);
}

static JBLOCKARRAY access_barray(j_common_ptr cinfo, jvirt_barray_ptr ptr,
				 JDIMENSION first, JDIMENSION count,
				 boolean writable)
{
	(void)writable;
	return (JBLOCKARRAY)rows_of(cinfo, (struct jmem_array *)(void *)ptr,
				    first, count);
}

static void free_pool(j_common_ptr cinfo, int pool_id)
{
	struct jmem *m = self(cinfo);

	if (pool_id != JPOOL_IMAGE)
		return;
	m->array_count = 0;
	if (m->pool != NULL)
		arena_release(m->pool,
			      (struct arena_mark){ .head = m->pool->head,
						   .tail = m->mark.tail });
}

static void self_destruct(j_common_ptr cinfo)
{
	(void)cinfo; /* the memory belongs to the engine */
}

void jmem_init(struct jmem *m)
{
	memset(m, 0, sizeof(*m));
	m->mgr.alloc_small = alloc_any;
	m->mgr.alloc_large = alloc_any;
	m->mgr.alloc_sarray = alloc_sarray;
	m->mgr.alloc_barray = alloc_barray;
	m->mgr.request_virt_sarray = request_sarray;
	m->mgr.request_virt_barray = request_barray;
	m->mgr.realize_virt_arrays = realize;
	m->mgr.access_virt_sarray = access_sarray;
	m->mgr.access_virt_barray = access_barray;
	m->mgr.free_pool = free_pool;
	m->mgr.self_destruct = self_destruct;
	m->mgr.max_memory_to_use = 0;
	m->mgr.max_alloc_chunk = 1000000000L;
}

void jmem_begin(struct jmem *m, struct arena *pool)
{
	m->pool = pool;
	m->mark = arena_get_mark(pool);
	m->array_count = 0;
	m->permanent_used = 0;
}

void jmem_end(struct jmem *m)
{
	m->array_count = 0;
	m->pool = NULL;
}
