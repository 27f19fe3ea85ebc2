/* libFuzzer entry for pictures, in the pool that a worker has by default. The
 * first byte chooses how large the pieces are in which the rest arrives. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "image/jpeg.h"

#define POOL_BYTES (2u << 20)

struct memory {
	const uint8_t *p;
	size_t n, step;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t cap)
{
	struct memory *m = ctx;
	size_t n = m->n < cap ? m->n : cap;

	n = n < m->step ? n : m->step;
	memcpy(buf, m->p, n);
	m->p += n;
	m->n -= n;
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jpeg_limits limits = { 8192, 1000000, 16, false };
	static struct jpeg_decoder *decoder;
	static uint8_t *memory;
	struct arena pool;
	struct memory m;
	struct byte_source src = { read_memory, &m };
	struct picture_info info;
	struct errinfo err;
	struct image img;
	enum status st;

	if (decoder == NULL) {
		memory = aligned_alloc(ARENA_ALIGN, POOL_BYTES);
		fuzz_check(memory != NULL);
		fuzz_check(
			jpeg_decoder_open(aligned_alloc(ARENA_ALIGN,
							jpeg_decoder_bytes()),
					  true, &decoder, NULL) == ST_OK);
	}
	if (size == 0)
		return 0;
	m = (struct memory){ data + 1, size - 1, (size_t)1 << data[0] % 14 };
	arena_init(&pool, memory, POOL_BYTES);
	err_clear(&err);
	st = jpeg_decode(decoder, &pool, POOL_BYTES / 4, 1600, &limits, &src,
			 &img, &info, &err);
	/* What went wrong is said, and leaves nothing behind. */
	fuzz_check(pool.tail == 0 && st == err.status);
	if (st == ST_OK)
		fuzz_check((size_t)img.width_px * img.height_px *
				   (img.rgb != NULL ? 3 : 1) <=
			   pool.head);
	else
		fuzz_check(pool.head == 0);
	return 0;
}
