/* libFuzzer entry for request bodies. The first byte chooses the form, the
 * second the size of the pieces in which the rest is fed:
 * clang -fsanitize=fuzzer,address -Icommon -Iserver ... -ljansson -lpthread */
#include <stdlib.h>
#include <time.h>

#include "upload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {
	"image/jpeg",
	"multipart/form-data; boundary=b",
	"application/json",
};

/* The same for DeepStack's routes. */
static const char *const forms[] = {
	"multipart/form-data; boundary=b",
	"application/x-www-form-urlencoded",
};

static void read_what_is_there(struct upload *u)
{
	uint8_t buf[512];

	while (upload_next_picture(u, NULL) == ST_OK)
		while (upload_read(u, buf, sizeof(buf)) > 0)
			;
	if (upload_error(u, NULL) != ST_OK)
		return;
	for (size_t i = 0; i < upload_param_count(u); i++)
		if (upload_param(u, upload_param_name(u, i)) == NULL)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct upload *u;
	struct timespec now;
	size_t piece, kind;

	if (u == NULL)
		upload_init(malloc(upload_bytes(UPLOAD_RING_BYTES)),
			    UPLOAD_RING_BYTES, &u);
	/* Bodies that fit into the ring need no second thread. */
	if (size < 2 || size > UPLOAD_RING_BYTES / 2)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	kind = data[0] % 5;
	if (upload_begin(u, kind < 3 ? types[kind] : NULL, 30000,
			 ((uint64_t)now.tv_sec + 60) * 1000000, NULL, NULL,
			 NULL) != ST_OK)
		abort();
	if (kind >= 3 && upload_expect_form(u, forms[kind - 3], NULL) != ST_OK)
		abort();
	piece = (size_t)data[1] + 1;
	for (size_t i = 2; i < size; i += piece) {
		size_t n = size - i < piece ? size - i : piece;

		if (upload_feed(u, data + i, n) != n)
			abort();
	}
	upload_finish(u);
	read_what_is_there(u);
	return 0;
}
